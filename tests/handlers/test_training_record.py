from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from ignite.engine import Engine

from bpfl_med.handlers import TrainingRecord


def test_a_row_is_the_mean_over_the_steps_of_an_epoch(tmp_path: Path) -> None:
    validator = SimpleNamespace(state=SimpleNamespace(evaluation=SimpleNamespace(mean={"pixel_ap": 0.5})))
    record = TrainingRecord(tmp_path, validator=validator)
    terms = ("loss", "classification", "segmentation", "prompt_flow", "orthogonal")
    engine = Engine(lambda engine, batch: dict.fromkeys(terms, float(batch)))
    engine.network = SimpleNamespace(stage=1)
    record.attach(engine)
    engine.run([1, 2, 6], max_epochs=1)
    assert record.rows[0]["loss"] == 3
