"""Both ways of computing on a tiny network: same results, and counts that can be worked out by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from bpfl_med.networks import BayesPFL, clip_backbone
from bpfl_med.speed import matmul_peak
from bpfl_med.speed.__main__ import main
from bpfl_med.speed.released_way import released_way
from bpfl_med.speed.side_by_side import RELEASED, SideBySide
from bpfl_med.speed.stages import STAGES, StageFlops, StageSeconds, our_way
from bpfl_med.speed.workload import networks, random_backbone, random_pictures

CPU = torch.device("cpu")
SIZE, N_PROMPTS, N_SAMPLES = 64, 2, 3


@pytest.fixture(scope="module", autouse=True)
def small_products() -> Iterator[None]:
    """The full ones take as long as all else together."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(matmul_peak._SIZES, "cpu", ((256, 256, 256),))
        yield


@pytest.fixture(scope="module")
def built() -> dict[str, BayesPFL]:
    backbone = random_backbone("demo", image_size=SIZE, seed=0)
    return networks(backbone, ["bfloat16"], CPU, n_prompts=N_PROMPTS, n_samples=N_SAMPLES)


@pytest.fixture(scope="module")
def comparison(built: dict[str, BayesPFL]) -> SideBySide:
    comparison = SideBySide(built, random_pictures(2, SIZE), "liver")
    comparison.run()
    return comparison


@pytest.mark.parametrize("name", ["brain", "chest x-ray of an adult", "metal_nut"])
def test_both_ways_give_what_the_network_gives(name: str, built: dict[str, BayesPFL]) -> None:
    network, (image,) = built["float32"], random_pictures(1, SIZE, seed=3)
    expected = network.predict(image, [name])
    assert all(map(torch.equal, our_way(network, image, name, StageSeconds(CPU)), expected))
    torch.testing.assert_close(released_way(network, image, name, StageSeconds(CPU)), expected, rtol=0, atol=1e-5)


def test_errors_are_small_but_not_nothing(comparison: SideBySide) -> None:
    assert 0 < comparison.errors("float32")["anomaly_map"] < 1e-5
    assert 1e-5 < comparison.errors("bfloat16")["anomaly_map"] < 0.01
    assert comparison.errors(RELEASED)["anomaly_map"] == 0


def test_a_way_that_computes_something_else_is_noticed(built: dict[str, BayesPFL]) -> None:
    comparison = SideBySide(built, random_pictures(1, SIZE), "liver")
    comparison.measurements["float32"].way = lambda network, image, name, stage: our_way(network, image, "lung", stage)
    with pytest.raises(AssertionError, match=r"differ by .*, more than 0.0001"):
        comparison.run()


def test_images_in_another_order_are_noticed(comparison: SideBySide) -> None:
    assert comparison.same_ranking("float32")
    found = comparison.measurements["float32"].predictions
    found.reverse()
    assert not comparison.same_ranking("float32")
    found.reverse()


def test_operations_of_the_image_tower(built: dict[str, BayesPFL]) -> None:
    """Twelve width-squared products a token and block, two products of attention, the patches and the projection.

    The demonstration has convolutions beside the patches: as many products for a pixel as the kernel has values.
    """
    backbone = built["float32"].backbone
    width, patch_size = backbone.vision_width, backbone.patch_size
    n_patches = (SIZE // patch_size) ** 2
    n_tokens = n_patches + 1
    block = 12 * n_tokens * width**2 + 2 * n_tokens**2 * width
    patches = n_patches * 3 * patch_size**2 * width
    side, convolutions = SIZE, 0
    for layer in backbone.clip.visual.conv1.convolutions.modules():
        if isinstance(layer, torch.nn.Conv2d):
            side //= layer.stride[0]
            convolutions += side**2 * layer.weight.numel()
    expected = 2 * (backbone.n_blocks * block + patches + convolutions + width * backbone.embed_dim)
    counter = StageFlops()
    our_way(built["float32"], random_pictures(1, SIZE)[0], "liver", counter)
    assert counter.flops["image tower"] == expected


def test_the_released_way_needs_more_operations_and_memory(comparison: SideBySide) -> None:
    released, ours = comparison.measurements[RELEASED], comparison.measurements["float32"]
    assert released.flops["text"] > 4 * ours.flops["text"] > 0
    assert released.tensor_bytes > ours.tensor_bytes > 2 * N_PROMPTS * N_SAMPLES * 4


def test_what_is_measured_to_choose_kernels_is_not_counted(
    comparison: SideBySide, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = set()

    def measured(setting: str, parameter: torch.Tensor, *, n_tokens: int, width: int) -> str:
        if width not in known:
            _ = torch.ones(100, 100) @ torch.ones(100, 100)
            known.add(width)
        return "linear"

    monkeypatch.setattr(clip_backbone, "choose_linear_kernel", measured)
    networks = {name: comparison.measurements[name].network for name in ("float32", "bfloat16")}
    other = SideBySide(networks, comparison.images, comparison.class_name)
    other.run()
    for name in networks:
        assert other.measurements[name].flops == comparison.measurements[name].flops
    assert known


def test_the_command_writes_what_it_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--model", "demo", "--image-size", str(SIZE), "--n-samples", "2", "--rounds", "1", "--parts", "stages"]
    assert main([*arguments, "-o", str(tmp_path)]) == 0
    text = (tmp_path / "speed.md").read_text()
    assert capsys.readouterr().out.strip() == text.strip()
    record = json.loads((tmp_path / "speed.json").read_text())
    ways = record["stages"]["ways"]
    assert list(ways) == [RELEASED, "float32", "bfloat16"]
    for way in ways.values():
        assert way["seconds"].keys() == {*STAGES, "whole image"}
        assert way["images_per_second"] == 1 / way["seconds"]["whole image"]
        assert 0 < way["share_of_matmul_peak"] < 1
    assert record["stages"]["computed_by"]["bfloat16"]["image_kernels"] == {"linear": "linear", "attention": "fused"}
    row = next(line for line in text.splitlines() if line.startswith("| image tower"))
    assert f"{ways['float32']['seconds']['image tower']:.3g}" in row


def test_an_unknown_architecture_is_refused() -> None:
    with pytest.raises(ValueError, match="open_clip knows no architecture 'ViT-Z'"):
        random_backbone("ViT-Z", image_size=SIZE, seed=0)
