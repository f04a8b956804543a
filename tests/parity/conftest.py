"""The released program's numbers for a tiny network, and our network with the same weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bpfl_med.checkpoints import load_bayes_pfl
from bpfl_med.networks import BayesPFL
from bpfl_med.networks.attention_kernel import Kernels
from bpfl_med.networks.compute_settings import ComputeSettings


@pytest.fixture(scope="session")
def tiny_a(shared: Path) -> Path:
    return shared / "parity" / "tiny_a"


@pytest.fixture(scope="session")
def settings(tiny_a: Path) -> dict[str, Any]:
    return json.loads((tiny_a / "config.json").read_text())


@pytest.fixture(scope="module", params=[Kernels("linear", "fused"), Kernels("convolution", "by_heads")], ids="-".join)
def network(request: pytest.FixtureRequest, tiny_a: Path, settings: dict[str, Any]) -> BayesPFL:
    network = load_bayes_pfl(
        tiny_a / "clip.pt",
        tiny_a / "prompts.pth",
        image_size=settings["image_size"],
        feature_blocks=settings["features_list"],
        n_samples=settings["sample_num"],
    )
    linear, attention = request.param
    network.backbone.compute_with(ComputeSettings(linear_kernel=linear, attention_kernel=attention))
    return network
