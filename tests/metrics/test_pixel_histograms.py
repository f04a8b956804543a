"""Histograms of images give the exact metrics where each score has a bin, and nearly so where several share one."""

from __future__ import annotations

import numpy as np
import pytest

from bpfl_med.metrics import PixelHistogram, PixelMetrics, binned_metrics, pixel_histogram
from bpfl_med.metrics.rank_sums import AUPRO_FPR_LIMIT


def images(n_levels: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    masks = rng.random((5, 40, 40)) < 0.1
    maps = rng.random(masks.shape) + 0.3 * masks
    return (np.floor(maps * n_levels) / n_levels).astype(np.float32), masks.astype(np.uint8)


def stacked(maps: np.ndarray, masks: np.ndarray, cuts: np.ndarray) -> PixelHistogram:
    """Histograms of images, the image being the first axis."""
    histograms = [pixel_histogram(*image, cuts) for image in zip(maps, masks, strict=True)]
    return PixelHistogram(*(np.stack(parts) for parts in zip(*histograms, strict=True)))


def both_ways(n_levels: int, n_bins: int, *, times: tuple[int, ...]) -> tuple[dict, dict]:
    """Metrics of images that count so many times, by histograms and exactly."""
    maps, masks = images(n_levels)
    whole, exact = PixelMetrics(), PixelMetrics()
    whole.update(maps, masks)
    histograms = stacked(maps, masks, whole.cuts(n_bins))
    exact.update(np.repeat(maps, times, axis=0), np.repeat(masks, times, axis=0))
    added = PixelHistogram(*(np.array(times) @ part for part in histograms))
    return binned_metrics(added, AUPRO_FPR_LIMIT), exact.compute()


@pytest.mark.parametrize("times", [(1, 1, 1, 1, 1), (2, 0, 0, 3, 1)])
def test_few_levels_are_exact(times):
    binned, exact = both_ways(20, 2**16, times=times)
    for name in ("auroc", "ap", "f1_max", "aupro"):
        assert binned[name] == pytest.approx(exact[name], abs=1e-12)


def test_many_levels_are_nearly_so():
    binned, exact = both_ways(10**6, 400, times=(2, 0, 0, 3, 1))
    for name in ("auroc", "ap", "f1_max", "aupro"):
        assert binned[name] == pytest.approx(exact[name], abs=5e-3)


def test_bins_are_few_and_filled():
    maps, masks = images(10**6)
    metrics = PixelMetrics()
    metrics.update(maps, masks)
    cuts = metrics.cuts(400)
    assert 300 < cuts.size < 500
    for counts in stacked(maps, masks, cuts)[:2]:
        assert counts.sum(0).max() <= 4 * counts.sum() / 400 + 1


def test_no_abnormal_pixel_defines_nothing():
    maps, _ = images(100)
    histogram = pixel_histogram(maps[0], np.zeros((40, 40)), np.array([5, 6], np.uint32))
    assert set(binned_metrics(histogram, 0.3).values()) == {None}


def test_few_abnormal_pixels_are_ranked_exactly():
    """A bin each, so that normal pixels which score just below one are not taken for tied with it."""
    maps, masks = images(10**6)
    masks *= np.random.default_rng(1).random(masks.shape) < 0.01
    whole = PixelMetrics()
    whole.update(maps, masks)
    exact = whole.compute()
    binned = binned_metrics(PixelHistogram(*(part.sum(0) for part in stacked(maps, masks, whole.cuts(400)))), 0.3)
    for name in ("ap", "f1_max"):
        assert binned[name] == pytest.approx(exact[name], abs=1e-12)
