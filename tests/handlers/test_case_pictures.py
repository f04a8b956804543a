"""The best, worst and most uncertain cases are those of the table, and are drawn as they were scored."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bpfl_med.handlers import AnomalyEvaluation, CasePictures, Evaluation, EvaluationReport, overlay_pictures
from bpfl_med.handlers.case_pictures import choose_cases


def row(index: int, label: int | None, score: float, uncertainty: float = 0.0, **more: float | None) -> dict:
    labelled = {} if label is None else {"label": label}
    return {
        "index": index,
        "class_name": "a",
        "anomaly_score": score,
        "uncertainty_mean": uncertainty,
        **labelled,
        **more,
    }


def chosen(evaluation: Evaluation, n_cases: int = 2) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for case in choose_cases(evaluation, n_cases):
        found.setdefault(case.kind, []).append(case.row["index"])
        assert case.place == len(found[case.kind])
    return found


def test_best_and_worst_lie_farthest_from_the_threshold():
    rows = [row(0, 0, 0.1, 0.3), row(1, 0, 0.8, 0.1), row(2, 1, 0.9, 0.2), row(3, 1, 0.3, 0.4), row(4, 1, 0.6)]
    evaluation = Evaluation(rows, {"a": {"image_threshold": 0.6}}, {})
    assert chosen(evaluation) == {"best": [0, 2], "worst": [3, 1], "uncertain": [3, 0]}
    assert choose_cases(evaluation, 1)[1].reason == "anomaly score 0.300, its threshold 0.600"


def test_without_image_metrics_the_map_within_the_image_counts():
    values = [0.2, None, 0.9, 0.5]
    rows = [row(index, int(value is not None), 0.5, pixel_ap=value) for index, value in enumerate(values)]
    evaluation = Evaluation(rows, {"a": {"pixel_auroc": 0.5}}, {})
    found = chosen(evaluation)
    assert (found["best"], found["worst"]) == ([2, 3], [0, 3])
    assert choose_cases(evaluation, 1)[0].reason == "pixel AP 0.900"


def test_without_labels_the_highest_scores_are_shown():
    evaluation = Evaluation([row(0, None, 0.2), row(1, None, 0.7, 0.1)], {"a": {}}, {})
    assert chosen(evaluation, 1) == {"highest": [1], "uncertain": [1]}


def test_equal_ones_come_in_the_order_of_the_data_set_and_none_twice():
    evaluation = Evaluation([row(0, None, 0.5), row(1, None, 0.5)], {"a": {}}, {})
    assert chosen(evaluation, 9) == {"highest": [0, 1], "uncertain": [0, 1]}
    assert choose_cases(evaluation, 0) == []


def test_they_are_drawn_with_their_scores(evaluate, network, items, tmp_path, monkeypatch):
    drawn: list[dict] = []

    def draw(panels, *, title, footer):
        drawn.append({"panels": panels, "title": title, "footer": footer})
        return Image.new("L", (4, 4))

    monkeypatch.setattr(overlay_pictures, "panels_picture", draw)
    monkeypatch.setattr(overlay_pictures, "_PANEL_PIXELS", 48)  # the map's own, so that nothing is resized
    evaluation = AnomalyEvaluation(protocol="paper", metrics=["image", "pixel"], top_k=20, smoothing_sigma=0)
    described = {"dataset_name": "phantoms", "network": network.provenance, "settings": evaluation.settings}
    report = EvaluationReport(tmp_path, items=items, skipped=[], **described)
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases/left_over.png").touch()
    keep: list = []
    cases = CasePictures(tmp_path, dataset=keep, n_cases=2, threshold=0.5, notice=network.notice)
    evaluator = evaluate(network, items, [evaluation, report])
    keep.extend(evaluator.data_loader.dataset)
    cases.attach(evaluator)
    evaluator.run()

    with (tmp_path / "images.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = sorted(path.name for path in Path(tmp_path / "cases").iterdir())
    assert [name.rsplit("_", 1)[0] for name in names] == [
        f"{k}_{i}" for k in ("best", "uncertain", "worst") for i in (1, 2)
    ]
    for call, case in zip(drawn, choose_cases(evaluator.state.evaluation, 2), strict=True):
        mine = rows[case.row["index"]]
        assert f"{case.kind}_{case.place}_{int(mine['index']):05d}.png" in names
        assert call["title"].startswith(f"{case.kind} {case.place}: {mine['class_name']}, labelled ")
        scores = f"text score {float(mine['text_score']):.3f}, map maximum {float(mine['map_max']):.3f}"
        assert call["title"].endswith(f", {case.reason}\n{Path(mine['image']).name}: {scores}")
        assert call["footer"] == network.notice
        _, anomaly_map, uncertainty = call["panels"]
        assert anomaly_map.overlay.max() == pytest.approx(float(mine["map_max"]), abs=1e-5)
        assert uncertainty.overlay.mean() == pytest.approx(float(mine["uncertainty_mean"]), abs=1e-5)
    assert np.isfinite(drawn[0]["panels"][1].overlay).all()


def test_without_cases_those_of_an_earlier_run_are_removed(evaluate, network, items, tmp_path):
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases/left_over.png").touch()
    evaluation = AnomalyEvaluation(protocol="paper", metrics=["image"], top_k=20, smoothing_sigma=0)
    cases = CasePictures(tmp_path, dataset=items, n_cases=0, threshold=0.5, notice=None)
    evaluate(network, items, [evaluation, cases])
    assert not (tmp_path / "cases").exists()
