"""Every number of the released program's evaluation, row by row of `shared/parity/README.md`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from parity_arrays import assert_within, read_arrays, record_calls
from torch import Tensor

from bpfl_med.checkpoints import load_clip
from bpfl_med.networks import BayesPFL, PromptNoise
from bpfl_med.networks.anomaly_map import pair_logits
from bpfl_med.networks.class_names import start_token_id, tokenize_class_names
from bpfl_med.networks.planar_flow import planar_map
from bpfl_med.networks.prompt_flow import FlowSamples

STATES = ("normal", "abnormal")
TOLERANCES = {
    "tokens": 0,
    "vision_positional_embedding": 1e-5,
    "image_features": 1e-5,
    "patch_tokens": 5e-5,
    "proj_patch_tokens_last": 1e-5,
    "flow_u_context": 1e-5,
    "flow_w_context": 1e-5,
    "flow_b_context": 1e-5,
    "mu_context": 1e-5,
    "var_context": 1e-5,
    "z_context": 5e-5,
    "logdet_context": 1e-3,
    "mu_normal": 1e-5,
    "var_normal": 1e-5,
    "z_normal": 5e-5,
    "logdet_normal": 1e-3,
    "mu_abnormal": 1e-5,
    "var_abnormal": 1e-5,
    "z_abnormal": 5e-5,
    "logdet_abnormal": 1e-3,
    "text_embeddings_raw": 4e-5,  # not normalised: eight times as long
    "text_embeddings": 1e-5,
    "pro_img_stage1": 2e-5,
    "pro_img_stage2": 2e-5,
    "anomaly_logits": 2e-4,
    "anomaly_map": 1e-5,
    "text_score_stage1": 1e-5,
    "text_score_stage2": 1e-5,
}
NOT_COMPARED = {
    "images_uint8": "preprocessing is a transform's",
    "images": "input",
    "masks": "for metrics",
    "eps_context": "input",
    "eps_normal": "input",
    "eps_abnormal": "input",
    "eps_normal_drawn": "only its first draw has an effect, which is eps_normal",
    "eps_abnormal_drawn": "only its first draw has an effect, which is eps_abnormal",
}


@pytest.fixture(scope="module")
def released(tiny_a: Path) -> dict[str, Tensor]:
    return read_arrays(tiny_a / "fixture.npz")


@pytest.fixture(scope="module")
def noise(released: dict[str, Tensor]) -> PromptNoise:
    return PromptNoise(released["eps_context"], released["eps_normal"], released["eps_abnormal"])


@pytest.fixture(scope="module")
def ours(
    network: BayesPFL, released: dict[str, Tensor], noise: PromptNoise, settings: dict[str, Any]
) -> dict[str, Tensor]:
    """Everything that our network gives, under the released names and axes."""
    images, names = released["images"], settings["class_names"]
    clip = network.backbone.clip
    with torch.no_grad():
        features = network.encode_image(images)
        with record_calls(network.backbone, "encode_prompts") as raw_text:
            text, samples = network.encode_text(features.global_feature, names, noise)
        found = {
            "tokens": _released_tokens(names),
            "vision_positional_embedding": clip.visual.positional_embedding,
            "image_features": features.global_feature,
            "patch_tokens": features.patch_tokens.transpose(0, 1),
            "proj_patch_tokens_last": clip.visual.ln_post(features.patch_tokens[-1]) @ clip.visual.proj,
            "text_embeddings_raw": raw_text[0].unflatten(0, text[:, 0, ..., 0].shape).movedim(3, 1).flatten(1, 3),
            "text_embeddings": text.flatten(1, 3),
            "anomaly_logits": _map_logits(network, features.patch_tokens, text.flatten(1, 3)),
            **_flow_quantities(network, samples.context, features.global_feature, "context"),
        }
        for state, sample in zip(STATES, samples[1:], strict=True):
            state_quantities = _flow_quantities(network, sample, features.global_feature, state)
            for name, value in state_quantities.items():
                found[name] = value if name.startswith(("mu", "var")) else value[0]
        for network.stage in (1, 2):
            logits = network.text_score(
                features, text.flatten(1, 3), network.log_temperature_image, stage=network.stage
            )
            prediction = network.predict(images, names, noise=noise)
            found[f"pro_img_stage{network.stage}"] = logits
            found[f"text_score_stage{network.stage}"] = prediction.text_score
            found["anomaly_map"] = prediction.anomaly_map[:, 0]
    return found


def _released_tokens(names: list[str]) -> Tensor:
    """The released program's text is [start] X <name> [end], padded to 77; our prompts have no token X."""
    ids, end = tokenize_class_names(names, 75)
    rows = torch.zeros(len(names), 77, dtype=torch.int64)
    for row, name_ids, n in zip(rows, ids, end + 1, strict=True):
        row[: n + 2] = torch.tensor([start_token_id(), 343, *name_ids[:n]])
    return rows


def _flow_quantities(network: BayesPFL, samples: FlowSamples, x_cls: Tensor, name: str) -> dict[str, Tensor]:
    """Follow the samples through the planar maps, one map at a time."""
    flow = getattr(network.prompt_flow, name)
    if name == "context":
        u, w = (layer(x_cls).unflatten(-1, (flow.n_flows, -1)) for layer in (flow.u, flow.w))
        b = flow.b(x_cls)
        found = {"flow_u_context": u, "flow_w_context": w, "flow_b_context": b}
    else:
        u, w, b = flow.u[None], flow.w[None], flow.b[None]
        found = {}
    path = [samples.z_0]
    for k in range(u.shape[1]):
        path.append(planar_map(path[-1], u[:, k, None], w[:, k, None], b[:, k, None])[0])
    assert torch.equal(path[-1], samples.z_k)
    return found | {
        f"mu_{name}": samples.mean,
        f"var_{name}": samples.variance,
        f"z_{name}": torch.stack(path, dim=2),
        f"logdet_{name}": samples.log_dets,
    }


def _map_logits(network: BayesPFL, patch_tokens: Tensor, text: Tensor) -> Tensor:
    patches, refined = network.cross_attention(patch_tokens, text)
    logits = network.log_temperature_pixel.exp() * refined @ patches.transpose(-1, -2)
    grid = network.backbone.grid_size
    return logits.unflatten(-1, (grid, grid)).transpose(0, 1)


def test_every_array_of_the_fixture_is_accounted_for(released: dict[str, Tensor]) -> None:
    assert TOLERANCES.keys() | NOT_COMPARED.keys() == released.keys()
    assert not TOLERANCES.keys() & NOT_COMPARED.keys()


@pytest.mark.parametrize("name", TOLERANCES)
def test_quantity(name: str, ours: dict[str, Tensor], released: dict[str, Tensor]) -> None:
    assert_within(ours[name], released[name], TOLERANCES[name])


def test_our_logit_of_a_pair_is_the_difference_of_the_released_two(
    network: BayesPFL, ours: dict[str, Tensor], released: dict[str, Tensor]
) -> None:
    text = ours["text_embeddings"].unflatten(1, (2, -1))
    with torch.no_grad():
        patches, refined = network.cross_attention(ours["patch_tokens"].transpose(0, 1), text.flatten(1, 2))
        logits = pair_logits(patches, refined.unflatten(2, (2, -1)), network.log_temperature_pixel)
    normal, abnormal = released["anomaly_logits"].transpose(0, 1).chunk(2, dim=2)
    assert_within(logits, abnormal - normal, 2e-4)


def test_one_by_one_as_the_released_program_works(
    network: BayesPFL, released: dict[str, Tensor], noise: PromptNoise, settings: dict[str, Any]
) -> None:
    network.stage = 2
    for i, name in enumerate(settings["class_names"]):
        own = noise._replace(context=noise.context[i : i + 1])
        prediction = network.predict(released["images"][i : i + 1], [name], noise=own)
        assert_within(prediction.anomaly_map[0, 0], released["anomaly_map"][i], 1e-5)
        assert_within(prediction.text_score[0], released["text_score_stage2"][i], 1e-5)


def test_quick_gelu_is_another_network(
    tiny_a: Path, released: dict[str, Tensor], noise: PromptNoise, settings: dict[str, Any]
) -> None:
    """The comparison must be able to notice the activation: it moves the features by 3e-2."""
    backbone = load_clip(tiny_a / "clip.pt", image_size=settings["image_size"], quick_gelu=True)
    features = backbone.encode_image(released["images"], settings["features_list"])
    assert (features.global_feature - released["image_features"]).abs().max() > 1e-2
