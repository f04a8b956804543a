from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest
import torch
from ignite.engine import Engine, Events
from monai.engines.utils import IterationEvents

from bpfl_med.networks import BayesPFL
from bpfl_med.networks.weights_checksum import weights_checksum
from bpfl_med.training import PromptTrainer, TrainingNoise

MakeTrainer = Callable[..., PromptTrainer]


def weights_of(network: BayesPFL) -> dict[str, torch.Tensor]:
    """Trained weights by name."""
    return {name: value.clone() for name, value in network.state_dict().items() if name != "_extra_state"}


def run(trainer: PromptTrainer) -> list[dict[str, float]]:
    """Run a training and give the output of every step."""
    outputs: list[dict[str, float]] = []
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: outputs.append(engine.state.output))
    trainer.run()
    return outputs


def assert_same(first: PromptTrainer, second: PromptTrainer, tolerance: float) -> None:
    expected = weights_of(second.network)
    for name, value in weights_of(first.network).items():
        torch.testing.assert_close(value, expected[name], rtol=0, atol=tolerance, msg=name)


def test_a_step_moves_what_it_should_and_never_clip(make_trainer: MakeTrainer, network: BayesPFL) -> None:
    trainer = make_trainer()
    before = weights_of(trainer.network)
    checksum = weights_checksum(trainer.network.backbone.clip.state_dict())
    (first, *_) = run(trainer)
    assert first["loss"] == pytest.approx(sum(value for name, value in first.items() if name != "loss"))
    still = {name for name, value in weights_of(trainer.network).items() if torch.equal(value, before[name])}
    image_side = ("text_score.patch_pooling.", "text_score.image_projection.")  # of stage 2
    assert still == {name for name in before if name.startswith(image_side)}
    assert weights_checksum(trainer.network.backbone.clip.state_dict()) == checksum
    assert all(parameter.grad is None for parameter in trainer.network.backbone.parameters())
    in_optimizer = {id(p) for group in trainer.optimizer.param_groups for p in group["params"]}
    assert not in_optimizer & {id(parameter) for parameter in trainer.network.backbone.parameters()}
    assert trainer.network.trained


def test_the_events_of_monais_trainer_come_in_its_order(make_trainer: MakeTrainer) -> None:
    trainer, seen = make_trainer(batch_size=100), []
    weight = trainer.network.log_temperature_pixel
    before = weight.item()

    def look(engine: Engine, name: str) -> None:
        loss = None if engine.state.output is None else engine.state.output["loss"]
        seen.append((name, loss is not None, weight.grad is not None, weight.item() != before))

    for name in ("FORWARD_COMPLETED", "LOSS_COMPLETED", "BACKWARD_COMPLETED", "MODEL_COMPLETED"):
        trainer.add_event_handler(IterationEvents[name], look, name)
    run(trainer)
    assert seen == [
        ("FORWARD_COMPLETED", False, False, False),
        ("LOSS_COMPLETED", True, False, False),
        ("BACKWARD_COMPLETED", True, True, False),
        ("MODEL_COMPLETED", True, True, True),
    ]


def test_stage_2_minimises_the_classification_alone(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer()
    trainer.network.stage = 2
    outputs = run(trainer)
    assert [output["loss"] for output in outputs] == [output["classification"] for output in outputs]


@pytest.mark.parametrize("micro_batch_size", [1, 3])
def test_micro_batches_change_nothing(micro_batch_size: int, make_trainer: MakeTrainer) -> None:
    """Dice, focal and the divergences are no means over images, and yet."""
    whole, divided = make_trainer(), make_trainer(micro_batch_size=micro_batch_size)
    expected, found = run(whole), run(divided)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-5)
    # Adam divides a gradient by its own size, so where it is zero but for rounding its last digit is seen.
    assert_same(divided, whole, 2e-4)


def test_the_same_seed_gives_the_same_bytes_with_workers_too(make_trainer: MakeTrainer) -> None:
    first, second = make_trainer(max_epochs=2), make_trainer(max_epochs=2, num_workers=2)
    assert run(first) == run(second)
    assert_same(first, second, 0)


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize("first_epoch", [1, 3], ids=["from the start", "resumed"])
def test_every_epoch_has_an_order_and_variants_of_its_own(
    num_workers: int, first_epoch: int, make_trainer: MakeTrainer
) -> None:
    trainer = make_trainer(max_epochs=4, n_variants=2, num_workers=num_workers)
    seen: dict[int, list[tuple[int, int]]] = {}
    pictures: dict[int, dict[int, torch.Tensor]] = {}

    @trainer.on(Events.STARTED)
    def resume(engine: Engine) -> None:
        engine.state.epoch = first_epoch - 1

    @trainer.on(Events.ITERATION_STARTED)
    def look(engine: Engine) -> None:
        batch = engine.state.batch
        for epoch, index, image in zip(batch["epoch"].tolist(), batch["index"].tolist(), batch["image"], strict=True):
            seen.setdefault(engine.state.epoch, []).append((epoch, index))
            pictures.setdefault(engine.state.epoch, {})[index] = torch.as_tensor(image)

    trainer.run()
    assert list(seen) == list(range(first_epoch, 5))
    for epoch, keys in seen.items():
        assert {of for of, _ in keys} == {epoch}
    assert len({tuple(index for _, index in keys) for keys in seen.values()}) == len(seen)
    assert not all(pictures[3][index].equal(pictures[4][index]) for index in pictures[3])
    if first_epoch == 1:
        assert all(pictures[1][index].equal(pictures[3][index]) for index in pictures[1])


def test_remembered_features_give_the_same_training(tmp_path: Path, make_trainer: MakeTrainer) -> None:
    plain = make_trainer(max_epochs=2, n_variants=1)
    cached = make_trainer(max_epochs=2, n_variants=1, feature_folder=tmp_path)
    assert run(cached) == run(plain)
    assert len(list(tmp_path.rglob("*.safetensors"))) == 9
    assert_same(cached, plain, 0)


def test_mixed_precision_is_close(make_trainer: MakeTrainer) -> None:
    expected, found = run(make_trainer()), run(make_trainer(amp=True))
    assert found[0] != expected[0]
    assert found[0] == pytest.approx(expected[0], rel=0.05)


def test_a_micro_batch_needs_an_image(make_trainer: MakeTrainer) -> None:
    with pytest.raises(ValueError, match="micro_batch_size must be at least 1, or null for no division, got 0"):
        make_trainer(micro_batch_size=0)


def test_a_training_that_diverges_is_told_at_its_step(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer()
    with torch.no_grad():
        for parameter in trainer.network.parameters():
            if parameter.requires_grad:
                parameter.fill_(float("nan"))
    with pytest.raises(ValueError, match=r"the loss of step 1 \(epoch 1\) is nan; take smaller learning rates"):
        trainer.run()


def test_every_step_draws_its_own(make_trainer):
    noise = mock.Mock(wraps=TrainingNoise(3))
    make_trainer(max_epochs=2, noise=noise).run()
    assert [call.args[:2] for call in noise.noise.call_args_list] == [(1, 1), (1, 2), (1, 3), (2, 4), (2, 5), (2, 6)]
    assert [call.args[0] for call in noise.prompt_index.call_args_list] == [1, 2, 3, 4, 5, 6]
