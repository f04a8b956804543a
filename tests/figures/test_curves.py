"""The reliability figure draws what MONAI and a count by hand find."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from monai.metrics.calibration import CalibrationErrorMetric, CalibrationReduction

from bpfl_med.figures import curves
from bpfl_med.figures.curves import reliability_picture

RNG = np.random.default_rng(3)
SCORES = RNG.uniform(0, 1, 4000)
LABELS = (RNG.uniform(0, 1, 4000) < SCORES**2).astype(float)


def axes_of(monkeypatch: pytest.MonkeyPatch, **changes: np.ndarray) -> tuple[Axes, Axes]:
    """The two plots, before they become pixels."""
    monkeypatch.setattr(curves, "figure_picture", lambda figure: figure)
    given = {"scores": SCORES, "uncertainty": 0.5 - np.abs(SCORES - 0.5), "labels": LABELS, **changes}
    return reliability_picture(**given, threshold=0.7, title="a title", footer=None).axes


def test_the_curve_is_the_share_of_abnormal_samples_and_its_title_the_calibration_error(monkeypatch):
    left, _ = axes_of(monkeypatch)
    predicted, observed = left.lines[1].get_data()
    for low, mean, share in zip(np.arange(0, 1, 0.1), predicted, observed, strict=True):
        inside = (low <= SCORES) & (low + 0.1 > SCORES)
        assert mean == pytest.approx(SCORES[inside].mean(), abs=1e-6)
        assert share == pytest.approx(LABELS[inside].mean(), abs=1e-6)
    metric = CalibrationErrorMetric(num_bins=10, calibration_reduction=CalibrationReduction.EXPECTED)
    metric(y_pred=torch.tensor(SCORES)[None, None], y=torch.tensor(LABELS)[None, None])
    assert left.get_title() == f"calibration error {float(metric.aggregate()):.3f}"


def test_errors_are_counted_in_tenths_of_the_uncertainty(monkeypatch):
    uncertainty = RNG.uniform(0, 0.5, 4000)
    _, right = axes_of(monkeypatch, uncertainty=uncertainty)
    x, y = right.lines[0].get_data()
    order = np.argsort(uncertainty).reshape(10, 400)
    wrong = (SCORES >= 0.7) != (LABELS == 1)
    np.testing.assert_allclose(x, uncertainty[order].mean(1))
    np.testing.assert_allclose(y, wrong[order].mean(1))
    assert right.get_title() == f"wrong at threshold 0.7: {wrong.mean():.1%}"


def test_it_is_drawn_and_carries_its_footer():
    picture = reliability_picture(SCORES, SCORES / 2, LABELS, threshold=0.5, title="a title", footer="UNTRAINED")
    pixels = np.asarray(picture.convert("RGB")).astype(int)
    assert (np.abs(pixels[-40:] - (0xB0, 0, 0x20)).max(-1) < 40).any()


def test_lists_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match=r"must be lists of one length, got \(4000,\), \(3,\), \(4000,\)"):
        reliability_picture(SCORES, SCORES[:3], LABELS, threshold=0.5, title="", footer=None)
