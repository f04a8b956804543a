import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from bpfl_med.metrics import image_metrics


def best_f1(labels: np.ndarray, scores: np.ndarray) -> tuple[float, float]:
    precision, recall, thresholds = precision_recall_curve(labels, scores)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-300)
    return f1.max(), thresholds[np.argmax(f1[:-1])]


@pytest.mark.parametrize("n_levels", [2, 5, 10**6])
@pytest.mark.parametrize("seed", range(10))
def test_equals_scikit_learn(seed: int, n_levels: int):
    rng = np.random.default_rng(seed)
    labels = rng.integers(2, size=rng.integers(10, 200))
    scores = (rng.integers(n_levels, size=labels.size) + labels * n_levels // 4) / n_levels - 0.3
    metrics = image_metrics(scores, labels)
    f1 = best_f1(labels, scores)[0]
    assert metrics["auroc"] == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert metrics["ap"] == pytest.approx(average_precision_score(labels, scores), abs=1e-12)
    assert metrics["f1_max"] == pytest.approx(f1, abs=1e-12)
    called = scores >= metrics["threshold"]
    assert 2 * np.sum(called & (labels == 1)) / (called.sum() + labels.sum()) == pytest.approx(f1, abs=1e-12)


def test_threshold_is_the_lowest_with_the_best_f1():
    labels, scores = [1, 0, 0, 1, 0], [0.9, 0.8, 0.7, 0.6, 0.5]  # F1 is 2/3 at 0.9 and at 0.6
    assert image_metrics(scores, labels)["threshold"] == 0.6
    assert best_f1(np.array(labels), np.array(scores))[1] == 0.6


def test_equal_scores_are_one_point_in_any_order():
    for labels in ([0, 1, 0, 1], [1, 1, 0, 0]):
        metrics = image_metrics([0.5] * 4, labels)
        assert metrics == {"auroc": 0.5, "ap": 0.5, "f1_max": pytest.approx(2 / 3), "threshold": 0.5}


@pytest.mark.parametrize("labels", [[0, 0], [1, 1], []])
def test_one_class_defines_nothing(labels: list[int]):
    metrics = image_metrics(np.linspace(0, 1, len(labels)), labels)
    assert metrics == {"auroc": None, "ap": None, "f1_max": None, "threshold": None}


def test_takes_tensors():
    scores = torch.tensor([0.1, 0.4, 0.35, 0.8], requires_grad=True)
    assert image_metrics(scores, torch.tensor([False, False, True, True]))["auroc"] == 0.75


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        ([0.1, 0.2], [0, 1, 1], r"must be two lists of one length, got \(2,\) and \(3,\)"),
        ([[0.1, 0.2]], [[0, 1]], "must be two lists of one length"),
        ([0.1, float("nan"), float("inf")], [0, 1, 1], "Image scores must be finite.* got 2 such values"),
        ([0.1, 0.2], [0, 2], r"Image labels must hold only 0 \(normal\) and 1 \(abnormal\), got \[0, 2\]"),
    ],
)
def test_refuses_what_has_no_rank(scores: list, labels: list, message: str):
    with pytest.raises(ValueError, match=message):
        image_metrics(scores, labels)
