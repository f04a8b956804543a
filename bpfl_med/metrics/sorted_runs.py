"""A multiset of integers that is sorted exactly in bounded memory."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Counted = tuple[NDArray[np.unsignedinteger], NDArray[np.int64]]
"""Distinct values in ascending order, and how often each occurs."""

_FIRST_ALLOCATION = 1 << 16


class SortedRuns:
    """Collects unsigned integers and gives them back in order, distinct and counted, block by block.

    Values gather in a buffer. A full buffer is sorted and written to disk as one run. To read, the range of values is
    cut into blocks of about equal size, and each block is merged from its stretch of every run. So neither collecting
    nor reading holds more than the buffer, one block and the samples that the cuts are chosen from.

    Args:
        dtype: unsigned integer type of the values.
        capacity: number of values that the buffer holds; disk is touched only beyond it: runs lie in the system's
            temporary folder as long as the object lives.
    """

    def __init__(self, dtype: type[np.unsignedinteger], capacity: int) -> None:
        self.dtype = np.dtype(dtype)
        self.capacity = capacity
        self._buffer = np.empty(0, self.dtype)
        self._n_buffered = 0
        self._is_sorted = True
        self._n_spilled = 0
        self._paths: list[Path] = []
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __len__(self) -> int:
        return self._n_spilled + self._n_buffered

    def extend(self, values: NDArray[np.unsignedinteger]) -> None:
        """Add values, `[n]`, in any order."""
        start = 0
        while start < values.size:
            if self._n_buffered == self.capacity:
                self._spill()
            stop = min(values.size, start + self.capacity - self._n_buffered)
            end = self._n_buffered + stop - start
            self._reserve(end)
            self._buffer[self._n_buffered : end] = values[start:stop]
            self._n_buffered, self._is_sorted, start = end, False, stop

    def runs(self) -> Iterator[NDArray[np.unsignedinteger]]:
        """Yield all values as sorted arrays, to be read before the next `extend`: runs on disk are memory-mapped."""
        # One at a time: pages that were read of a run count as resident only as long as it is mapped.
        for path in self._paths:
            yield np.memmap(path, self.dtype, mode="r")
        yield self._sorted_buffer()

    def samples(self, block_size: int) -> NDArray[np.unsignedinteger]:
        """Give ascending values such that at most `block_size` values lie strictly between two neighbours."""
        # A run has at most one stride more between two values than it has samples there.
        n_runs = len(self._paths) + 1
        stride = max(1, block_size // (2 * n_runs))
        return np.sort(np.concatenate([run[::stride].copy() for run in self.runs()]))[::n_runs]

    def blocks(self, cuts: NDArray[np.unsignedinteger], block_size: int) -> Iterator[Counted]:
        """Yield the values below `cuts[0]`, those from `cuts[0]` to below `cuts[1]`, and so on to the last.

        Args:
            cuts: ascending, `[n_blocks - 1]`, of this object's dtype.
            block_size: how many values are read at a time; however often one value occurs, it needs no more memory.
        """
        bounds = [np.concatenate(([0], np.searchsorted(run, cuts), [run.size])) for run in self.runs()]
        for i in range(cuts.size + 1):
            yield _merge(
                [
                    _count(self._read(run, first, min(first + block_size, bound[i + 1])))
                    for run, bound in enumerate(bounds)
                    for first in range(bound[i], bound[i + 1], block_size)
                ],
                self.dtype,
            )

    def _reserve(self, size: int) -> None:
        if size > self._buffer.size:
            larger = np.empty(min(self.capacity, max(size, 2 * self._buffer.size, _FIRST_ALLOCATION)), self.dtype)
            larger[: self._n_buffered] = self._buffer[: self._n_buffered]
            self._buffer = larger

    def _spill(self) -> None:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="sorted_runs_", ignore_cleanup_errors=True)
        path = Path(self._folder.name) / f"{len(self._paths)}.bin"
        self._sorted_buffer().tofile(path)
        self._paths.append(path)
        self._n_spilled += self._n_buffered
        self._n_buffered = 0

    def _read(self, run: int, first: int, stop: int) -> NDArray[np.unsignedinteger]:
        if run == len(self._paths):
            return self._sorted_buffer()[first:stop]
        return np.fromfile(self._paths[run], self.dtype, count=stop - first, offset=first * self.dtype.itemsize)

    def _sorted_buffer(self) -> NDArray[np.unsignedinteger]:
        values = self._buffer[: self._n_buffered]
        if not self._is_sorted:
            values.sort()
            self._is_sorted = True
        return values


def first_of_equal(ordered: NDArray[np.unsignedinteger]) -> NDArray[np.int64]:
    """Give the position of the first of each group of equal values in a sorted array, `[n]`, n > 0."""
    return np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))


def _count(ordered: NDArray[np.unsignedinteger]) -> Counted:
    starts = first_of_equal(ordered)
    return ordered[starts], np.diff(starts, append=ordered.size)


def _merge(parts: list[Counted], dtype: np.dtype[np.unsignedinteger]) -> Counted:
    if not parts:
        return np.empty(0, dtype), np.empty(0, np.int64)
    if len(parts) == 1:
        return parts[0]
    values = np.concatenate([part[0] for part in parts])
    order = np.argsort(values, kind="stable")
    values = values[order]
    starts = first_of_equal(values)
    return values[starts], np.add.reduceat(np.concatenate([part[1] for part in parts])[order], starts)
