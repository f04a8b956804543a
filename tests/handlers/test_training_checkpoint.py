from __future__ import annotations

from pathlib import Path

import pytest
import torch
from ignite.engine import Engine
from monai.optimizers import WarmupCosineSchedule

from bpfl_med.handlers import TrainingCheckpoint

SETTINGS = {"seed": 1, "rates": {"prompts": 1e-3}}


class Training:
    """Adam on one weight, with a schedule."""

    def __init__(self, path: Path, *, resume: bool = False, **settings: object) -> None:
        self.layer = torch.nn.Linear(1, 1, bias=False)
        torch.nn.init.ones_(self.layer.weight)
        self.optimizer = torch.optim.Adam(self.layer.parameters(), lr=0.1)
        self.schedule = WarmupCosineSchedule(self.optimizer, 2, 12)
        self.engine = Engine(self.step)
        self.engine.state.device = torch.device("cpu")
        parts = {"layer": self.layer, "optimizer": self.optimizer, "schedule": self.schedule}
        checkpoint = TrainingCheckpoint(path, objects=parts, settings={**SETTINGS, **settings}, resume=resume)
        checkpoint.attach(self.engine)

    def step(self, engine: Engine, batch: float) -> None:
        self.optimizer.zero_grad()
        (self.layer(torch.full((1, 1), batch)) ** 2).sum().backward()
        self.optimizer.step()
        self.schedule.step()

    def run(self, epochs: int) -> float:
        self.engine.run([1.0, 2.0, 3.0], max_epochs=epochs)
        return float(self.layer.weight.detach())


def test_a_resumed_training_is_an_unbroken_one(tmp_path: Path) -> None:
    expected = Training(tmp_path / "whole.pt").run(4)
    Training(tmp_path / "broken.pt").run(2)
    resumed = Training(tmp_path / "broken.pt", resume=True)
    assert resumed.run(4) == expected
    assert (resumed.engine.state.epoch, resumed.engine.state.iteration) == (4, 12)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_to_resume_nothing_is_to_begin(tmp_path: Path) -> None:
    assert Training(tmp_path / "a.pt", resume=True).run(1) == Training(tmp_path / "b.pt").run(1)


def test_a_training_is_not_replaced_unasked(tmp_path: Path) -> None:
    Training(tmp_path / "t.pt").run(1)
    with pytest.raises(FileExistsError, match=r"t\.pt is of a training that was begun; set resume to go on with it"):
        Training(tmp_path / "t.pt")


def test_another_training_is_not_gone_on_with(tmp_path: Path) -> None:
    Training(tmp_path / "t.pt").run(1)
    with pytest.raises(ValueError, match=r"is of another training: seed was 1, is now 2\. Set them as they were"):
        Training(tmp_path / "t.pt", resume=True, seed=2).run(2)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "t.pt").write_bytes(b"no checkpoint")
    with pytest.raises(ValueError, match=r"t\.pt cannot be read as a training's checkpoint; remove it and begin anew"):
        Training(tmp_path / "t.pt", resume=True).run(1)
