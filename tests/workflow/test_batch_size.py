"""Batches as large as a memory limit allows."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import pytest
import torch
from monai.bundle import ConfigParser

from bpfl_med.machine.tensor_memory import TensorMemory
from bpfl_med.networks import BayesPFL, CLIPBackbone, IntensityNetwork
from bpfl_med.networks.compute_settings import ComputeSettings
from bpfl_med.workflow.batch_size import largest_batch_size


@pytest.fixture(scope="module")
def network(backbone: CLIPBackbone) -> BayesPFL:
    return BayesPFL(backbone, feature_blocks=(2, 4), n_samples=2).eval()


def gib_of(network: BayesPFL, n_images: int) -> float:
    """What really comes into being on this device."""
    with TensorMemory() as memory:
        network(torch.zeros(n_images, 3, 48, 48))
    return (memory.peak + sum(t.nbytes for t in (*network.parameters(), *network.buffers()))) / 2**30


@pytest.mark.parametrize("n_images", [1, 2, 5, 12])
def test_the_batch_fits_and_one_more_would_not(n_images: int, network: BayesPFL) -> None:
    enough, too_little = gib_of(network, n_images), 0.999 * gib_of(network, n_images + 1)
    assert gib_of(network, n_images) < too_little
    assert {largest_batch_size(network, limit_gib=limit, most=64) for limit in (enough, too_little)} == {n_images}


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_other_precisions(precision: str, network: BayesPFL) -> None:
    other = copy.deepcopy(network)
    other.backbone.compute_with(ComputeSettings(precision))
    assert largest_batch_size(other, limit_gib=gib_of(other, 4), most=64) == 4


def test_there_is_an_end_to_it(network: BayesPFL) -> None:
    assert largest_batch_size(network, limit_gib=100, most=16) == 16


def test_too_little_for_one_image_is_an_error(network: BayesPFL) -> None:
    needed = gib_of(network, 1)
    with pytest.raises(ValueError, match=re.escape(f"one image take {needed:.2f} GiB, more than the limit of 0.001")):
        largest_batch_size(network, limit_gib=0.001, most=64)


def test_a_network_for_images_of_any_size_fits_no_batch() -> None:
    with pytest.raises(ValueError, match=r"IntensityNetwork takes images of any size, .* give batch_size itself"):
        largest_batch_size(IntensityNetwork(), limit_gib=1, most=64)


def test_the_overlay_sets_the_batch_size_of_a_run(repository: Path) -> None:
    files = ("bundles/bayes_pfl/configs/inference.json", "configs/backbones/demo.yaml", "configs/memory_limit.yaml")
    parser = ConfigParser()
    parser.read_config([str(repository / file) for file in files])
    parser.update({"prompts_file": None, "memory_limit_gib": 0.1, "device": "$torch.device('cpu')"})
    inferer = parser.get_parsed_content("inferer")
    network = parser.get_parsed_content("network")
    assert inferer.batch_size == largest_batch_size(network, limit_gib=0.1, most=64) > 1
