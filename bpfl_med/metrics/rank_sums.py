"""AUROC, average precision, F1-max and AUPRO as sums over the scores of the abnormal samples."""

import numpy as np
from numpy.typing import NDArray

Metrics = dict[str, float | None]
"""Values by name: `auroc`, `ap`, `f1_max`, `threshold` and, over pixels, `aupro`; None where one is not defined."""


AUPRO_FPR_LIMIT = 0.3
"""Where the integral of AUPRO ends, unless another limit is given."""


class RankSums:
    """Turns the ranks of the abnormal among the normal samples into ranking metrics, exactly.

    Let v_1 > v_2 > ... be the distinct scores of the P abnormal samples, p_j the number of abnormal samples with score
    v_j, TP_j = p_1 + ... + p_j, and of the N normal samples let a_j lie above v_j and t_j be tied with it. Equal scores
    form one point of every curve, so

        AUROC = sum_j p_j (N - a_j - t_j / 2) / (P N)                        area under TPR over FPR, trapezoids
        AP    = sum_j p_j TP_j / (TP_j + a_j + t_j) / P                      sum of precision times step of recall
        F1max = max_j 2 TP_j / (P + TP_j + a_j + t_j)

    A threshold between two v_j, or below the last one, only adds false positives, so AP and F1max do not need it. The
    mean overlap of R regions (PRO) over the FPR is a curve like the TPR's: its step at v_j is w_j / R, where w_j is the
    sum of 1 / (area of its region) over the p_j pixels. Its area up to the FPR limit L, the last trapezoid cut there:

        AUPRO = sum_j w_j (L - c_j + (c_j - b_j)^2 / (2 (x_j - a_j / N))) / (R L)
        x_j = (a_j + t_j) / N,   c_j = min(x_j, L),   b_j = min(a_j / N, L),   0 / 0 = 0

    Sums are in float64, counts in int64.

    Args:
        n_positive: P, abnormal samples in all.
        n_negative: N, normal samples in all.
        n_regions: R; None where the samples are not pixels, and there is no AUPRO.
        fpr_limit: L, in (0, 1].
    """

    def __init__(
        self, n_positive: int, n_negative: int, n_regions: int | None = None, fpr_limit: float = AUPRO_FPR_LIMIT
    ) -> None:
        self._p = n_positive
        self._n = n_negative
        self._n_regions = n_regions
        self._limit = fpr_limit * n_negative
        self._true_positives = 0
        self._auroc = 0.0
        self._ap = 0.0
        self._aupro = 0.0
        self._f1_max = 0.0
        self._threshold = 0.0

    def add(
        self,
        scores: NDArray,
        n_equal: NDArray[np.int64],
        n_above: NDArray[np.int64],
        n_tied: NDArray[np.int64],
        overlap: NDArray[np.float64] | None = None,
    ) -> None:
        """Add the next distinct scores of abnormal samples, from high to low over all calls.

        Args:
            scores: v_j, `[n]`, n > 0.
            n_equal: p_j, `[n]`.
            n_above: a_j, `[n]`.
            n_tied: t_j, `[n]`.
            overlap: w_j, `[n]`.
        """
        true_positives = self._true_positives + np.cumsum(n_equal)
        predicted = true_positives + n_above + n_tied
        self._true_positives = int(true_positives[-1])
        self._auroc += float(np.sum(n_equal * (self._n - n_above - 0.5 * n_tied)))
        self._ap += float(np.sum(n_equal * (true_positives / predicted)))

        f1 = 2 * true_positives / (self._p + predicted)
        best = f1.size - 1 - int(np.argmax(f1[::-1]))  # of equal F1 the lowest threshold, as in scikit-learn's order
        if f1[best] >= self._f1_max:
            self._f1_max, self._threshold = float(f1[best]), float(scores[best])

        if overlap is not None:
            start = np.minimum(n_above, self._limit)
            stop = np.minimum(n_above + n_tied, self._limit)
            area = self._limit - stop + (stop - start) ** 2 / (2 * np.maximum(n_tied, 1))
            self._aupro += float(np.sum(overlap * area))

    def result(self) -> Metrics:
        """Give the metrics once all scores are added; None for all of them unless both classes are present."""
        metrics: Metrics = {"auroc": None, "ap": None, "f1_max": None, "threshold": None}
        if self._p and self._n:
            metrics = {
                "auroc": self._auroc / (self._p * self._n),
                "ap": self._ap / self._p,
                "f1_max": self._f1_max,
                "threshold": self._threshold,
            }
        if self._n_regions is not None:
            metrics["aupro"] = None
            if self._n_regions and self._n:
                # Rounding alone could carry a perfect ranking above 1.
                metrics["aupro"] = min(1.0, self._aupro / (self._n_regions * self._limit))
        return metrics
