"""Pixels of single images as histograms, to compute pixel metrics of any choice of images in no time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bpfl_med.metrics.rank_sums import Metrics, RankSums
from bpfl_med.metrics.regions import region_areas
from bpfl_med.metrics.score_keys import scores_to_keys


class PixelHistogram(NamedTuple):
    """What pixel metrics need to know of one image, from the highest scores to the lowest.

    Attributes:
        normal: normal pixels in each bin, [n_bins] int64.
        abnormal: abnormal pixels in each bin, [n_bins] int64.
        overlap: sum of 1 / (area of its region) over the abnormal pixels of each bin, [n_bins] float64.
        n_regions: int64 [].
    """

    normal: NDArray[np.int64]
    abnormal: NDArray[np.int64]
    overlap: NDArray[np.float64]
    n_regions: NDArray[np.int64]


def pixel_histogram(scores: NDArray[np.float32], mask: NDArray, cuts: NDArray[np.uint32]) -> PixelHistogram:
    """Sort the pixels of one image into bins.

    Args:
        scores: its map, [..., H, W].
        mask: 0 normal, 1 abnormal, of the same shape.
        cuts: between the bins, [n_bins - 1], see :meth:`~bpfl_med.metrics.PixelMetrics.cuts`.
    """
    abnormal = np.asarray(mask, bool).reshape(scores.shape[-2:])
    # A cut at an abnormal pixel's score is the end of its bin: what lies just below that score does not count as tied.
    bins = np.searchsorted(cuts, scores_to_keys(scores.reshape(scores.shape[-2:])), side="left")
    areas, n_regions = region_areas(abnormal)
    n_bins = cuts.size + 1
    return PixelHistogram(
        np.bincount(bins[~abnormal], minlength=n_bins),
        np.bincount(bins[abnormal], minlength=n_bins),
        np.bincount(bins[abnormal], 1 / areas, minlength=n_bins).astype(np.float64),
        np.asarray(n_regions),
    )


def binned_metrics(histogram: PixelHistogram, fpr_limit: float) -> Metrics:
    """Compute the metrics of :class:`~bpfl_med.metrics.PixelMetrics`, without threshold, as if a bin were one score.

    Args:
        histogram: of one image, or the sum of several.
        fpr_limit: where the integral of AUPRO ends, in (0, 1].
    """
    normal, abnormal, overlap, n_regions = histogram
    hit = np.flatnonzero(abnormal)
    sums = RankSums(int(abnormal.sum()), int(normal.sum()), int(n_regions), fpr_limit)
    if hit.size:
        n_above = np.cumsum(normal) - normal
        sums.add(-hit.astype(float), abnormal[hit], n_above[hit], normal[hit], overlap[hit])
    return {name: value for name, value in sums.result().items() if name != "threshold"}
