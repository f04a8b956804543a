"""A volume is scored by its most suspicious slice, whatever the protocol of the slices."""

from __future__ import annotations

import csv

import pytest
from ignite.engine import Engine, Events

from bpfl_med.handlers import Evaluation, VolumeMetrics

# Volume, class, and of each slice: label, text score, maximum of the map. Scores: a 0.5, b 0.4, c 0.6, d 0.3 and e 0.2.
VOLUMES = [
    ("a", "brain", [(0, 0.2, 0.8), (0, 0.1, 0.1)]),
    ("b", "brain", [(0, 0.3, 0.2), (1, 0.6, 0.2)]),
    ("c", "brain", [(1, 0.4, 0.8), (1, 0.9, 0.2), (0, 0.1, 0.2)]),
    ("d", "brain", [(0, 0.3, 0.3)]),
    ("e", "liver", [(1, 0.2, 0.2)]),
]


@pytest.fixture
def engine(tmp_path) -> Engine:
    rows, items = [], []
    for volume, class_name, slices in VOLUMES:
        for number, (label, text_score, map_max) in enumerate(slices):
            path = f"/slices/{volume}/{number}.png"
            items.append({"image": path, "volume": volume})
            scores = {"text_score": text_score, "map_max": map_max, "anomaly_score": -1.0}
            rows.append({"image": path, "class_name": class_name, "label": label, **scores})
    engine = Engine(lambda engine, batch: None)
    by_class = {name: {"image_auroc": 0.5} for name in ("brain", "liver")}
    evaluation = Evaluation(rows, by_class, {"image_auroc": 0.5})
    engine.add_event_handler(Events.EPOCH_COMPLETED, lambda engine: setattr(engine.state, "evaluation", evaluation))
    VolumeMetrics(tmp_path, items=items, notice="untrained").attach(engine)
    engine.run([0])
    return engine


def test_metrics_join_those_of_slices(engine):
    brain, liver = (engine.state.evaluation.by_class[name] for name in ("brain", "liver"))
    # b and c are abnormal, a and d normal: of four pairs only b is below a.
    assert brain == {
        "image_auroc": 0.5,
        "volume_auroc": pytest.approx(3 / 4),
        "volume_ap": pytest.approx((1 + 2 / 3) / 2),
        "volume_f1_max": pytest.approx(4 / 5),
        "volume_threshold": pytest.approx(0.4),
    }
    assert liver == {"image_auroc": 0.5, **dict.fromkeys(list(brain)[1:])}
    mean = engine.state.evaluation.mean
    assert mean == {key: brain[key] for key in ("image_auroc", "volume_auroc", "volume_ap", "volume_f1_max")}
    assert engine.state.metrics["volume_auroc"] == mean["volume_auroc"]


def test_a_row_for_each_volume(engine, tmp_path):
    with (tmp_path / "volumes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["volume"] for row in rows] == list("abcde")
    assert [float(row["volume_score"]) for row in rows] == pytest.approx([0.5, 0.4, 0.6, 0.3, 0.2])
    assert rows[2] == {
        "volume": "c",
        "class_name": "brain",
        "label": "1",
        "n_slices": "3",
        "n_abnormal_slices": "2",
        "volume_score": rows[2]["volume_score"],
        "most_suspicious_slice": "/slices/c/0.png",
        "notice": "untrained",
    }
