"""Image-level metrics of scores that fit in memory."""

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from bpfl_med.metrics.inputs import check_finite, to_bool, to_numpy
from bpfl_med.metrics.operating_points import OperatingPoints, operating_points
from bpfl_med.metrics.rank_sums import Metrics, RankSums


def image_metrics(scores: ArrayLike | torch.Tensor, labels: ArrayLike | torch.Tensor) -> Metrics:
    """Compute AUROC, average precision and F1-max with its threshold, exactly; the formulas stand at `RankSums`.

    Example:
        >>> image_metrics([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
        {'auroc': 0.75, 'ap': 0.8333333333333333, 'f1_max': 0.8, 'threshold': 0.35}

    Args:
        scores: anomaly scores, `[n]`, higher is more abnormal, any range.
        labels: 0 normal, 1 abnormal, `[n]`.

    Returns:
        `auroc`, `ap`, `f1_max` and `threshold`: an image is called abnormal when its score is at least the threshold.
        All are None if only one class is present.

    Raises:
        ValueError: the shapes differ or are not `[n]`, a score is not finite, or a label is neither 0 nor 1.
    """
    score, abnormal = _checked(scores, labels)
    sums = RankSums(n_positive=int(abnormal.sum()), n_negative=int((~abnormal).sum()))
    distinct, *ranks = _ranked(score, abnormal)
    if distinct.size:
        sums.add(distinct, *ranks)
    return sums.result()


def image_operating_points(
    scores: ArrayLike | torch.Tensor, labels: ArrayLike | torch.Tensor
) -> OperatingPoints | None:
    """Give points of the ROC and the precision-recall curve to draw; None if only one class is present.

    Args and errors are those of :func:`image_metrics`.
    """
    score, abnormal = _checked(scores, labels)
    _, n_equal, n_above, n_tied = _ranked(score, abnormal)
    n_positive = int(abnormal.sum())
    return operating_points([(n_equal, n_above, n_tied)], n_positive=n_positive, n_negative=score.size - n_positive)


def _checked(scores: ArrayLike | torch.Tensor, labels: ArrayLike | torch.Tensor) -> tuple[NDArray, NDArray[np.bool_]]:
    score, label = to_numpy(scores), to_numpy(labels)
    if score.ndim != 1 or score.shape != label.shape:
        raise ValueError(f"Scores and labels must be two lists of one length, got {score.shape} and {label.shape}")
    check_finite(score, "Image scores")
    return score, to_bool(label, "Image labels")


def _ranked(score: NDArray, abnormal: NDArray[np.bool_]) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Give the distinct scores of abnormal images from high to low, and of each what `RankSums.add` asks for."""
    normal = np.sort(score[~abnormal])
    distinct, n_equal = (values[::-1] for values in np.unique(score[abnormal], return_counts=True))
    n_below = np.searchsorted(normal, distinct)
    n_not_above = np.searchsorted(normal, distinct, side="right")
    return distinct, n_equal, normal.size - n_not_above, n_not_above - n_below
