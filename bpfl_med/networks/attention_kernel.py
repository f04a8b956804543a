"""Scaled dot product attention, by the way of computing that is fastest where it runs."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Literal, NamedTuple, cast

import torch
import torch.nn.functional as F

from bpfl_med.networks.autotune import autotune
from bpfl_med.networks.linear_kernel import LinearKernel, computes_on_cpu, linear

AttentionKernel = Literal["fused", "by_heads"]
AttentionKernelSetting = Literal["auto", "fused", "by_heads"]

_MANY_TOKENS = 512  # from which on the products of one head are large enough to pay for a call each
_QUERIES = 704  # of a head at a time


class Kernels(NamedTuple):
    """How a tower computes what costs most.

    Attributes:
        linear: float32 linear layers on a CPU.
        attention: attention without a mask.
    """

    linear: LinearKernel
    attention: AttentionKernel


def attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None, *, kernels: Kernels
) -> torch.Tensor:
    """Compute softmax(Q K^T / sqrt(width)) V.

    Args:
        query: Q [M, heads, T, width].
        key: K, likewise.
        value: V, likewise.
        mask: boolean [T, T], true where a token (row) may attend to a token (column); everything when None.
        kernels: how to compute it without a mask; with one it is PyTorch's fused attention.

    Returns:
        [M, heads, T, width]; the two ways differ by rounding alone.
    """
    if mask is None and kernels.attention == "by_heads":
        return attention_by_heads(query, key, value, kernel=kernels.linear)
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)


def attention_by_heads(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *, kernel: LinearKernel
) -> torch.Tensor:
    """Attend to all tokens as two linear layers for some queries of a head at a time: the weights stay in the cache."""
    heads = []
    query = query * query.shape[-1] ** -0.5
    for queries, keys, values in zip(*(part.flatten(0, 1) for part in (query, key, value)), strict=True):
        # A convolution would copy them for every part; a product in bfloat16 takes them as they lie.
        values = values.T if values.dtype == torch.bfloat16 else values.T.contiguous()
        weights = (linear(some, keys, None, kernel).softmax(-1) for some in queries.split(_QUERIES))
        heads.append(torch.cat([linear(some, values, None, kernel) for some in weights]))
    return torch.stack(heads).unflatten(0, query.shape[:2])


def choose_attention_kernel(
    setting: AttentionKernelSetting,
    linear_kernel: LinearKernel,
    parameter: torch.Tensor,
    *,
    dtype: torch.dtype,
    shape: tuple[int, int, int],
) -> AttentionKernel:
    """Give the attention of an image tower: the one that is set, or for "auto" the fastest on this machine.

    Fused attention reaches half of what some processors can do. Head by head can be faster on a CPU, in bfloat16, and
    in float32 where linear layers are convolutions; which is measured. Elsewhere "auto" is fused; on accelerators, in
    exports and in compiled graphs all settings are.

    Args:
        setting: a kernel, or "auto".
        linear_kernel: how the products of one head would be computed.
        parameter: a weight of the tower.
        dtype: of the queries.
        shape: heads, tokens and width of a head of one image's queries.
    """
    if not computes_on_cpu(parameter):
        return "fused"
    if setting != "auto":
        return setting
    by_convolution = dtype == torch.float32 and linear_kernel == "convolution"
    if shape[1] >= _MANY_TOKENS and (dtype == torch.bfloat16 or by_convolution):
        return fastest_attention_kernel(dtype, shape, torch.get_num_threads())
    return "fused"


@functools.cache
def fastest_attention_kernel(dtype: torch.dtype, shape: tuple[int, int, int], n_threads: int) -> AttentionKernel:
    """Give the fastest attention on this machine's CPU."""

    def of_packed(way: Callable[..., torch.Tensor]) -> Callable[[torch.Tensor], torch.Tensor]:
        """Let a way take queries, keys and values as a linear layer gives them."""
        return lambda packed: way(*packed.permute(2, 0, 3, 1, 4))

    ways = {
        "fused": of_packed(F.scaled_dot_product_attention),
        "by_heads": of_packed(functools.partial(attention_by_heads, kernel="convolution")),
    }
    n_heads, n_tokens, width = shape
    name = str(dtype).removeprefix("torch.")
    question = f"attention of {n_tokens} tokens, {n_heads} heads of width {width} in {name}, threads: {n_threads}"
    return cast(AttentionKernel, autotune(question, ways, shapes=[(1, n_tokens, 3, n_heads, width)], dtype=dtype))
