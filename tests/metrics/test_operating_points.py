"""Points to draw lie on scikit-learn's curves, and enclose nearly the same area."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import auc, precision_recall_curve, roc_curve

from bpfl_med.metrics import OperatingPoints, PixelMetrics, image_metrics, image_operating_points


def samples(n: int, levels: int | None, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scores, rounded to so many levels, and labels."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(n) < 0.2).astype(int)
    scores = rng.normal(size=n).astype(np.float32) + labels
    return (np.round(scores * levels) / levels if levels else scores).astype(np.float32), labels


def assert_on_curves(points: OperatingPoints, scores: np.ndarray, labels: np.ndarray) -> None:
    fpr, tpr, _ = roc_curve(labels, scores, drop_intermediate=False)
    # A curve of steps: at each rate it has a lowest and a highest value.
    on_roc = (
        np.interp(points.false_positive_rate + 1e-12, fpr, tpr),
        np.interp(points.false_positive_rate - 1e-12, fpr, tpr),
    )
    assert (points.true_positive_rate <= np.maximum(*on_roc) + 1e-6).all()
    assert (points.true_positive_rate >= np.minimum(*on_roc) - 1e-6).all()
    precision, recall, _ = precision_recall_curve(labels, scores)
    theirs = {(round(r, 12), round(p, 12)) for r, p in zip(recall, precision, strict=True)}
    assert {(round(r, 12), round(p, 12)) for r, p in zip(points.recall, points.precision, strict=True)} <= theirs


@pytest.mark.parametrize("levels", [None, 3])
def test_few_images_keep_all_points(levels):
    scores, labels = samples(60, levels)
    points = image_operating_points(scores, labels)
    assert_on_curves(points, scores, labels)
    area = auc(points.false_positive_rate, points.true_positive_rate)
    assert area == pytest.approx(image_metrics(scores, labels)["auroc"], abs=1e-12)
    assert (points.recall[-1], points.true_positive_rate[-1]) == (1, 1)


@pytest.mark.parametrize("memory_limit", [2**20, 2**28])
def test_many_pixels_are_thinned_out(memory_limit):
    scores, labels = samples(400_000, None)
    metrics = PixelMetrics(memory_limit=memory_limit)
    metrics.update(scores.reshape(-1, 400, 500), labels.reshape(-1, 400, 500))
    points = metrics.operating_points()
    assert_on_curves(points, scores, labels)
    assert 500 < points.recall.size <= 1000
    area = auc(points.false_positive_rate, points.true_positive_rate)
    assert area == pytest.approx(metrics.compute()["auroc"], abs=2e-3)


def test_one_class_has_no_curves():
    assert image_operating_points([0.1, 0.2], [1, 1]) is None
    assert image_operating_points([0.1, 0.2], [0, 0]) is None
    assert PixelMetrics().operating_points() is None
