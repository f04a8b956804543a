"""The published layout: in, out, and every way in which a file can be wrong."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from bpfl_med.checkpoints import load_bayes_pfl, load_published_prompts, read_tensors, save_published_prompts
from bpfl_med.networks import BayesPFL, CLIPBackbone

Change = Callable[[dict[str, Tensor]], object]


@pytest.fixture(scope="module")
def build(backbone: CLIPBackbone) -> Callable[..., BayesPFL]:
    def make(**options: object) -> BayesPFL:
        small = {"n_prompts": 2, "context_length": 3, "state_length": 4, "n_flows": 5, "n_samples": 2}
        return BayesPFL(backbone, feature_blocks=(2, 4), **{**small, **options}).eval()

    return make


@pytest.fixture
def published(build: Callable[..., BayesPFL], tmp_path: Path) -> Callable[..., Path]:
    """Write a checkpoint, changed if a function says how."""

    def write(change: Change = lambda weights: None) -> Path:
        path = tmp_path / "train_visa.pth"
        save_published_prompts(build(seed=1), path)
        weights = dict(torch.load(path)["MyModel"])
        change(weights)
        torch.save({"MyModel": weights}, path)
        return path

    return write


def assert_same_weights(found: BayesPFL, expected: BayesPFL) -> None:
    for (name, value), other in zip(found.named_parameters(), expected.parameters(), strict=True):
        assert torch.equal(value, other), name


def test_save_and_load(build: Callable[..., BayesPFL], tmp_path: Path) -> None:
    source, target = build(seed=1), build(seed=2)
    save_published_prompts(source, tmp_path / "prompts.pth")
    assert not target.trained
    report = load_published_prompts(target, tmp_path / "prompts.pth")
    assert_same_weights(target, source)
    assert target.trained
    assert report.unused == {}
    assert [file.name for file in tmp_path.iterdir()] == ["prompts.pth"]


def test_the_released_file_comes_back_entry_by_entry(shared: Path, tmp_path: Path) -> None:
    tiny = shared / "parity" / "tiny_a"
    original = read_tensors(tiny / "prompts.pth")["MyModel"]
    settings = {"image_size": 70, "feature_blocks": (3, 6, 9, 12), "n_samples": 1}
    network = load_bayes_pfl(tiny / "clip.pt", tiny / "prompts.pth", **settings)
    report = load_published_prompts(network, tiny / "prompts.pth")
    assert {*report.loaded, *report.unused} == original.keys()
    assert all("decoder." in name or ".p_mu." in name for name in report.unused)

    save_published_prompts(network, tmp_path / "again.pth", unused=report.unused)
    again = read_tensors(tmp_path / "again.pth")["MyModel"]
    assert again.keys() == original.keys()
    for name, value in original.items():
        assert again[name].shape == value.shape, name
        assert torch.equal(again[name], value), name
    assert_same_weights(load_bayes_pfl(tiny / "clip.pt", tmp_path / "again.pth", **settings), network)


def test_hyper_parameters_are_read_off_the_shapes(shared: Path) -> None:
    tiny = shared / "parity" / "tiny_a"
    settings = {"image_size": 70, "feature_blocks": (3, 6, 9, 12), "n_samples": 7}
    network = load_bayes_pfl(tiny / "clip.pt", tiny / "prompts.pth", **settings)
    found = network.hyper_parameters
    assert [found[name] for name in ("n_prompts", "context_length", "state_length", "n_flows")] == [3, 5, 5, 10]
    assert found["hidden_width"] == 64
    assert network.n_samples == 7
    assert not network.training


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda w: w.pop("prompt_context"), "prompt_context is missing"),
        (lambda w: w.pop("RCA.linear_proj.1.weight"), r"RCA\.linear_proj\.1\.weight is missing"),
        (lambda w: w.update(extra=torch.zeros(1)), "extra is unknown"),
        (lambda w: w.update({"RCA.linear_proj.2.weight": torch.zeros(64, 128)}), r"linear_proj\.2\.weight is unknown"),
        (lambda w: w.update(prompt_context=torch.zeros(2, 3, 65)), r"is \[2, 3, 65\], this network needs \[2, 3, 64\]"),
        (lambda w: w.update(temperature_pixel=torch.zeros(1)), r"temperature_pixel is \[1\], this network needs \[\]"),
        (
            lambda w: w.update({"PFL_abnormal.encoder.weight_mean.module.0.bias": torch.ones(64)}),
            r"PFL_abnormal\.encoder\S+ differs from state_encoder",
        ),
        (
            lambda w: w.update({"PFL_context.encoder.weight_mean.module.0.bias": torch.ones(64)}),
            r"PFL_context\.encoder\S+ differs from context_encoder",
        ),
    ],
)
def test_wrong_entries_are_named_and_nothing_is_changed(
    change: Change, text: str, build: Callable[..., BayesPFL], published: Callable[..., Path]
) -> None:
    network = build(seed=2)
    before = copy.deepcopy(network)
    with pytest.raises(ValueError, match=rf"train_visa\.pth does not fit the network: .*{text}"):
        load_published_prompts(network, published(change))
    assert_same_weights(network, before)
    assert not network.trained


def test_all_problems_are_named_at_once(build: Callable[..., BayesPFL], published: Callable[..., Path]) -> None:
    path = published(lambda w: (w.pop("prompt_context"), w.update(extra=torch.zeros(1))))
    with pytest.raises(ValueError, match="prompt_context is missing; extra is unknown"):
        load_published_prompts(build(), path)


def test_prompts_and_tokens_are_not_mistaken_for_one_another(build: Callable[..., BayesPFL], tmp_path: Path) -> None:
    """Five prompts of one token hold as many numbers as one prompt of five."""
    save_published_prompts(build(n_prompts=5, context_length=1, state_length=1), tmp_path / "p.pth")
    with pytest.raises(ValueError, match=r"prompt_context is \[5, 1, 64\], this network needs \[1, 5, 64\]"):
        load_published_prompts(build(n_prompts=1, context_length=5, state_length=5), tmp_path / "p.pth")


def test_unused_entries_are_reported(build: Callable[..., BayesPFL], published: Callable[..., Path]) -> None:
    path = published(lambda w: w.update({"context_decoder.weight_mean.module.0.bias": torch.ones(3)}))
    report = load_published_prompts(build(), path)
    assert list(report.unused) == ["context_decoder.weight_mean.module.0.bias"]


def test_other_layouts(build: Callable[..., BayesPFL], tmp_path: Path) -> None:
    torch.save({"model": {}}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"other\.pth is no Bayes-PFL checkpoint"):
        load_published_prompts(build(), tmp_path / "other.pth")


@pytest.mark.parametrize(
    "options",
    [
        {"residual_attention": False},
        {"patch_pooling": "average"},
        {"context_distribution": "image_agnostic"},
        {"state_distribution": "off"},
    ],
)
def test_ablations_have_no_place_in_the_layout(
    options: dict[str, object], build: Callable[..., BayesPFL], tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="published layout holds the paper's whole network only; this one differs in"):
        save_published_prompts(build(**options), tmp_path / "prompts.pth")
    assert not list(tmp_path.iterdir())
