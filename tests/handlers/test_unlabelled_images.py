"""Images without labels get one row each."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from bpfl_med.handlers import AnomalyEvaluation, EvaluationReport
from bpfl_med.networks import BayesPFL


def read_table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def unlabelled(items) -> list[dict]:
    return [{"image": item["image"], "class_name": "brain"} for item in items[:5]]


def handlers(network: BayesPFL, folder: Path) -> list:
    evaluation = AnomalyEvaluation(protocol="paper", metrics=[], top_k=20, smoothing_sigma=0)
    described = {"dataset_name": "pictures", "network": network.provenance, "settings": evaluation.settings}
    return [evaluation, EvaluationReport(folder, items=[], skipped=[], **described)]


@pytest.mark.parametrize("n_runs", [1, 2])
def test_one_row_an_image(evaluate, network, unlabelled, tmp_path, n_runs):
    evaluate(network, unlabelled, handlers(network, tmp_path), n_runs=n_runs)
    rows = read_table(tmp_path / "images.csv")
    assert [row["image"] for row in rows] == [item["image"] for item in unlabelled]
    for row in rows:
        assert float(row["anomaly_score"]) == float(row["text_score"]) + float(row["map_max"])
        assert row["notice"] == network.notice
        assert "label" not in row


def test_there_is_no_table_of_metrics_not_even_an_older_one(evaluate, network, unlabelled, tmp_path):
    (tmp_path / "metrics.csv").write_text("class_name,image_auroc\nbrain,1.0\n")
    evaluate(network, unlabelled, handlers(network, tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images.csv", "metrics.json", "run.json"]


def test_a_trained_network_needs_no_notice(evaluate, trained_network, unlabelled, tmp_path):
    evaluate(trained_network, unlabelled, handlers(trained_network, tmp_path))
    assert "notice" not in read_table(tmp_path / "images.csv")[0]


def test_a_network_that_gives_nan_is_reported(evaluate, network, unlabelled, tmp_path):
    network.log_temperature_pixel.data.fill_(float("nan"))
    with pytest.raises(ValueError, match=r"The network's answer to .*\.png holds NaN or infinity; check the files of"):
        evaluate(network, unlabelled, handlers(network, tmp_path))
