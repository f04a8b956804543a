"""Every number of the released program's training, row by row of `shared/parity/README.md`."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine, Events
from monai.optimizers import WarmupCosineSchedule
from parity_arrays import assert_within, read_arrays
from torch import Tensor

from bpfl_med.checkpoints import read_tensors, save_published_prompts
from bpfl_med.losses import BayesPFLLoss, LossTerms, dice_loss, flow_sums, focal_loss, orthogonal_sum
from bpfl_med.networks import BayesPFL, PromptNoise, TrainingOutput
from bpfl_med.training import (
    FeatureInferer,
    PromptTrainer,
    TrainingBatches,
    TrainingNoise,
    stage_1_groups,
    stage_2_parameters,
)

STAGES = (1, 2)
GROUPS = ("prompt", "temperature", "PFL", "linear")
LOSS_TERMS = ("segmentation", "classification", "prompt_flow", "orthogonal")
DISTRIBUTIONS = ("context", "normal", "abnormal")
# absolute
TOLERANCES = {
    "text_embeddings": 1e-5,
    "anomaly_logits": 2e-4,
    **{f"stage{stage}_pro_img": 2e-5 for stage in STAGES},
    **{
        f"{quantity}_{name}": tolerance
        for name in DISTRIBUTIONS
        for quantity, tolerance in (("mu", 1e-5), ("var", 1e-5), ("z0", 5e-5), ("zk", 5e-5), ("logdet_sum", 1e-3))
    },
}
# relative 1e-5
LOSSES = [
    f"stage{stage}_{name}"
    for stage in STAGES
    for name in (
        "loss",
        "loss_class",
        "loss_seg",
        "loss_focal",
        "loss_dice",
        "focal_per_layer",
        "dice_per_layer",
        "loss_dist_reg",
        "kl_context_weighted",
        "kl_normal_weighted",
        "kl_abnormal_weighted",
        "loss_text",
        "loss_ort_normal",
        "loss_ort_abnormal",
    )
]
GRADIENTS = [
    "prompt_context",
    "prompt_state_normal",
    "prompt_state_abnormal",
    "temperature_pixel",
    "temperature_image",
    "context_encoder.weight_log_variance.module.4.bias",
    "PFL_normal.state",
    "PFL_abnormal.amor_b",
    "PFL_abnormal.state",
    "RCA.q_proj_pre.bias",
    "class_mapping.bias",
]
COMPARED_ELSEWHERE = {
    *(f"stage{stage}_grad_{kind}" for stage in STAGES for kind in ("l2", "sum")),
    *(f"grad::{name}" for name in GRADIENTS),
    *("param_names", "param_group_stage1", "param_in_stage2", "opt_losses", "opt_lr", "opt_delta_l2", "lr_factor"),
}
NOT_COMPARED = {
    "images": "input",
    "masks": "input",
    "labels": "input",
    "eps_context": "input",
    "eps_normal": "input",
    "eps_abnormal": "input",
    "index_prompt": "input",
    "tokens": "compared in evaluation",
    "stage1_rec_mse_unused": "part of no loss; our network has no decoders",
    "stage2_rec_mse_unused": "part of no loss; our network has no decoders",
}

InReleasedLayout = Callable[[BayesPFL, Callable[[str], Tensor | None]], dict[str, Tensor]]


@pytest.fixture(scope="module")
def released(tiny_a: Path) -> dict[str, Any]:
    return read_arrays(tiny_a / "train_fixture.npz")


@pytest.fixture(scope="module")
def in_released_layout(tmp_path_factory: pytest.TempPathFactory) -> InReleasedLayout:
    """Write one number per parameter (gradients, changes, groups) under the published names and axes."""
    path = tmp_path_factory.mktemp("layout") / "values.pth"

    @torch.no_grad()
    def translate(network: BayesPFL, value: Callable[[str], Tensor | None]) -> dict[str, Tensor]:
        holder = copy.deepcopy(network)
        for name, parameter in holder.named_parameters():
            if not name.startswith("backbone."):
                found = value(name)
                parameter.copy_(torch.full_like(parameter, torch.nan) if found is None else found)
        save_published_prompts(holder, path)
        return read_tensors(path)["MyModel"]

    return translate


def train_forward(
    network: BayesPFL, released: dict[str, Any], names: list[str], step: int = 0
) -> tuple[TrainingOutput, LossTerms]:
    noise = PromptNoise(
        released["eps_context"][step][:, None], released["eps_normal"][step], released["eps_abnormal"][step]
    )
    index = int(released["index_prompt"][step])
    output = network.training_output(network.encode_image(released["images"]), names, noise, prompt_index=index)
    mask = released["masks"][:, None].float()
    return output, BayesPFLLoss()(output, released["labels"], mask, prompt_index=index)


@pytest.fixture(scope="module")
def ours(
    network: BayesPFL, released: dict[str, Any], settings: dict[str, Any], in_released_layout: InReleasedLayout
) -> dict[str, Any]:
    """Everything that our network and losses give, under the released names and axes."""
    found: dict[str, Any] = {}
    mask = released["masks"][:, None].float()
    for stage in STAGES:
        network.stage = stage
        network.zero_grad()
        output, terms = train_forward(network, released, settings["class_names"])
        index = int(released["index_prompt"][0])
        sums = BayesPFLLoss().sums(output, released["labels"], mask, prompt_index=index)
        focal, dice = focal_loss(sums), dice_loss(sums)
        parts = {
            "loss": terms.total if stage == 1 else terms.classification,
            "loss_class": terms.classification,
            "loss_seg": terms.segmentation,
            "loss_focal": focal.sum(),
            "loss_dice": dice.sum(),
            "focal_per_layer": focal,
            "dice_per_layer": dice,
            "loss_dist_reg": terms.prompt_flow,
            "loss_text": terms.orthogonal,
            "loss_ort_normal": orthogonal_sum(output.text[:, :1]) / len(mask),
            "loss_ort_abnormal": orthogonal_sum(output.text[:, 1:]) / len(mask),
            "pro_img": output.class_logits.flatten(1),
        }
        for name, samples in output.samples._asdict().items():
            plain, shared = flow_sums(samples, len(mask), released=True)
            parts[f"kl_{name}_weighted"] = 0.01 * (plain / len(mask) - shared / len(mask) ** 2)
        found |= {f"stage{stage}_{name}": part.detach() for name, part in parts.items()}
        parts["loss"].backward()
        gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
        found[f"stage{stage}_gradients"] = in_released_layout(network, gradients.__getitem__)
    found["text_embeddings"] = output.text.flatten(1, 2)
    patches, refined = network.cross_attention(
        network.encode_image(released["images"]).patch_tokens, output.text.flatten(1, 2)
    )
    logits = network.log_temperature_pixel.exp() * refined @ patches.transpose(-1, -2)
    found["anomaly_logits"] = logits.unflatten(-1, (network.backbone.grid_size, -1)).transpose(0, 1)
    for name, samples in output.samples._asdict().items():
        found[f"mu_{name}"], found[f"var_{name}"] = samples.mean, samples.variance
        found[f"z0_{name}"], found[f"zk_{name}"] = samples.z_0[:, 0], samples.z_k[:, 0]
        found[f"logdet_sum_{name}"] = samples.log_dets[:, 0].sum(-1)
    return found


def test_every_array_of_the_fixture_is_accounted_for(released: dict[str, Any]) -> None:
    groups = [set(TOLERANCES), set(LOSSES), COMPARED_ELSEWHERE, set(NOT_COMPARED)]
    assert set.union(*groups) == released.keys()
    assert sum(map(len, groups)) == len(released)


@pytest.mark.parametrize("name", TOLERANCES)
def test_quantity(name: str, ours: dict[str, Any], released: dict[str, Any]) -> None:
    assert_within(ours[name], released[name], TOLERANCES[name])


@pytest.mark.parametrize("name", LOSSES)
def test_loss(name: str, ours: dict[str, Any], released: dict[str, Any]) -> None:
    assert_within(ours[name], released[name], 1e-5, relative=True)


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradient(name: str, ours: dict[str, Any], released: dict[str, Any]) -> None:
    expected = released[f"grad::{name}"]
    assert_within(ours["stage1_gradients"][name], expected, 1e-4 * float(expected.abs().max()))


@pytest.mark.parametrize("stage", STAGES)
def test_gradient_of_every_parameter(stage: int, ours: dict[str, Any], released: dict[str, Any]) -> None:
    gradients = ours[f"stage{stage}_gradients"]
    norms, sums = released[f"stage{stage}_grad_l2"], released[f"stage{stage}_grad_sum"]
    wrong = []
    for name, norm, total in zip(released["param_names"], norms, sums, strict=True):
        ours_has_none = name not in gradients or bool(gradients[name].isnan().all())
        if norm == -1 or ours_has_none:
            agree = norm == -1 and ours_has_none and bool(total.isnan())
        elif name == "fuse.compress.bias":  # a softmax ignores what is added to all scores: zero but for rounding
            agree = max(float(norm), float(gradients[name].abs().max())) < 1e-6
        else:
            gradient = gradients[name].double()
            agree = abs(gradient.norm() / norm - 1) <= 1e-4 and abs(gradient.sum() - total) <= 1e-4 * norm
        if not agree:
            wrong.append(name)
    assert not wrong
    assert (norms > 0).sum() > 20  # the comparison is not empty


def group_of_each_parameter(network: BayesPFL) -> dict[str, int]:
    """The place in `GROUPS` of the stage-1 group that holds a parameter."""
    groups = stage_1_groups(network, prompts=0, temperatures=0, flows=0, others=0)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    return {names[id(parameter)]: place for place, group in enumerate(groups) for parameter in group["params"]}


def test_parameter_groups(network: BayesPFL, released: dict[str, Any], in_released_layout: InReleasedLayout) -> None:
    places, in_stage_2 = group_of_each_parameter(network), {id(p) for p in stage_2_parameters(network)}
    ours = in_released_layout(network, lambda name: torch.tensor(float(places[name])))
    stage_2 = in_released_layout(
        network, lambda name: torch.tensor(float(id(network.get_parameter(name)) in in_stage_2))
    )
    for name, group, is_in_stage_2 in zip(
        released["param_names"], released["param_group_stage1"], released["param_in_stage2"], strict=True
    ):
        if name in ours:
            assert set(ours[name].flatten().tolist()) == {GROUPS.index(group)}, name
            assert set(stage_2[name].flatten().tolist()) == {float(is_in_stage_2)}, name
        else:
            assert "decoder." in name or ".p_mu." in name


class ReleasedBatches(list):
    """The released program's batches as a loader, whose order is theirs."""

    batch_sampler = TrainingBatches(1, batch_size=1, seed=0)


class ReleasedNoise(TrainingNoise):
    """What the released program drew."""

    def __init__(self, released: dict[str, Any]) -> None:
        super().__init__(0)
        self.released = released

    def noise(self, epoch: int, step: int, indices: Sequence[int], width: int) -> PromptNoise:
        context = self.released["eps_context"][step - 1][list(indices)][:, None]
        return PromptNoise(context, self.released["eps_normal"][step - 1], self.released["eps_abnormal"][step - 1])

    def prompt_index(self, step: int, n_prompts: int) -> int:
        return int(self.released["index_prompt"][step - 1])


@pytest.mark.parametrize("micro_batch_size", [None, 2])
def test_three_steps_of_stage_1(
    micro_batch_size: int | None,
    network: BayesPFL,
    released: dict[str, Any],
    settings: dict[str, Any],
    in_released_layout: InReleasedLayout,
) -> None:
    """The trainer itself, with the released noise: losses, learning rates and how far every parameter moves."""
    training = settings["train"]
    network = copy.deepcopy(network)
    network.stage = 1
    before = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    names = {"prompt": "prompts", "temperature": "temperatures", "PFL": "flows", "linear": "others"}
    rates = {ours: training["lr"][theirs] for theirs, ours in names.items()}
    optimizer = torch.optim.Adam(stage_1_groups(network, **rates), betas=tuple(training["betas"]))
    schedule = WarmupCosineSchedule(optimizer, training["warmup_steps"], training["total_steps"])
    batch = {
        "image": released["images"],
        "mask": released["masks"][:, None],
        "label": released["labels"],
        "class_name": settings["class_names"],
        "index": torch.arange(len(released["images"])),
    }
    trainer = PromptTrainer(
        device="cpu",
        max_epochs=1,
        train_data_loader=ReleasedBatches([batch] * training["steps"]),
        network=network,
        optimizer=optimizer,
        loss_function=BayesPFLLoss(),
        inferer=FeatureInferer(),
        noise=ReleasedNoise(released),
        micro_batch_size=micro_batch_size,
        amp=False,
    )
    losses, learning_rates = [], []

    @trainer.on(Events.ITERATION_COMPLETED)
    def record(engine: Engine) -> None:
        losses.append([engine.state.output[term] for term in LOSS_TERMS])
        learning_rates.append([group["lr"] for group in optimizer.param_groups])
        schedule.step()

    trainer.run()
    assert_within(torch.tensor(learning_rates).double(), released["opt_lr"], 1e-9)
    assert_within(torch.tensor(losses), released["opt_losses"], 1e-4, relative=True)
    change = in_released_layout(network, lambda name: network.get_parameter(name).detach() - before[name])
    for name, expected in zip(released["param_names"], released["opt_delta_l2"], strict=True):
        if name in change:
            assert float(change[name].double().norm()) == pytest.approx(float(expected), rel=1e-2), name
        else:
            assert expected == 0, name


def test_schedule(released: dict[str, Any], settings: dict[str, Any]) -> None:
    training = settings["train"]
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    schedule = WarmupCosineSchedule(optimizer, training["warmup_steps"], training["total_steps"])
    factors = []
    for _ in range(training["total_steps"]):
        factors.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    assert_within(torch.tensor(factors, dtype=torch.float64), released["lr_factor"], 1e-9)
