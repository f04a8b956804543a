"""The convolutions of the small CLIP are trained reproducibly, and the whole tower goes on from them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from bpfl_med.checkpoints import read_tensors
from bpfl_med.demo import train_backbone, train_convolutions
from bpfl_med.demo.backbone import PatchEmbedding, untrained_clip, with_mirror_and_place


def run(module: object, monkeypatch: pytest.MonkeyPatch, output: Path, *arguments: object) -> dict[str, torch.Tensor]:
    settings = ["--n-steps", 2, "--n-pairs", 2, "--threads", torch.get_num_threads(), *arguments]
    monkeypatch.setattr(sys, "argv", ["train", "--output", *map(str, (output, *settings))])
    module.main()  # type: ignore[attr-defined]
    return read_tensors(output)


def test_a_seed_gives_the_same_bytes_and_all_convolutions_move(tmp_path, monkeypatch):
    first = run(train_convolutions, monkeypatch, tmp_path / "first.safetensors", "--seed", 3)
    run(train_convolutions, monkeypatch, tmp_path / "again.safetensors", "--seed", 3)
    assert (tmp_path / "first.safetensors").read_bytes() == (tmp_path / "again.safetensors").read_bytes()
    start = untrained_clip(seed=3).state_dict()
    last = "visual.conv1.convolutions.12.weight"  # makes tokens of the features: the whole tower trains it
    assert first.keys() == {name for name in start if name.startswith("visual.conv1.convolutions.")} - {last}
    assert not any(torch.equal(first[name], start[name]) for name in first)


def test_the_whole_tower_begins_with_them(tmp_path, monkeypatch):
    convolutions = run(train_convolutions, monkeypatch, tmp_path / "part.safetensors", "--seed", 3)
    still = ["--seed", 4, "--learning-rate", 0, "--initial", tmp_path / "part.safetensors"]
    whole = run(train_backbone, monkeypatch, tmp_path / "whole.safetensors", *still)
    start = untrained_clip(seed=4).state_dict()
    for name, tensor in whole.items():
        if name != "token_embedding.weight":  # words that no caption holds lose theirs
            assert torch.equal(tensor, convolutions.get(name, start[name]).half())


def test_the_convolutions_add_to_the_linear_embedding():
    torch.manual_seed(0)
    embedding, image = PatchEmbedding(16), torch.rand(2, 3, 32, 24)
    linear = torch.nn.functional.conv2d(image, embedding.weight, stride=8)
    torch.testing.assert_close(embedding(image), linear)  # before any training
    torch.nn.init.ones_(embedding.convolutions[-1].weight)
    added = embedding.convolutions(with_mirror_and_place(image))
    torch.testing.assert_close(embedding(image), linear + added)
    assert embedding(image).shape == (2, 16, 4, 3)


def test_the_convolutions_see_the_mirror_image_and_where_they_are():
    image = torch.rand(2, 3, 5, 3)
    seen = with_mirror_and_place(image)
    assert seen.shape == (2, 8, 5, 3)
    assert torch.equal(seen[:, :3], image)
    assert torch.equal(seen[0, 3:6, :, 0], image[0, :, :, 2])
    assert seen[1, 6, :, 1].tolist() == [-1, -0.5, 0, 0.5, 1]
    assert seen[1, 7, 2].tolist() == [1, 0, 1]


@pytest.mark.parametrize("module", [train_convolutions, train_backbone])
def test_bfloat16_changes_little(tmp_path, monkeypatch, module):
    exact = run(module, monkeypatch, tmp_path / "exact.safetensors", "--seed", 3)
    rounded = run(module, monkeypatch, tmp_path / "rounded.safetensors", "--seed", 3, "--bfloat16")
    apart = {name: (rounded[name].float() - exact[name].float()).abs().max() for name in exact}
    assert 0 < max(apart.values()) < 0.01
