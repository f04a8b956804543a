from __future__ import annotations

import copy
import itertools
from pathlib import Path
from unittest import mock

import pytest
import torch
from safetensors import SafetensorError

from bpfl_med.networks import BayesPFL, CLIPBackbone
from bpfl_med.networks.attention_kernel import Kernels
from bpfl_med.networks.compute_settings import ComputeSettings
from bpfl_med.training import FeatureInferer

IMAGES = torch.randn(5, 3, 48, 48, generator=torch.Generator().manual_seed(0))


def test_features_come_back_to_the_bit_without_the_tower(tmp_path: Path, network: BayesPFL) -> None:
    inferer = FeatureInferer(tmp_path)
    expected = inferer(IMAGES, network)
    assert all(map(torch.equal, FeatureInferer()(IMAGES, network), expected))
    with mock.patch.object(CLIPBackbone, "encode_image", side_effect=AssertionError("the tower was run")):
        again = inferer(IMAGES.flip(0), network)
    assert torch.equal(again.global_feature, expected.global_feature.flip(0))
    assert torch.equal(again.patch_tokens, expected.patch_tokens.flip(1))


def test_features_are_the_same_bytes_in_every_batch(network: BayesPFL) -> None:
    """With a batch in the tower it fails: five images round other last digits than one."""
    together = FeatureInferer()(IMAGES, network)
    for i, image in enumerate(IMAGES.split(1)):
        alone = network.encode_image(image)
        assert torch.equal(together.global_feature[i : i + 1], alone.global_feature)
        assert torch.equal(together.patch_tokens[:, i : i + 1], alone.patch_tokens)


def test_another_picture_backbone_or_block_is_another_entry(tmp_path: Path, network: BayesPFL) -> None:
    inferer = FeatureInferer(tmp_path)
    inferer(IMAGES[:1], network)
    inferer(IMAGES[:1] + 1e-3, network)
    inferer(IMAGES[:1], BayesPFL(network.backbone, feature_blocks=(1, 4)))
    other = copy.deepcopy(network)
    other.backbone.checksum = "another"
    inferer(IMAGES[:1], other)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inferer(IMAGES[:1], network)
    assert len(list(tmp_path.rglob("*.safetensors"))) == 5


def test_another_package_is_another_entry(tmp_path: Path, network: BayesPFL, monkeypatch: pytest.MonkeyPatch) -> None:
    inferer = FeatureInferer(tmp_path)
    inferer(IMAGES[:1], network)
    monkeypatch.setattr("bpfl_med.training.feature_inferer.package_versions", lambda: {"torch": "another"})
    inferer(IMAGES[:1], network)
    assert len(list(tmp_path.rglob("*.safetensors"))) == 2


def test_another_way_of_computing_is_another_entry(tmp_path: Path, network: BayesPFL) -> None:
    inferer = FeatureInferer(tmp_path)
    ways = {
        "linear_kernel": ("linear", "convolution"),
        "attention_kernel": ("fused", "by_heads"),
        "precision": ("float32", "bfloat16"),
    }
    for setting in itertools.product(*ways.values()):
        other = copy.deepcopy(network)
        other.backbone.compute_with(ComputeSettings(**dict(zip(ways, setting, strict=True))))
        inferer(IMAGES[:1], other)
    other = copy.deepcopy(network)
    other.backbone.compute_with(ComputeSettings(compile_options={"backend": "eager"}))
    inferer(IMAGES[:1], other)
    assert len(list(tmp_path.rglob("*.safetensors"))) == 2 * 2 + 2 + 1  # bfloat16 has but one linear kernel


def test_another_way_through_the_text_tower_is_the_same_entry(
    tmp_path: Path, network: BayesPFL, monkeypatch: pytest.MonkeyPatch
) -> None:
    inferer = FeatureInferer(tmp_path)
    for kernel in ("linear", "convolution"):
        monkeypatch.setattr(CLIPBackbone, "text_kernels", Kernels(kernel, "fused"))
        inferer(IMAGES[:1], network)
    assert len(list(tmp_path.rglob("*.safetensors"))) == 1


def test_a_damaged_entry_is_no_features(tmp_path: Path, network: BayesPFL) -> None:
    inferer = FeatureInferer(tmp_path)
    inferer(IMAGES[:1], network)
    (entry,) = tmp_path.rglob("*.safetensors")
    entry.write_bytes(entry.read_bytes()[:100])
    with pytest.raises(SafetensorError):
        inferer(IMAGES[:1], network)


def test_another_activation_is_another_entry(tmp_path, network, monkeypatch):
    inferer, image = FeatureInferer(tmp_path), torch.zeros(1, 3, 48, 48)
    inferer(image, network)
    monkeypatch.setattr(type(network.backbone), "activation", "quick_gelu")
    inferer(image, network)
    assert len(list(tmp_path.rglob("*.safetensors"))) == 2
