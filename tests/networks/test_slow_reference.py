"""The network against the slow reference, over hyper-parameters and ablations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from slow_reference import slow_prediction

from bpfl_med.networks import BayesPFL, PromptNoise

NAMES = ["brain", "pcb1", "chest x-ray of an adult"]
CASES: dict[str, dict[str, Any]] = {
    "as in the paper": {},
    "one prompt, one sample": {"n_prompts": 1, "n_samples": 1},
    "many prompts": {"n_prompts": 4, "n_samples": 2},
    "many samples": {"n_prompts": 1, "n_samples": 7},
    "long context": {"context_length": 6, "state_length": 1},
    "long state": {"context_length": 1, "state_length": 7},
    "one map": {"n_flows": 1},
    "ten maps": {"n_flows": 10, "n_samples": 2},
    "last block": {"feature_blocks": (4,)},
    "first block": {"feature_blocks": (1,)},
    "every block": {"feature_blocks": (1, 2, 3, 4), "n_samples": 2},
    "the size of the pretraining": {"image_size": 32},
    "larger images": {"image_size": 56, "n_prompts": 1},
    "smaller images": {"image_size": 16},
    "narrow perceptrons": {"hidden_width": 5},
    "QuickGELU": {"quick_gelu": True},
    "stage 1": {"stage": 1},
    "image-agnostic context": {"context_distribution": "image_agnostic"},
    "no context distribution": {"context_distribution": "off"},
    "image-specific states": {"state_distribution": "image_specific"},
    "no state distribution": {"state_distribution": "off"},
    "only image-specific": {"context_distribution": "image_specific", "state_distribution": "image_specific"},
    "swapped distributions": {"context_distribution": "image_agnostic", "state_distribution": "image_specific"},
    "no distribution": {"context_distribution": "off", "state_distribution": "off"},
    "no residual attention": {"residual_attention": False},
    "average pooling": {"patch_pooling": "average"},
    "class token alone": {"image_parts": ("x_cls",)},
    "patches alone": {"image_parts": ("x_patch",)},
    "average patches alone": {"image_parts": ("x_patch",), "patch_pooling": "average"},
    "text ensemble": {"ensemble": "text"},
    "text ensemble in stage 1": {"ensemble": "text", "stage": 1},
}


def assert_equals_reference(network: BayesPFL, images: torch.Tensor, names: list[str], noise: PromptNoise) -> None:
    found = network.predict(images, names, noise=noise)
    expected = slow_prediction(network, images, names, noise, stage=network.stage, ensemble=network.ensemble)
    for name, value in expected._asdict().items():
        torch.testing.assert_close(getattr(found, name).double(), value, rtol=0, atol=1e-5, msg=name)
    maps = found.anomaly_map.flatten(1)
    assert (maps.amax(1) - maps.amin(1)).min() > 1e-3  # there is something to compare


@pytest.mark.parametrize("case", CASES)
def test_prediction(case: str, make_network: Callable[..., BayesPFL], images: Callable[..., torch.Tensor]) -> None:
    network = make_network(**CASES[case])
    batch = images(2, network.backbone.image_size)
    assert_equals_reference(network, batch, NAMES[1:], network.noise)


@pytest.mark.parametrize(
    "name", ["macaroni2", "pipe_fryum", "Head CT", "x-ray", "métal", "pcb9", "a" * 40, "knee, left"]
)
def test_class_names(name: str, make_network: Callable[..., BayesPFL], images: Callable[..., torch.Tensor]) -> None:
    network = make_network(n_prompts=1, n_samples=1, image_size=16)
    assert_equals_reference(network, images(1, 16), [name], network.noise)


def test_noise_of_every_image_of_its_own(
    make_network: Callable[..., BayesPFL], images: Callable[..., torch.Tensor]
) -> None:
    network = make_network()
    own = torch.randn(3, 3, 64, generator=torch.Generator().manual_seed(0))
    assert_equals_reference(network, images(3), NAMES, network.noise._replace(context=own))


def test_ablations_are_different_networks(
    make_network: Callable[..., BayesPFL], images: Callable[..., torch.Tensor]
) -> None:
    """What is switched off must have had an effect, or the comparisons above compare nothing."""
    whole = make_network().predict(images(1), ["brain"])
    for case in ("no context distribution", "no state distribution", "no residual attention", "QuickGELU"):
        other = make_network(**CASES[case]).predict(images(1), ["brain"])
        assert (other.anomaly_map - whole.anomaly_map).abs().max() > 1e-3, case
    for case in ("stage 1", "average pooling", "class token alone", "patches alone"):
        other = make_network(**CASES[case]).predict(images(1), ["brain"])
        assert (other.text_score - whole.text_score).abs().max() > 1e-4, case
