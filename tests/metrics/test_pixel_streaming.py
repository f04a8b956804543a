import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from bpfl_med.metrics import PixelMetrics

MIB = 2**20


@pytest.fixture(autouse=True)
def temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def smooth_images(n: int, size: int = 128, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    noise = ndimage.gaussian_filter(rng.standard_normal((2, n, size, size)), 3, axes=(2, 3)).astype(np.float32)
    return noise[0] + noise[1], (noise[1] > 0.1).astype(np.uint8)


def fill(metrics: PixelMetrics, maps: np.ndarray, masks: np.ndarray, batch: int = 1) -> PixelMetrics:
    for i in range(0, len(maps), batch):
        metrics.update(maps[i : i + batch], masks[i : i + batch])
    return metrics


@pytest.mark.parametrize("n_levels", [8, None])
def test_spilling_order_and_grouping_leave_the_numbers(tmp_path: Path, n_levels: int | None):
    maps, masks = smooth_images(40)
    if n_levels:
        maps = np.round(maps * n_levels)
    expected = fill(PixelMetrics(), maps, masks).compute()
    order = np.random.default_rng(1).permutation(len(maps))
    spilled = fill(PixelMetrics(memory_limit=MIB), maps[order], masks[order], batch=7)
    assert list(tmp_path.rglob("*.bin"))
    assert spilled.compute() == pytest.approx(expected, abs=1e-12)
    assert spilled.compute() == spilled.compute()


@pytest.mark.parametrize("memory_limit", [MIB, 64 * MIB])
def test_merged_parts_equal_the_whole(memory_limit: int):
    maps, masks = smooth_images(30)
    expected = fill(PixelMetrics(), maps, masks).compute()
    parts = [fill(PixelMetrics(memory_limit=memory_limit), maps[i::3], masks[i::3]) for i in range(3)]
    whole = PixelMetrics(memory_limit=memory_limit)
    for part in parts:
        whole.merge_state(part.state())
    assert whole.compute() == pytest.approx(expected, abs=1e-12)


def test_state_survives_a_file_without_pickle(tmp_path: Path):
    maps, masks = smooth_images(3)
    metrics = fill(PixelMetrics(), maps, masks)
    np.savez(tmp_path / "rank0.npz", **metrics.state())
    restored = PixelMetrics()
    with np.load(tmp_path / "rank0.npz", allow_pickle=False) as state:
        restored.merge_state(dict(state))
    assert restored.compute() == metrics.compute()


@pytest.mark.parametrize("n_levels", [2, None])
@pytest.mark.parametrize("abnormal", [0.03, 0.97])
def test_memory_stays_below_the_limit_however_many_images(tmp_path: Path, n_levels: int | None, abnormal: float):
    limit, n = 2 * MIB, 80  # all pixels take 5 MiB at 4 bytes, 10 MiB at 8
    maps = smooth_images(8)[0]
    masks = (maps > np.quantile(maps, 1 - abnormal)).astype(np.uint8)
    if n_levels:
        maps = np.round(maps * n_levels)
    rng = np.random.default_rng(0)
    metrics = PixelMetrics(memory_limit=limit)
    tracemalloc.start()
    try:
        for i in range(n):
            shift = np.float32(0 if n_levels else rng.normal())
            metrics.update(maps[i % 8] + shift, masks[i % 8])
        assert metrics.compute()["aupro"] is not None
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.bin")) > 1.5 * limit
    assert peak < limit + MIB // 2  # what is over is the copies of one map, 64 KiB a piece
