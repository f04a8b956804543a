"""Confidence intervals of the image-level metrics."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike

from bpfl_med.metrics.image import image_metrics
from bpfl_med.metrics.inputs import to_numpy


class BootstrapIntervals(NamedTuple):
    """Lower and upper bound of each metric, None if no resample defines it, and how many resamples were left out."""

    bounds: dict[str, tuple[float, float] | None]
    n_skipped: int


def bootstrap_intervals(
    scores: ArrayLike | torch.Tensor,
    labels: ArrayLike | torch.Tensor,
    *,
    rng: np.random.Generator,
    n_resamples: int = 1000,
    confidence: float = 0.95,
) -> BootstrapIntervals:
    """Bound the metrics of `image_metrics` by the percentile bootstrap over images.

    Each resample draws n images of the n with replacement. One that happens to hold a single class defines no metric:
    it is skipped and counted, so the intervals hold given that both classes are met. The bounds are the
    (1 - confidence) / 2 and (1 + confidence) / 2 quantiles over the other resamples. The same generator state gives the
    same intervals.

    Args:
        scores: anomaly scores, `[n]`.
        labels: 0 normal, 1 abnormal, `[n]`.
        rng: source of the draws, such as `np.random.default_rng(seed)`.
        n_resamples: how many resamples are drawn.
        confidence: share of the resamples that lies between the bounds, in (0, 1).

    Returns:
        Intervals by metric name, and the number of skipped resamples.

    Raises:
        ValueError: as `image_metrics`, or `n_resamples` is below 1, or `confidence` is outside (0, 1).
    """
    if n_resamples < 1:
        raise ValueError(f"The bootstrap needs at least 1 resample, got {n_resamples}.")
    if not 0 < confidence < 1:
        raise ValueError(f"The confidence must lie between 0 and 1, got {confidence}.")
    score, label = to_numpy(scores), to_numpy(labels)
    names = image_metrics(score, label)  # also checks what is resampled
    draws = (rng.integers(score.size, size=score.size) for _ in range(n_resamples if score.size else 0))
    resamples = [image_metrics(score[draw], label[draw]) for draw in draws]
    defined = [list(metrics.values()) for metrics in resamples if metrics["auroc"] is not None]
    if not defined:
        return BootstrapIntervals(dict.fromkeys(names), n_resamples)
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.array(defined, dtype=np.float64), [tail, 1 - tail], axis=0).tolist()
    return BootstrapIntervals(
        {name: (low[i], high[i]) for i, name in enumerate(names)}, n_skipped=n_resamples - len(defined)
    )
