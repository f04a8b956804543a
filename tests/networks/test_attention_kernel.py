"""Attention head by head against PyTorch's own, and how one of them is chosen."""

from __future__ import annotations

import copy
import itertools
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
import torch.nn.functional as F

from bpfl_med.networks import BayesPFL, CLIPBackbone, linear_kernel
from bpfl_med.networks import attention_kernel as module
from bpfl_med.networks.attention_kernel import (
    AttentionKernel,
    Kernels,
    attention,
    attention_by_heads,
    choose_attention_kernel,
    fastest_attention_kernel,
)
from bpfl_med.networks.compute_settings import ComputeSettings
from bpfl_med.networks.linear_kernel import LinearKernel


def tokens(dtype: torch.dtype, n_tokens: int = 50) -> torch.Tensor:
    """Queries, keys and values of 2 images and 6 heads, laid out as a linear layer gives them."""
    mixed = torch.randn(2, n_tokens, 3, 6, 8, generator=torch.Generator().manual_seed(0))
    return mixed.to(dtype).permute(2, 0, 3, 1, 4)


@pytest.mark.parametrize(
    ("dtype", "kernel", "tolerance"),
    [
        (torch.float32, "linear", 1e-6),
        (torch.float32, "convolution", 1e-6),
        (torch.bfloat16, "linear", 0.02),
        (torch.bfloat16, "convolution", 0.02),
    ],
)
def test_by_heads_is_that_of_pytorch(
    dtype: torch.dtype, kernel: LinearKernel, tolerance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_QUERIES", 20)  # does not divide the number of tokens
    query, key, value = tokens(dtype)
    expected = F.scaled_dot_product_attention(query.double(), key.double(), value.double())
    found = attention_by_heads(query, key, value, kernel=kernel)
    assert found.dtype == dtype
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=tolerance)


def test_gradients_are_those_of_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_QUERIES", 20)
    inputs = tokens(torch.float32).requires_grad_()
    (expected,) = torch.autograd.grad(F.scaled_dot_product_attention(*inputs).square().sum(), inputs)
    (found,) = torch.autograd.grad(attention_by_heads(*inputs, kernel="convolution").square().sum(), inputs)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("kernel", "n_calls"), [("fused", 0), ("by_heads", 1)])
def test_attention_is_of_the_kernel_and_with_a_mask_fused(
    kernel: AttentionKernel, n_calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[LinearKernel] = []

    def counted(*tensors: torch.Tensor, kernel: LinearKernel) -> torch.Tensor:
        calls.append(kernel)
        return attention_by_heads(*tensors, kernel=kernel)

    monkeypatch.setattr(module, "attention_by_heads", counted)
    query, key, value = tokens(torch.float32)
    found = attention(query, key, value, None, kernels=Kernels("convolution", kernel))
    torch.testing.assert_close(found, F.scaled_dot_product_attention(query, key, value), rtol=0, atol=1e-5)
    assert calls == ["convolution"] * n_calls
    mask = torch.ones(50, 50, dtype=torch.bool).tril()
    found = attention(query, key, value, mask, kernels=Kernels("convolution", kernel))
    assert torch.equal(found, F.scaled_dot_product_attention(query, key, value, attn_mask=mask))
    assert len(calls) == n_calls


class TestChoice:
    @pytest.mark.parametrize(
        ("settings", "expected"),
        [
            ({}, "by_heads"),
            ({"linear_kernel": "linear"}, "fused"),  # its products would not be faster
            ({"shape": (16, 512, 64)}, "by_heads"),
            ({"shape": (16, 511, 64)}, "fused"),  # few tokens
            ({"dtype": torch.bfloat16, "linear_kernel": "linear", "shape": (16, 512, 64)}, "by_heads"),
            ({"dtype": torch.bfloat16, "shape": (16, 511, 64)}, "fused"),
            ({"dtype": torch.float64}, "fused"),
            ({"dtype": torch.float16}, "fused"),
            ({"parameter": torch.zeros(1, device="meta")}, "fused"),
            ({"parameter": torch.zeros(1, device="meta"), "setting": "by_heads"}, "fused"),
            ({"setting": "fused"}, "fused"),
            ({"setting": "by_heads", "linear_kernel": "linear", "shape": (1, 2, 4)}, "by_heads"),
        ],
    )
    def test_the_fastest_is_asked_for_where_it_can_differ(
        self, settings: dict[str, Any], expected: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "fastest_attention_kernel", lambda *_: "by_heads")
        defaults: dict[str, Any] = {
            "setting": "auto",
            "linear_kernel": "convolution",
            "parameter": torch.zeros(1),
            "dtype": torch.float32,
            "shape": (16, 1370, 64),
        }
        assert choose_attention_kernel(**defaults | settings) == expected

    def test_is_measured_and_remembered(self, cache: Path) -> None:
        chosen = fastest_attention_kernel(torch.float32, (2, 50, 8), 2)
        assert chosen in ("fused", "by_heads")
        (answers,) = json.loads(cache.read_text()).values()
        assert answers == {"attention of 50 tokens, 2 heads of width 8 in float32, threads: 2": chosen}

    def test_is_one_for_each_type_shape_and_number_of_threads(
        self, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "autotune", lambda question, *_, **__: question)
        cases = itertools.product((torch.float32, torch.bfloat16), itertools.product((1, 2), (3, 4), (5, 6)), (1, 2))
        assert len({fastest_attention_kernel(*case) for case in cases}) == 2**5


class TestNetwork:
    def test_kernels_agree_and_are_told(
        self, make_network: Callable[..., BayesPFL], images: Callable[..., torch.Tensor]
    ) -> None:
        fused, by_heads = (make_network(attention_kernel=kernel) for kernel in ("fused", "by_heads"))
        assert fused.provenance["computed_by"]["image_kernels"]["attention"] == "fused"
        assert by_heads.provenance["computed_by"]["image_kernels"]["attention"] == "by_heads"
        pair = [network.predict(images(2), ["brain", "lung"]) for network in (fused, by_heads)]
        torch.testing.assert_close(*pair, rtol=0, atol=1e-5)
        assert not torch.equal(pair[0].anomaly_map, pair[1].anomaly_map)

    def test_an_export_holds_the_plain_kernels(
        self, make_network: Callable[..., BayesPFL], images: Callable[..., torch.Tensor]
    ) -> None:
        network = make_network(linear_kernel="convolution", attention_kernel="by_heads")
        blocks = network.hyper_parameters["feature_blocks"]
        traced = torch.jit.trace(lambda image: tuple(network.backbone.encode_image(image, blocks)), (images(2),))
        kinds = Counter(node.kind() for node in traced.inlined_graph.nodes())
        assert kinds["aten::scaled_dot_product_attention"] == network.backbone.n_blocks
        assert kinds["aten::linear"] == 4 * network.backbone.n_blocks

    def test_a_compiled_tower_has_the_plain_kernels(
        self, make_network: Callable[..., BayesPFL], images: Callable[..., torch.Tensor]
    ) -> None:
        kernels = {"linear_kernel": "convolution", "attention_kernel": "by_heads"}
        compiled = make_network(**kernels, compile_options={"backend": "eager"}).backbone
        assert compiled.image_kernels == Kernels("linear", "fused")
        plain = make_network(linear_kernel="linear", attention_kernel="fused").backbone
        for found, expected in zip(
            compiled.encode_image(images(1), (2, 4)), plain.encode_image(images(1), (2, 4)), strict=True
        ):
            assert torch.equal(found, expected)

    def test_compile_options_are_told_as_json_can_hold_them(self, make_network: Callable[..., BayesPFL]) -> None:
        def backend(graph: torch.fx.GraphModule, _: list[torch.Tensor]) -> Callable[..., Any]:
            return graph.forward

        backbone = make_network(compile_options={"backend": backend, "dynamic": False}).backbone
        told = json.loads(json.dumps(backbone.computed_by))["compile_options"]
        assert told == {"backend": backend.__qualname__, "dynamic": False}

    @pytest.mark.parametrize(
        ("precision", "image", "text"),
        [
            ("float32", Kernels("convolution", "by_heads"), "convolution"),
            ("bfloat16", Kernels("linear", "by_heads"), "convolution"),
            ("float16", Kernels("linear", "fused"), "linear"),
        ],
    )
    def test_each_precision_has_the_kernels_that_serve_it(
        self,
        precision: str,
        image: Kernels,
        text: LinearKernel,
        small_clip: open_clip.CLIP,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """With "auto", and measurements that always favour the other library."""
        monkeypatch.setattr(module, "fastest_attention_kernel", lambda *_: "by_heads")
        monkeypatch.setattr(linear_kernel, "fastest_linear_kernel", lambda *_: "convolution")
        monkeypatch.setattr(linear_kernel, "_LEAST_OPERATIONS", 0)
        backbone = CLIPBackbone(copy.deepcopy(small_clip), image_size=8 * 23, name="tiny")  # 530 tokens
        backbone.compute_with(ComputeSettings(precision))
        assert backbone.image_kernels == image
        assert backbone.text_kernels == Kernels(text, "fused")
        assert backbone.patch_kernel == "convolution"
