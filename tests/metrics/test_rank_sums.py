import numpy as np
import pytest

from bpfl_med.metrics.rank_sums import RankSums


def counts(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def test_scores_may_come_in_parts():
    columns = [np.array([0.9, 0.6, 0.2]), counts(1, 2, 1), counts(0, 1, 3), counts(1, 0, 2), np.array([0.5, 1.0, 0.5])]
    whole, parts = (RankSums(n_positive=4, n_negative=6, n_regions=2) for _ in range(2))
    whole.add(*columns)
    for i in range(3):
        parts.add(*(column[i : i + 1] for column in columns))
    assert parts.result() == pytest.approx(whole.result(), abs=1e-15)


def test_of_equal_f1_in_two_parts_the_lower_threshold_counts():
    sums = RankSums(n_positive=2, n_negative=3)
    sums.add(np.array([0.9]), counts(1), counts(0), counts(0))  # F1 = 2 * 1 / (2 + 1)
    sums.add(np.array([0.6]), counts(1), counts(2), counts(0))  # F1 = 2 * 2 / (2 + 4)
    assert sums.result()["threshold"] == 0.6


def test_rounding_does_not_carry_aupro_above_one():
    sums = RankSums(n_positive=3, n_negative=10, n_regions=1)
    sums.add(np.array([0.9]), counts(3), counts(0), counts(0), overlap=np.array([1 + 1e-15]))
    assert sums.result()["aupro"] == 1.0


def test_there_is_no_aupro_without_pixels():
    assert "aupro" not in RankSums(n_positive=1, n_negative=1).result()
    assert RankSums(n_positive=0, n_negative=1, n_regions=0).result()["aupro"] is None
