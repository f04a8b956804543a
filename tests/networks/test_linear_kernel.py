"""Two ways to compute a linear layer, and how one of them is chosen."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
import torch
from torch import Tensor

from bpfl_med.networks import BayesPFL
from bpfl_med.networks import linear_kernel as module
from bpfl_med.networks.compute_settings import ComputeSettings
from bpfl_med.networks.linear_kernel import LinearKernel, choose_linear_kernel, fastest_linear_kernel, linear

KERNELS = get_args(LinearKernel)


@pytest.fixture
def layer() -> tuple[Tensor, Tensor, Tensor]:
    """x [2, 5, 48], W [32, 48] and b [32]."""
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.randn(shape, generator=generator) for shape in ((2, 5, 48), (32, 48), (32,)))


class TestLinear:
    @pytest.mark.parametrize("kernel", KERNELS)
    @pytest.mark.parametrize("n_threads", [1, 2])
    def test_product(self, kernel: LinearKernel, n_threads: int, layer: tuple[Tensor, ...]) -> None:
        x, weight, bias = layer
        expected = torch.einsum("abk,nk->abn", x.double(), weight.double())
        before = torch.get_num_threads()
        torch.set_num_threads(n_threads)
        try:
            torch.testing.assert_close(linear(x, weight, None, kernel), expected.float(), rtol=0, atol=1e-5)
            torch.testing.assert_close(linear(x, weight, bias, kernel), (expected + bias).float(), rtol=0, atol=1e-5)
        finally:
            torch.set_num_threads(before)

    def test_gradients(self, layer: tuple[Tensor, ...]) -> None:
        gradients = []
        for kernel in KERNELS:
            leaves = [tensor.clone().requires_grad_() for tensor in layer]
            linear(*leaves, kernel).square().sum().backward()
            gradients.append([leaf.grad for leaf in leaves])
        torch.testing.assert_close(*gradients, rtol=1e-5, atol=1e-4)

    def test_a_slice_is_read_where_it_lies(self, layer: tuple[Tensor, ...]) -> None:
        x, weight, _ = layer
        part = x[:, 1:4]
        torch.testing.assert_close(linear(part, weight, None, "convolution"), part @ weight.T, rtol=0, atol=1e-5)

    @pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.half])
    def test_other_types_are_left_to_pytorch(self, dtype: torch.dtype, layer: tuple[Tensor, ...]) -> None:
        cast = [tensor.to(dtype) for tensor in layer]
        assert torch.equal(linear(*cast, "convolution"), torch.nn.functional.linear(*cast))

    def test_it_runs_in_the_type_of_the_weights(self, layer: tuple[Tensor, ...]) -> None:
        x, weight, bias = layer
        found = linear(x, weight.bfloat16(), bias.bfloat16(), "convolution")
        assert torch.equal(found, torch.nn.functional.linear(x.bfloat16(), weight.bfloat16(), bias.bfloat16()))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(linear(x, weight, bias, "convolution"), found)

    def test_an_export_holds_a_plain_linear_layer(self, layer: tuple[Tensor, ...]) -> None:
        x, weight, bias = layer
        traced = torch.jit.trace(lambda x: linear(x, weight, bias, "convolution"), (x,))
        assert {node.kind() for node in traced.inlined_graph.nodes()} >= {"aten::linear"}
        assert "conv" not in str(traced.inlined_graph)


class TestChoice:
    def test_is_measured_and_remembered(self, cache: Path) -> None:
        chosen = choose_linear_kernel("auto", torch.zeros(1), n_tokens=50, width=1000)
        assert chosen in KERNELS
        (answers,) = json.loads(cache.read_text()).values()
        n_threads = torch.get_num_threads()
        assert answers == {f"linear layers of 50 tokens of width 1000 in float32, threads: {n_threads}": chosen}

    def test_is_one_for_each_shape_and_number_of_threads(self, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "autotune", lambda question, *_, **__: question)
        assert len({fastest_linear_kernel(*case) for case in itertools.product((1, 2), (3, 4), (5, 6))}) == 2**3

    def test_small_products_are_left_to_pytorch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "fastest_linear_kernel", lambda *_: "convolution")
        assert choose_linear_kernel("auto", torch.zeros(1), n_tokens=50, width=1000) == "convolution"
        assert choose_linear_kernel("auto", torch.zeros(1), n_tokens=49, width=1000) == "linear"

    def test_is_made_only_where_there_is_one(self, cache: Path) -> None:
        for parameter in (torch.zeros(1, device="meta"), torch.zeros(1).double(), torch.zeros(1).bfloat16()):
            for setting in ("auto", *KERNELS):
                assert choose_linear_kernel(setting, parameter, n_tokens=1370, width=1024) == "linear"
        assert not cache.exists()

    def test_is_not_measured_inside_a_trace(self, cache: Path) -> None:
        def product(x: Tensor) -> Tensor:
            return linear(x, x, None, choose_linear_kernel("auto", x, n_tokens=1370, width=1024))

        torch.jit.trace(product, (torch.ones(2, 2),), check_trace=False)
        assert not cache.exists()

    @pytest.mark.parametrize("kernel", KERNELS)
    def test_can_be_set(self, kernel: LinearKernel, cache: Path) -> None:
        for n_tokens in (1, 1370):
            assert choose_linear_kernel(kernel, torch.zeros(1), n_tokens=n_tokens, width=1024) == kernel
        assert not cache.exists()


class TestNetwork:
    def test_kernels_agree(self, make_network: Callable[..., BayesPFL], images: Callable[..., Tensor]) -> None:
        predictions = []
        for kernel in KERNELS:
            network = make_network(linear_kernel=kernel)
            told = network.provenance["computed_by"]
            assert {told["image_kernels"]["linear"], told["text_kernels"]["linear"], told["patch_kernel"]} == {kernel}
            predictions.append(network.predict(images(2), ["brain", "lung"]))
        torch.testing.assert_close(*predictions, rtol=0, atol=1e-5)

    def test_bfloat16_is_close_and_is_told(
        self, make_network: Callable[..., BayesPFL], images: Callable[..., Tensor]
    ) -> None:
        expected, network = make_network(), make_network(precision="bfloat16")
        assert (expected.provenance["precision"], network.provenance["precision"]) == ("float32", "bfloat16")
        assert network.backbone.checksum == expected.backbone.checksum
        found = network.predict(images(2), ["brain", "lung"])
        torch.testing.assert_close(found, expected.predict(images(2), ["brain", "lung"]), rtol=0, atol=0.02)
        assert (found.anomaly_map - expected.predict(images(2), ["brain", "lung"]).anomaly_map).abs().max() > 1e-6

    def test_types_of_the_towers(self, make_network: Callable[..., BayesPFL]) -> None:
        """Weights are rounded for float16 alone; bfloat16 rounds some of them as it goes."""
        for precision, rounded in (("bfloat16", torch.float32), ("float16", torch.float16)):
            network = make_network(precision=precision)
            for tower in (network.backbone.clip.visual.transformer, network.backbone.clip.transformer):
                block = tower.resblocks[-1]
                assert {p.dtype for layer in (block.attn, block.mlp) for p in layer.parameters()} == {rounded}
                assert block.ln_1.weight.dtype == torch.float32

    @pytest.mark.parametrize(
        "option",
        [{"linear_kernel": "fast"}, {"attention_kernel": "flash"}, {"precision": "int8"}, {"compile_options": "fast"}],
    )
    def test_unknown_choices_are_refused(self, option: dict[str, str]) -> None:
        (name,) = option
        with pytest.raises(ValueError, match=rf"{name} must (be one of \[|hold torch.compile's arguments by name)"):
            ComputeSettings(**option)
