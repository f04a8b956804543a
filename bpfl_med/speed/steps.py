"""What each step from the released program's way of computing to ours saves."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from bpfl_med.networks import BayesPFL
from bpfl_med.networks.attention_kernel import attention_by_heads
from bpfl_med.speed import released_way as released
from bpfl_med.speed.stages import wait_for


class Step(NamedTuple):
    """Two ways to compute the same, one step apart.

    Attributes:
        stage: what is computed.
        change: what the step is.
        before: computes it without the step.
        after: computes it with the step.
    """

    stage: str
    change: str
    before: Callable[[], Any]
    after: Callable[[], Any]


@torch.no_grad()
def measure_steps(network: BayesPFL, image: torch.Tensor, class_name: str, *, rounds: int) -> list[dict[str, Any]]:
    """Time every step on one image; gives rows with its stage, its change and the seconds before and after it.

    Args:
        network: in float32.
        image: [1, 3, H, W].
        class_name: what it shows.
        rounds: how often both are timed, in turn; the fastest counts.
    """
    steps = _steps(network, image.to(network.log_temperature_pixel.device), class_name)
    return [
        {"stage": step.stage, "change": step.change, **_fastest(step, rounds, network.log_temperature_pixel.device)}
        for step in steps
    ]


def _steps(network: BayesPFL, image: torch.Tensor, class_name: str) -> Sequence[Step]:
    plain, other = copy.copy(network.backbone), copy.copy(network.backbone)  # of the same weights
    plain.compute_with(replace(plain.compute_settings, linear_kernel="linear"))
    other.compute_with(replace(other.compute_settings, linear_kernel="convolution"))
    blocks = network.hyper_parameters["feature_blocks"]
    features = network.encode_image(image)
    x_cls, n_samples = features.global_feature, network.n_samples
    text = network.encode_text(x_cls, [class_name], network.noise)[0]
    width, n_heads = network.backbone.vision_width, network.backbone.clip.visual.transformer.resblocks[0].attn.num_heads
    heads = torch.randn(3, 1, n_heads, network.backbone.n_image_tokens, width // n_heads, device=image.device)
    return [
        Step(
            "image tower",
            "attention without its weights; no norm and projection that are thrown away",
            lambda: released.image_tower(network, image),
            lambda: plain.encode_image(image, blocks),
        ),
        Step(
            "image tower",
            "matrix products through the other library (linear layers as convolutions)",
            lambda: plain.encode_image(image, blocks),
            lambda: other.encode_image(image, blocks),
        ),
        Step(
            "attention of one block",
            "the same: head by head, as linear layers",
            lambda: F.scaled_dot_product_attention(*heads),
            lambda: attention_by_heads(*heads, kernel="convolution"),
        ),
        Step(
            "text",
            "all samples in one pass, still of 77 tokens",
            lambda: released.text_features(network, x_cls, class_name, samples_at_once=1),
            lambda: released.text_features(network, x_cls, class_name, samples_at_once=n_samples),
        ),
        Step(
            "text",
            "only tokens that are read; what both states share, once",
            lambda: released.text_features(network, x_cls, class_name, samples_at_once=n_samples),
            lambda: network.encode_text(x_cls, [class_name], network.noise),
        ),
        Step(
            "RCA and map",
            "maps folded into their mean and spread as they come, nothing on the host",
            lambda: np.stack([level.cpu() for level in released.level_maps(network, features, text[0].flatten(1, 2))]),
            lambda: network.decode_map(features, text),
        ),
    ]


def _fastest(step: Step, rounds: int, device: torch.device) -> dict[str, float]:
    seconds: dict[str, list[float]] = {"before": [], "after": []}
    for number in range(rounds + 1):  # the first warms up
        for name, compute in (("before", step.before), ("after", step.after)):
            started = time.perf_counter()
            compute()
            wait_for(device)
            if number:
                seconds[name].append(time.perf_counter() - started)
    return {name: min(values) for name, values in seconds.items()}
