"""The checksum of the bytes of a file, or of several."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path


def file_checksum(path: str | Path) -> str:
    """Return the SHA-256 of a file, hexadecimal.

    Raises:
        OSError: if it cannot be read.
    """
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_checksum(paths: Iterable[Path]) -> str:
    """Give the SHA-256 of a file; of several files, that of their SHA-256 digests one after another."""
    digests = [bytes.fromhex(file_checksum(path)) for path in paths]
    return digests[0].hex() if len(digests) == 1 else hashlib.sha256(b"".join(digests)).hexdigest()
