"""The small CLIP's losses are what they say, and its training is reproducible, at a tiny size."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from bpfl_med.checkpoints import read_tensors
from bpfl_med.demo.backbone import untrained_clip
from bpfl_med.demo.region_losses import picture_loss, region_loss
from bpfl_med.demo.train_backbone import caption_loss, main, region_logits
from bpfl_med.networks.class_names import tokenize_class_names


def unit(*shape: int, seed: int = 0) -> torch.Tensor:
    return F.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def test_captions_are_told_apart_both_ways_but_for_those_of_one_topic():
    image, text, scale = unit(3, 5), unit(3, 5, seed=1), torch.tensor(4.0)
    logits = (scale * image @ text.T).exp()
    rows = [logits[0, 0] / (logits[0, 0] + logits[0, 1]), logits[1, 1] / logits[1].sum()]
    rows += [logits[2, 2] / (logits[2, 1] + logits[2, 2])]
    columns = [logits[0, 0] / (logits[0, 0] + logits[1, 0]), logits[1, 1] / logits[:, 1].sum()]
    columns += [logits[2, 2] / (logits[1, 2] + logits[2, 2])]
    expected = -torch.stack([*rows, *columns]).log().mean()
    torch.testing.assert_close(caption_loss(image, text, torch.tensor([7, 8, 7]), scale), expected)


def test_a_patch_is_compared_with_the_two_captions_of_its_own_pair():
    patches, text = unit(1, 4, 2, 5), unit(4, 5, seed=1)
    logits = region_logits(patches, text, torch.tensor(3.0))
    assert logits.shape == (1, 4, 2)
    expected = 3 * (patches[0, 2, 1] @ text[3] - patches[0, 2, 1] @ text[2])
    torch.testing.assert_close(logits[0, 2, 1], expected)


def test_few_damaged_patches_weigh_as_much_as_all_others():
    damaged = torch.zeros(2, 8)
    damaged[1, 3] = 1
    assert region_loss(torch.zeros(2, 2, 8), damaged).item() == pytest.approx(2 * math.log(2))
    right = torch.full((2, 2, 8), -50.0)
    right[:, 1, 3] = 50
    assert region_loss(right, damaged).item() == pytest.approx(0, abs=1e-6)
    missed = torch.full((2, 2, 8), -50.0)
    assert region_loss(missed, damaged).item() == pytest.approx(50)


def test_one_alarming_patch_makes_a_picture_alarming():
    logits = torch.full((1, 2, 8), -50.0)
    logits[0, 1, 3] = 20
    offset = torch.tensor(3.0)
    assert picture_loss(logits, offset).item() == pytest.approx(math.log1p(math.exp(-17)), abs=1e-6)
    assert picture_loss(logits.flip(1), offset).item() == pytest.approx(17 + 53 - math.log(8), abs=1e-3)


def test_a_class_token_is_judged_by_its_own_picture():
    logits = torch.tensor([-2.0, 3.0, -1.0, -4.0]).reshape(1, 4, 1)
    expected = F.softplus(torch.tensor([-2.0, -1.0])).mean() + F.softplus(torch.tensor([-3.0, 4.0])).mean()
    torch.testing.assert_close(picture_loss(logits, torch.zeros(())), expected)


def train(output: Path, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> dict[str, torch.Tensor]:
    settings = ["--n-steps", 2, "--n-pairs", 2, "--threads", torch.get_num_threads(), *arguments]
    monkeypatch.setattr(sys, "argv", ["train_backbone", "--output", *map(str, (output, *settings))])
    main()
    return read_tensors(output)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as monkeypatch:
        path = tmp_path_factory.mktemp("trained") / "clip.safetensors"
        train(path, monkeypatch, "--seed", 3)
        return path


def test_the_command_trains_the_same_weights_from_a_seed(trained, tmp_path, monkeypatch):
    again = train(tmp_path / "again.safetensors", monkeypatch, "--seed", 3)
    assert (tmp_path / "again.safetensors").read_bytes() == trained.read_bytes()
    assert all(tensor.dtype == torch.float16 for tensor in again.values())
    start = untrained_clip(seed=3).state_dict()
    assert again.keys() == start.keys()
    moved = {name for name in again if not torch.equal(again[name], start[name].half())}
    assert {"visual.conv1.weight", "visual.proj", "text_projection", "token_embedding.weight"} <= moved


def test_a_word_that_no_caption_holds_says_nothing(trained):
    embedding = read_tensors(trained)["token_embedding.weight"]
    (known, end), (unknown, _) = (tokenize_class_names([name], 9)[0][0] for name in ("leather", "brain"))
    assert embedding[known].any()
    assert embedding[end].any()
    assert not embedding[unknown].any()


def test_a_second_phase_begins_where_the_first_ended(trained, tmp_path, monkeypatch):
    still = ["--initial", trained, "--learning-rate", 0]
    second = train(tmp_path / "second.safetensors", monkeypatch, *still)
    assert all(torch.equal(tensor, second[name]) for name, tensor in read_tensors(trained).items())
