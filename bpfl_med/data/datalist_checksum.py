"""A checksum of a data set's content, which tells whether two runs were over the same images."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bpfl_med.files.checksum import file_checksum


def datalist_checksum(items: Sequence[Mapping[str, Any]]) -> str:
    """Return the SHA-256 of the files' bytes, masks, labels and class names, in order; where they lie does not matter.

    Args:
        items: of a datalist.
    """
    with ThreadPoolExecutor() as pool:
        digests = pool.map(_item_digest, items)
        return hashlib.sha256(b"".join(digests)).hexdigest()


def _item_digest(item: Mapping[str, Any]) -> bytes:
    files = [None if item.get(key) is None else file_checksum(item[key]) for key in ("image", "mask")]
    return hashlib.sha256(repr((files, item.get("label"), item["class_name"])).encode()).digest()
