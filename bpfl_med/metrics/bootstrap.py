"""Confidence intervals of metrics by the percentile bootstrap over images."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bpfl_med.metrics.rank_sums import Metrics

Resamples = dict[str, NDArray[np.float64]]
"""The values of each metric over the resamples, `[n_resamples]`; NaN where a resample does not define it."""


class BootstrapIntervals(NamedTuple):
    """Lower and upper bound of each metric, None if no resample defines it, and how many resamples were left out."""

    bounds: dict[str, tuple[float, float] | None]
    n_skipped: int


def resampled(measure: Callable[[NDArray[np.int64]], Metrics], draws: Sequence[NDArray[np.int64]]) -> Resamples:
    """Compute metrics of resamples.

    Args:
        measure: gives the metrics of images, by their places.
        draws: of each resample, the places of its images, see :func:`draw_images`.
    """
    found = [measure(draw) for draw in draws]
    return {
        name: np.array([np.nan if metrics[name] is None else metrics[name] for metrics in found]) for name in found[0]
    }


def draw_images(n_images: int, *, n_resamples: int, rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """Draw resamples, each of n images of the n with replacement, as places `[n_images]`.

    Args:
        n_images: n.
        n_resamples: how many resamples are drawn.
        rng: source of the draws, such as `np.random.default_rng(seed)`; the same state gives the same draws.

    Raises:
        ValueError: `n_resamples` is below 1.
    """
    if n_resamples < 1:
        raise ValueError(f"The bootstrap needs at least 1 resample, got {n_resamples}")
    return [rng.integers(n_images, size=n_images) for _ in range(n_resamples)]


def percentile_intervals(resamples: Resamples, *, confidence: float) -> BootstrapIntervals:
    """Bound each metric by the (1 - confidence) / 2 and (1 + confidence) / 2 quantiles over its resamples.

    A resample that happens to hold a single class defines no metric: it is skipped and counted, so the intervals hold
    given that both classes are met.

    Raises:
        ValueError: `confidence` is outside (0, 1).
    """
    if not 0 < confidence < 1:
        raise ValueError(f"The confidence must lie between 0 and 1, got {confidence}")
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    bounds: dict[str, tuple[float, float] | None] = {}
    n_skipped = 0
    for name, values in resamples.items():
        defined = values[~np.isnan(values)]
        n_skipped = max(n_skipped, values.size - defined.size)
        bounds[name] = None
        if defined.size:
            low, high = np.quantile(defined, tails).tolist()
            bounds[name] = (low, high)
    return BootstrapIntervals(bounds, n_skipped)


def mean_resamples(by_class: Mapping[str, Resamples]) -> Resamples:
    """Average the resamples of several classes, each class resampled within itself, over those that define a metric."""
    classes = list(by_class.values())
    mean: Resamples = {}
    for name in classes[0] if classes else ():
        values = np.stack([resamples[name] for resamples in classes])
        n_defined = (~np.isnan(values)).sum(0)
        mean[name] = np.nansum(values, axis=0) / np.where(n_defined, n_defined, np.nan)
    return mean
