"""The two ways of computing a prediction, cut into stages that can be timed and counted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from bpfl_med.networks import BayesPFL, ImageFeatures, Prediction

STAGES = ("image tower", "text", "RCA and map", "score", "host transfer")

Stage = Callable[[str], AbstractContextManager[None]]
"""Opens a block that belongs to a stage."""

Way = Callable[[BayesPFL, torch.Tensor, str, Stage], Prediction]
"""From one image [1, 3, H, W] on the host and its class name to a prediction on the host."""


def our_way(network: BayesPFL, image: torch.Tensor, class_name: str, stage: Stage) -> Prediction:
    """Compute as `BayesPFL.predict` does."""
    with stage("host transfer"):
        image = image.to(network.log_temperature_pixel.device)
    with stage("image tower"):
        features = network.encode_image(image)
    return behind_the_tower(network, features, class_name, stage)


@torch.no_grad()
def behind_the_tower(network: BayesPFL, features: ImageFeatures, class_name: str, stage: Stage) -> Prediction:
    """Compute all but the image tower's part of :func:`our_way`."""
    with stage("text"):
        text, _ = network.encode_text(features.global_feature, [class_name], network.noise)
    with stage("RCA and map"):
        anomaly_map, uncertainty = network.decode_map(features, text)
    with stage("score"):
        text_score, score_std = network.decode_score(features, text)
    with stage("host transfer"):
        return Prediction(*(part.cpu() for part in (anomaly_map, text_score, uncertainty, score_std)))


def wait_for(device: torch.device) -> None:
    """Wait until a GPU has done all that it was asked for; a CPU has at once."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


class StageSeconds:
    """Adds up the seconds of each stage.

    Args:
        device: whose queue is waited for at the ends of a stage.

    Attributes:
        seconds: by stage.
    """

    def __init__(self, device: torch.device) -> None:
        self.seconds = dict.fromkeys(STAGES, 0.0)
        self._device = device

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Time a block."""
        wait_for(self._device)
        started = time.perf_counter()
        yield
        wait_for(self._device)
        self.seconds[name] += time.perf_counter() - started


class StageFlops:
    """Counts the floating point operations of the matrix products of each stage.

    Attributes:
        flops: by stage; a multiplication and an addition are two.
    """

    def __init__(self) -> None:
        self.flops = dict.fromkeys(STAGES, 0)

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Count a block."""
        attention = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu  # which PyTorch's counter does not know
        with FlopCounterMode(display=False, custom_mapping={attention: _attention_flops}) as counter:
            yield
        self.flops[name] += counter.get_total_flops()


def _attention_flops(query: torch.Size, key: torch.Size, value: torch.Size, *_: Any, **__: Any) -> int:
    """Count two products, of each query with each key and of each weight with each value."""
    *batch, n_queries, width = query
    return 2 * int(torch.Size(batch).numel()) * n_queries * key[-2] * (width + value[-1])
