"""Freed memory is kept, seen by the pages that Linux has to clear."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from bpfl_med.machine.process_memory import keep_freed_memory

# Takes and frees what blocks of an image tower do: large tensors together, again and again.
PAGES_CLEARED = """
import resource
import torch
from bpfl_med.machine.process_memory import keep_freed_memory

{setting}
def block():
    return [torch.empty(size * 2**20, dtype=torch.uint8).fill_(1) for size in (31, 22, 16, 31, 6)]

for _ in range(20):
    block()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    block()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_a_block_finds_the_memory_of_the_block_before():
    assert _pages_cleared("") > 100_000
    assert _pages_cleared("keep_freed_memory()") < 1000


def test_another_c_library_is_left_as_it_is(monkeypatch):
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    monkeypatch.setattr("ctypes.CDLL", None)  # calling it would fail
    keep_freed_memory()


def _pages_cleared(setting: str) -> int:
    program = PAGES_CLEARED.format(setting=setting)
    # Where glibc starts from; by default it moves with what is freed, and what it keeps then is chance.
    smallest = {"MALLOC_MMAP_THRESHOLD_": str(2**17), "MALLOC_TRIM_THRESHOLD_": str(2**17)}
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env={**os.environ, **smallest}
    )
    return int(run.stdout)
