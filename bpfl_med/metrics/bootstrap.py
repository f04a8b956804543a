"""Confidence intervals of the image-level metrics."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from bpfl_med.metrics.image import image_metrics
from bpfl_med.metrics.inputs import to_numpy

Resamples = dict[str, NDArray[np.float64]]
"""The values of each metric over the resamples, `[n_resamples]`; NaN where a resample does not define it."""


class BootstrapIntervals(NamedTuple):
    """Lower and upper bound of each metric, None if no resample defines it, and how many resamples were left out."""

    bounds: dict[str, tuple[float, float] | None]
    n_skipped: int


def resampled_metrics(
    scores: ArrayLike | torch.Tensor,
    labels: ArrayLike | torch.Tensor,
    *,
    rng: np.random.Generator,
    n_resamples: int,
) -> Resamples:
    """Compute the metrics of `image_metrics` for resamples, each of which draws n images of the n with replacement.

    Args:
        scores: anomaly scores, `[n]`.
        labels: 0 normal, 1 abnormal, `[n]`.
        rng: source of the draws, such as `np.random.default_rng(seed)`; the same state gives the same values.
        n_resamples: how many resamples are drawn.

    Raises:
        ValueError: as `image_metrics`, or `n_resamples` is below 1.
    """
    if n_resamples < 1:
        raise ValueError(f"The bootstrap needs at least 1 resample, got {n_resamples}.")
    score, label = to_numpy(scores), to_numpy(labels)
    names = image_metrics(score, label)  # also checks what is resampled
    values = np.full((n_resamples, len(names)), np.nan)
    for resample in values if score.size else ():
        draw = rng.integers(score.size, size=score.size)
        resample[:] = [np.nan if value is None else value for value in image_metrics(score[draw], label[draw]).values()]
    return dict(zip(names, values.T, strict=True))


def percentile_intervals(resamples: Resamples, *, confidence: float) -> BootstrapIntervals:
    """Bound each metric by the (1 - confidence) / 2 and (1 + confidence) / 2 quantiles over its resamples.

    A resample that happens to hold a single class defines no metric: it is skipped and counted, so the intervals hold
    given that both classes are met.

    Raises:
        ValueError: `confidence` is outside (0, 1).
    """
    if not 0 < confidence < 1:
        raise ValueError(f"The confidence must lie between 0 and 1, got {confidence}.")
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
