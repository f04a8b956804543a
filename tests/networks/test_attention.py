"""Attention head by head against PyTorch's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from bpfl_med.networks import attention as module
from bpfl_med.networks import linear_kernel
from bpfl_med.networks.attention import attention, attention_by_heads, fastest_attention
from bpfl_med.networks.linear_kernel import Kernel


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
    dtype: torch.dtype, kernel: Kernel, tolerance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_QUERIES", 20)  # does not divide the number of tokens
    monkeypatch.setattr(linear_kernel, "LEAST_OPERATIONS", 0)
    query, key, value = tokens(dtype)
    expected = F.scaled_dot_product_attention(query.double(), key.double(), value.double())
    found = attention_by_heads(query, key, value, kernel=kernel)
    assert found.dtype == dtype
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=tolerance)


def test_gradients_are_those_of_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_QUERIES", 20)
    monkeypatch.setattr(linear_kernel, "LEAST_OPERATIONS", 0)
    inputs = tokens(torch.float32).requires_grad_()
    (expected,) = torch.autograd.grad(F.scaled_dot_product_attention(*inputs).square().sum(), inputs)
    (found,) = torch.autograd.grad(attention_by_heads(*inputs, kernel="convolution").square().sum(), inputs)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("dtype", "kernel", "fastest", "n_tokens", "by_heads"),
    [
        (torch.float32, "convolution", "by heads", 512, True),
        (torch.float32, "convolution", "fused", 512, False),
        (torch.float32, "convolution", "by heads", 511, False),  # few tokens
        (torch.float32, "linear", "by heads", 512, False),  # plain PyTorch was asked for
        (torch.bfloat16, "linear", "by heads", 512, True),
        (torch.bfloat16, "convolution", "fused", 512, False),
        (torch.float64, "convolution", "by heads", 512, False),
    ],
)
def test_by_heads_where_fused_attention_is_slow(
    dtype: torch.dtype, kernel: Kernel, fastest: str, n_tokens: int, by_heads: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LEAST_OPERATIONS", 0)
    calls: list[Kernel] = []

    def counted(*tensors: torch.Tensor, kernel: Kernel) -> torch.Tensor:
        calls.append(kernel)
        return attention_by_heads(*tensors, kernel=kernel)

    monkeypatch.setattr(module, "attention_by_heads", counted)
    monkeypatch.setattr(module, "fastest_attention", lambda dtype: fastest)
    query, key, value = tokens(dtype, n_tokens)
    found = attention(query, key, value, None, kernel=kernel)
    torch.testing.assert_close(found, F.scaled_dot_product_attention(query, key, value), rtol=0, atol=0.02)
    assert bool(calls) == by_heads
    everything = torch.ones(n_tokens, n_tokens, dtype=torch.bool)
    attention(query, key, value, everything, kernel=kernel)  # with a mask always the fused one
    assert len(calls) == by_heads


def test_the_fastest_is_measured_and_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    fastest_attention.cache_clear()
    try:
        fastest = fastest_attention(torch.float32)
    finally:
        fastest_attention.cache_clear()
    assert fastest in ("fused", "by heads")
    (answers,) = json.loads((tmp_path / "bpfl_med" / "fastest.json").read_text()).values()
    assert answers == {"float32_attention": fastest}


def test_an_export_holds_fused_attention(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "fastest_attention", lambda dtype: "by heads")
    query, key, value = tokens(torch.bfloat16, 512)
    traced = torch.jit.trace(lambda q, k, v: attention(q, k, v, None, kernel="convolution"), (query, key, value))
    assert "aten::scaled_dot_product_attention" in {node.kind() for node in traced.inlined_graph.nodes()}
