"""The end of the stages, with scores that are given instead of measured."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from ignite.engine import Engine

from bpfl_med.checkpoints import load_prompts
from bpfl_med.handlers import TwoStages
from bpfl_med.networks import BayesPFL


class Script:
    """A trainer that moves every trainable weight by one an epoch, and a validator that reads scores from lists."""

    def __init__(self, network: BayesPFL, path: Path, stage_1: list[float], stage_2: list[float]) -> None:
        self.network = network
        self.scores = {1: stage_1, 2: stage_2}
        self.stages: list[int] = []
        self.validator = Engine(lambda engine, batch: None)
        self.optimizer = torch.optim.SGD(network.parameters(), lr=0.0)
        self.stage_2_optimizer = torch.optim.SGD(network.text_score.parameters(), lr=0.0)
        self.trainer = Engine(self.step)
        self.trainer.optimizer = self.optimizer
        self.handler = TwoStages(
            network=network,
            validator=self.validator,
            stage_2_optimizer=self.stage_2_optimizer,
            patience=1,
            stage_1_metric="pixel_ap",
            stage_2_metric="image_ap",
            prompts_file=path,
        )
        self.handler.attach(self.trainer)

    @torch.no_grad()
    def step(self, engine: Engine, batch: object) -> None:
        stage = self.network.stage
        self.stages.append(stage)
        for group in engine.optimizer.param_groups:
            for parameter in group["params"]:
                if parameter.requires_grad:
                    parameter += 1
        score = self.scores[stage].pop(0)
        self.validator.state.metrics = {"pixel_ap": score, "image_ap": score}
        metrics = {"a": {"pixel_threshold": score}, "b": {"pixel_threshold": None}}
        self.validator.state.evaluation = SimpleNamespace(by_class=metrics)

    def run(self, max_epochs: int = 20) -> None:
        self.trainer.run([0], max_epochs=max_epochs)


@pytest.fixture
def start(network: BayesPFL) -> torch.Tensor:
    return network.text_score.text_projection.bias.detach().clone()


def moved(network: BayesPFL, start: torch.Tensor) -> float:
    """By how many epochs a weight that both stages train was moved."""
    return float((network.text_score.text_projection.bias - start).detach().mean())


def test_both_stages_end_and_their_best_weights_are_taken(network, start, tmp_path) -> None:
    script = Script(network, tmp_path / "p.safetensors", [0.1, 0.5, 0.5, 0.4, 0.4], [0.2, 0.6, 0.1, 0.3])
    context = network.prompt_bank.context.detach().clone()
    script.run()
    assert script.stages == [1] * 5 + [2] * 4  # equal counts as improved; the second in a row ends a stage
    assert moved(network, start) == pytest.approx(3 + 2)  # epoch 3 was the best of stage 1, the second of stage 2
    assert float((network.prompt_bank.context - context).detach().mean()) == pytest.approx(3)
    assert script.trainer.optimizer is script.stage_2_optimizer
    assert {name for name, p in network.named_parameters() if p.requires_grad} == {
        name for name, _ in network.named_parameters() if name.startswith("text_score.")
    }
    assert network.stage == 2
    assert network.threshold == 0.5  # of the epoch that gave the map's weights


def test_the_best_weights_are_on_disk(network, start, tmp_path, backbone, caplog) -> None:
    network.trained = True
    script = Script(network, tmp_path / "p.safetensors", [0.1, 0.5, 0.4, 0.4], [0.2, 0.1, 0.1])
    script.run()
    assert "ran out" not in caplog.text
    loaded = load_prompts(BayesPFL(backbone, feature_blocks=(2, 4), n_samples=2), tmp_path / "p.safetensors")
    assert (loaded.stage, loaded.trained, loaded.threshold) == (2, True, 0.5)
    assert moved(loaded, start) == pytest.approx(3)


def test_without_epochs_left_there_is_no_stage_2(network, start, tmp_path, caplog) -> None:
    Script(network, tmp_path / "p.safetensors", [0.1, 0.3, 0.2], []).run(max_epochs=3)
    assert "The epochs ran out in stage 1" in caplog.text
    assert network.stage == 1
    assert moved(network, start) == pytest.approx(2)


def test_it_goes_on_from_its_state(network, start, tmp_path) -> None:
    first = Script(network, tmp_path / "p.safetensors", [0.5, 0.4], [])
    first.trainer.run([0], max_epochs=2)
    state = first.handler.state_dict()
    second = Script(network, tmp_path / "p.safetensors", [0.3], [0.2])
    second.handler.load_state_dict(state)
    second.run(max_epochs=2)
    assert second.stages == [1, 2]  # one worse epoch was seen before


def test_a_validation_that_defines_nothing_is_told(network, tmp_path) -> None:
    script = Script(network, tmp_path / "p.safetensors", [0.1], [])
    script.handler.metrics[1] = "pixel_iou"
    with pytest.raises(ValueError, match="do not define pixel_iou, which stage 1 is judged by; give some with normal"):
        script.run()


def test_the_threshold_is_the_mean_over_the_classes_that_define_one(network, tmp_path) -> None:
    script = Script(network, tmp_path / "p.safetensors", [0.1], [])
    thresholds = {"a": 0.2, "b": 0.6, "c": None}
    by_class = {name: {"pixel_threshold": value} for name, value in thresholds.items()}
    script.validator.state.evaluation = SimpleNamespace(by_class=by_class)
    script.validator.state.metrics = {"pixel_ap": 0.5}
    network.stage = 1
    script.handler._judge(script.trainer)
    assert network.threshold == pytest.approx(0.4)
