"""Figures show every class that defines a curve, and have the same bytes for the same run."""

from __future__ import annotations

import matplotlib.axes
import numpy as np
import pytest
from PIL import Image

from bpfl_med.handlers import AnomalyEvaluation, EvaluationFigures

NAMES = ("curves.png", "scores.png")


def handlers(folder, network, metrics=("image", "pixel")) -> list:
    evaluation = AnomalyEvaluation(protocol="paper", metrics=metrics, top_k=20, smoothing_sigma=0)
    return [evaluation, EvaluationFigures(folder, evaluation=evaluation, dataset_name="p", notice=network.notice)]


@pytest.fixture
def plotted(monkeypatch) -> list[tuple]:
    """What is plotted as lines: x, y and the label of each."""
    calls: list[tuple] = []
    plot = matplotlib.axes.Axes.plot

    def recorded(axes, x, y, *args, **style):
        calls.append((np.asarray(x), np.asarray(y), style.get("label")))
        return plot(axes, x, y, *args, **style)

    monkeypatch.setattr(matplotlib.axes.Axes, "plot", recorded)
    return calls


def test_the_same_run_gives_the_same_bytes(evaluate, network, items, tmp_path):
    for name in ("a", "b"):
        evaluate(network, items, handlers(tmp_path / name, network))
    for name in NAMES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
        assert min(Image.open(tmp_path / "a" / name).size) > 200


def test_areas_below_the_curves_are_the_metrics(evaluate, network, items, tmp_path, plotted):
    evaluator = evaluate(network, items, handlers(tmp_path, network))
    curves = [call for call in plotted if call[2] in ("brain", "liver")]
    assert [call[2] for call in curves] == ["brain", "brain", "liver", "liver"] * 2
    for place, (level, name) in enumerate((level, name) for level in ("image", "pixel") for name in ("brain", "liver")):
        metrics = evaluator.state.evaluation.by_class[name]
        (fpr, tpr, _), (recall, precision, _) = curves[2 * place : 2 * place + 2]
        assert np.trapezoid(tpr, fpr) == pytest.approx(metrics[f"{level}_auroc"], abs=2e-3)
        assert np.sum(np.diff(recall) * precision[1:]) == pytest.approx(metrics[f"{level}_ap"], abs=5e-3)


def test_what_is_not_defined_is_left_out(evaluate, network, items, tmp_path, plotted):
    abnormal = [item for item in items if item["label"]]
    evaluate(network, abnormal, handlers(tmp_path, network))
    assert [call[2] for call in plotted if call[2]] == ["brain", "brain", "liver", "liver"]


def test_without_any_curve_there_is_no_such_figure(evaluate, network, items, tmp_path):
    (tmp_path / "curves.png").touch()  # of an earlier run
    unlabelled = [{"image": item["image"], "class_name": "$brain"} for item in items[:3]]
    evaluate(network, unlabelled, handlers(tmp_path, network, metrics=[]))
    assert [path.name for path in tmp_path.iterdir()] == ["scores.png"]
