"""Points of the ROC and the precision-recall curve, few enough to draw."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ranks = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
"""Of distinct scores of abnormal samples, from high to low: how many abnormal samples have it, how many normal ones lie
above it, and how many are tied with it."""


_N_STEPS = 500  # of each rate; at most twice as many pairs of points are kept


class OperatingPoints(NamedTuple):
    """Points from the highest threshold to the lowest, `[n]` each.

    Attributes:
        false_positive_rate: share of the normal samples that are called abnormal; with `true_positive_rate` the ROC.
        true_positive_rate: share of the abnormal samples that are called so, from 0 to 1.
        recall: as the true positive rate, at the points of the precision-recall curve.
        precision: share of abnormal ones among those called so.
    """

    false_positive_rate: NDArray[np.float64]
    true_positive_rate: NDArray[np.float64]
    recall: NDArray[np.float64]
    precision: NDArray[np.float64]


def operating_points(ranks: Iterable[Ranks], *, n_positive: int, n_negative: int) -> OperatingPoints | None:
    """Thin out exact points: a point is kept where either rate enters another of many equal steps.

    Args:
        ranks: from high to low scores, in as many pieces as one likes.
        n_positive: abnormal samples in all.
        n_negative: normal samples in all.

    Returns:
        The points, or None if only one class is present.
    """
    if not n_positive or not n_negative:
        return None
    kept: list[NDArray[np.int64]] = []
    true_positives, last_cell = 0, (-1, -1)
    for n_equal, n_above, n_tied in ranks:
        after = true_positives + np.cumsum(n_equal)
        before = after - n_equal
        false_positives = n_above + n_tied
        cells = np.stack([after * _N_STEPS // n_positive, false_positives * _N_STEPS // n_negative], axis=1)
        changed = (np.diff(cells, axis=0, prepend=[last_cell]) != 0).any(axis=1)
        kept.append(np.stack([before, n_above, after, false_positives], axis=1)[changed])
        true_positives, last_cell = int(after[-1]), tuple(cells[-1])
    before, n_above, after, false_positives = np.concatenate(kept).T
    # Up to a score the curve is level, and over tied samples it is a straight line.
    fpr = np.concatenate([[0.0], np.stack([n_above, false_positives], axis=1).ravel() / n_negative, [1.0]])
    tpr = np.concatenate([[0.0], np.stack([before, after], axis=1).ravel() / n_positive, [1.0]])
    return OperatingPoints(fpr, tpr, after / n_positive, after / (after + false_positives))
