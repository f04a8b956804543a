"""Scaled dot product attention, by the way of computing that is fastest where it runs."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
import torch.nn.functional as F

from bpfl_med.networks.linear_kernel import LEAST_OPERATIONS, Kernel, convolution_serves, linear
from bpfl_med.networks.measured_choice import measured_choice

_MANY_TOKENS = 512  # from which on the products of one head are large enough to pay for a call each
_QUERIES = 704  # of a head at a time


def attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None, *, kernel: Kernel
) -> torch.Tensor:
    """Compute softmax(Q K^T / sqrt(width)) V.

    PyTorch's fused attention does, but on a CPU where a measurement says that head by head is faster, since its matrix
    products reach half of what some processors can do: in bfloat16, and in float32 where linear layers may run as
    convolutions.

    Args:
        query: Q [M, heads, T, width].
        key: K, likewise.
        value: V, likewise.
        mask: boolean [T, T], true where a token (row) may attend to a token (column); everything when None.
        kernel: how float32 matrix products are computed on a CPU.

    Returns:
        [M, heads, T, width]; the two ways differ by rounding alone.
    """
    if mask is None and runs_by_heads(query, kernel):
        return attention_by_heads(query, key, value, kernel=kernel)
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)


def attention_by_heads(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *, kernel: Kernel) -> torch.Tensor:
    """Attend to all tokens as two linear layers for some queries of a head at a time: the weights stay in the cache."""
    heads = []
    query = query * query.shape[-1] ** -0.5
    for queries, keys, values in zip(*(part.flatten(0, 1) for part in (query, key, value)), strict=True):
        # A convolution would copy them for every part; a product in bfloat16 takes them as they lie.
        values = values.T if values.dtype == torch.bfloat16 else values.T.contiguous()
        weights = (linear(some, keys, None, kernel).softmax(-1) for some in queries.split(_QUERIES))
        heads.append(torch.cat([linear(some, values, None, kernel) for some in weights]))
    return torch.stack(heads).unflatten(0, query.shape[:2])


def runs_by_heads(query: torch.Tensor, kernel: Kernel) -> bool:
    """Say whether :func:`attention` without a mask goes head by head for queries [M, heads, T, width]."""
    n_tokens = query.shape[-2]
    if n_tokens < _MANY_TOKENS:
        return False
    if query.device.type != "cpu" or torch.jit.is_tracing() or torch.compiler.is_compiling():
        return False
    part = 2 * min(n_tokens, _QUERIES) * n_tokens * query.shape[-1]
    by_convolution = kernel == "convolution" and part >= LEAST_OPERATIONS and convolution_serves(query, query)
    if query.dtype == torch.bfloat16 or by_convolution:
        return fastest_attention(query.dtype) == "by heads"
    return False


@functools.cache
def fastest_attention(dtype: torch.dtype) -> str:
    """Say which is the fastest on this machine's CPU at the size that matters: "fused" or "by heads"."""
    ways: dict[str, Callable[..., torch.Tensor]] = {
        "fused": F.scaled_dot_product_attention,
        "by heads": functools.partial(attention_by_heads, kernel="convolution"),
    }
    name = str(dtype).removeprefix("torch.")
    return measured_choice(f"{name}_attention", ways, shapes=[(1, 16, 1370, 64)] * 3, dtype=dtype)
