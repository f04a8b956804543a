import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from bpfl_med.metrics.sorted_runs import SortedRuns


@pytest.fixture(autouse=True)
def temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def read(store: SortedRuns, block_size: int) -> list[tuple[np.ndarray, np.ndarray]]:
    return list(store.blocks(np.unique(store.samples(block_size)), block_size))


@pytest.mark.parametrize("capacity", [7, 100, 10_000])
@pytest.mark.parametrize("highest", [3, 200, 2**63])
def test_gives_every_value_back_in_order_and_counted(capacity: int, highest: int):
    rng = np.random.default_rng(0)
    store = SortedRuns(np.uint64, capacity)
    values = rng.integers(highest, size=1500, dtype=np.uint64)
    for part in np.split(values, [0, 1, 20, 700]):
        store.extend(part)
    blocks = read(store, block_size=16)
    assert len(store) == 1500
    ordered = np.concatenate([block[0] for block in blocks])
    counts = np.concatenate([block[1] for block in blocks])
    assert ordered.dtype == np.uint64
    assert np.all(ordered[1:] > ordered[:-1])
    assert dict(zip(ordered.tolist(), counts.tolist(), strict=True)) == Counter(values.tolist())


def test_blocks_stay_small_whatever_the_values_are():
    rng = np.random.default_rng(0)
    store = SortedRuns(np.uint32, 500)
    store.extend(np.concatenate([rng.integers(2**32, size=4000), np.full(3000, 5), np.arange(3000)]).astype(np.uint32))
    sizes = [values.size for values, _ in read(store, block_size=200)]
    assert max(sizes) <= 201
    assert len(sizes) < 200


def test_only_what_exceeds_the_buffer_goes_to_disk(tmp_path: Path):
    store = SortedRuns(np.uint32, 100)
    store.extend(np.arange(100, dtype=np.uint32))
    assert list(tmp_path.iterdir()) == []
    store.extend(np.arange(150, dtype=np.uint32))
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.bin")) == 4 * 200


def test_takes_more_after_reading():
    store = SortedRuns(np.uint32, 100)
    store.extend(np.uint32([3, 1]))
    read(store, block_size=8)
    store.extend(np.uint32([2]))
    np.testing.assert_array_equal(np.concatenate([values for values, _ in read(store, block_size=8)]), [1, 2, 3])


def test_files_go_with_the_object(tmp_path: Path):
    store = SortedRuns(np.uint32, 1)
    store.extend(np.uint32([3, 1]))
    assert list(tmp_path.iterdir())
    del store
    assert not list(tmp_path.iterdir())
