"""Scaled dot product attention, by the way of computing that is fastest where it runs."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from bpfl_med.networks.linear_kernel import Kernel, convolution_serves, linear

_MANY_TOKENS = 512  # from which on the products of one head are large enough to pay for a call each
_QUERIES = 704  # of a head at a time


def attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None, *, kernel: Kernel
) -> torch.Tensor:
    """Compute softmax(Q K^T / sqrt(width)) V.

    PyTorch's fused attention does, but on a CPU where linear layers run as convolutions: there its matrix products,
    too, reach half of what the machine can do, in float32 and in bfloat16.

    Args:
        query: Q [M, heads, T, width].
        key: K, likewise.
        value: V, likewise.
        mask: boolean [T, T], true where a token (row) may attend to a token (column); everything when None.
        kernel: how float32 matrix products are computed on a CPU.

    Returns:
        [M, heads, T, width]; the two ways differ by rounding alone.
    """
    fused_is_slow = kernel == "convolution" and (
        convolution_serves(query, key) or (query.device.type == "cpu" and query.dtype == torch.bfloat16)
    )
    if mask is None and fused_is_slow and query.shape[-2] >= _MANY_TOKENS and not torch.compiler.is_compiling():
        return attention_by_heads(query, key, value, kernel=kernel)
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)


def attention_by_heads(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *, kernel: Kernel) -> torch.Tensor:
    """Attend to all tokens as two linear layers for some queries of a head at a time: the weights stay in the cache."""
    heads = []
    for queries, keys, values in zip(*(part.flatten(0, 1) for part in (query, key, value)), strict=True):
        some = (queries * query.shape[-1] ** -0.5).split(_QUERIES)
        keys, values = keys.contiguous(), values.T.contiguous()
        heads.append(torch.cat([linear(linear(q, keys, None, kernel).softmax(-1), values, None, kernel) for q in some]))
    return torch.stack(heads).unflatten(0, query.shape[:2])
