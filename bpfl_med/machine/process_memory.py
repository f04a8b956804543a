"""Memory that one image frees, kept for the next."""

from __future__ import annotations

import ctypes
import platform

LARGEST_KEPT = 2**25
"""Bytes up to which glibc can be told to keep what is freed; whatever is larger it asks the system for anew."""

_KEPT = 2**28  # bytes at most: an image of ViT-L at 518 pixels frees and takes less than 192 MiB of them
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h


def keep_freed_memory() -> None:
    """Have the C library keep up to 256 MiB that tensors free, instead of giving them back to the system.

    Each block of a tower frees what the block before it took. By default glibc gives that back to Linux and asks for it
    again, and Linux clears every page anew: up to 1.5 GB an image. No result changes. It holds for the whole process;
    another C library than glibc is left as it is.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(_M_MMAP_THRESHOLD, LARGEST_KEPT)
    libc.mallopt(_M_TRIM_THRESHOLD, _KEPT)
