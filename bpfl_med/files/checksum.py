"""The checksum of the bytes of a file, or of several."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path


def file_checksum(path: str | Path) -> str:
    """Return the SHA-256 of a file, hexadecimal.

    Raises:
        OSError: if it cannot be read.
    """
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def joint_checksum(checksums: Sequence[str]) -> str:
    """Give one checksum for several: of a single one itself, else the SHA-256 of them one after another."""
    joined = b"".join(map(bytes.fromhex, checksums))
    return checksums[0] if len(checksums) == 1 else hashlib.sha256(joined).hexdigest()


def files_checksum(paths: Iterable[Path]) -> str:
    """Give the SHA-256 of a file; of several files, their joint checksum."""
    return joint_checksum([file_checksum(path) for path in paths])
