"""Networks with weights far from their start, so that no term is close to nothing."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch

from bpfl_med.networks import BayesPFL, CLIPBackbone
from bpfl_med.networks.attention_kernel import fastest_attention_kernel
from bpfl_med.networks.compute_settings import ComputeSettings
from bpfl_med.networks.linear_kernel import fastest_linear_kernel

MakeNetwork = Callable[..., BayesPFL]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file in which choices are remembered, not there yet; what this process knows of them is forgotten."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for choice in (fastest_linear_kernel, fastest_attention_kernel):
        choice.cache_clear()
    yield tmp_path / "bpfl_med" / "fastest.json"
    for choice in (fastest_linear_kernel, fastest_attention_kernel):
        choice.cache_clear()


@torch.no_grad()
def train_like(network: BayesPFL, seed: int = 1) -> BayesPFL:
    """Give every trainable weight a random value that matters."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in network.named_parameters():
        if not name.startswith(("backbone.", "log_temperature")):
            width = parameter.shape[-1] if parameter.ndim > 1 else 10
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / width**0.5)
    network.log_temperature_pixel.fill_(2.0)
    network.log_temperature_image.fill_(1.5)
    return network


@pytest.fixture(scope="session")
def make_network(small_clip: open_clip.CLIP) -> MakeNetwork:
    """Make a small network; keywords are hyper-parameters or how the backbone computes."""

    def make(image_size: int = 24, quick_gelu: bool = False, **hyper_parameters: Any) -> BayesPFL:
        clip = copy.deepcopy(small_clip)
        if quick_gelu:
            for block in (*clip.visual.transformer.resblocks, *clip.transformer.resblocks):
                block.mlp.gelu = open_clip.transformer.QuickGELU()
        backbone = CLIPBackbone(clip, image_size=image_size, name="tiny", pretrained=False)
        settings = {"feature_blocks": (2, 4), "n_prompts": 2, "n_samples": 3, "n_flows": 3, "context_length": 2}
        compute_settings = ComputeSettings(
            **{
                field.name: hyper_parameters.pop(field.name)
                for field in fields(ComputeSettings)
                if field.name in hyper_parameters
            }
        )
        network = BayesPFL(
            backbone, compute_settings=compute_settings, **{**settings, "state_length": 3, **hyper_parameters}
        )
        return train_like(network).eval()

    return make


@pytest.fixture
def images() -> Callable[..., torch.Tensor]:
    """Random pictures [N, 3, H, H]."""

    def draw(n: int, size: int = 24, seed: int = 5) -> torch.Tensor:
        return torch.randn(n, 3, size, size, generator=torch.Generator().manual_seed(seed))

    return draw
