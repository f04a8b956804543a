"""One pre-norm transformer block of CLIP: the arithmetic that both frozen towers share."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from open_clip.transformer import ResidualAttentionBlock

from bpfl_med.networks.linear_kernel import Kernel, linear

_HEADS_AT_ONCE = 4  # their weights stay in the cache


def transformer_block(
    block: ResidualAttentionBlock, tokens: torch.Tensor, mask: torch.Tensor | None = None, *, kernel: Kernel
) -> torch.Tensor:
    """Apply one block of an open_clip tower through fused scaled dot product attention.

    The weights stay in open_clip's module; only the way of computing is ours, so that every linear layer and every
    attention of the two towers runs through this one place (`nn.MultiheadAttention` would pick, in evaluation, a path
    that materialises the attention weights). Linear layers and attention run in the type of their weights; the tokens
    keep their own.

    Args:
        block: open_clip's block, whose weights are used.
        tokens: token embeddings [M, T, width].
        mask: boolean [T, T], true where a token (row) may attend to a token (column); everything when None.
        kernel: how float32 linear layers are computed on a CPU.

    Returns:
        Token embeddings [M, T, width].
    """
    attention, perceptron = block.attn, block.mlp
    projected = linear(block.ln_1(tokens), attention.in_proj_weight, attention.in_proj_bias, kernel)
    query, key, value = projected.unflatten(-1, (3, attention.num_heads, -1)).permute(2, 0, 3, 1, 4)
    if mask is None and query.dtype == torch.bfloat16 and query.device.type == "cpu":
        attended = _attention_in_products(query, key, value)
    else:
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    attended = linear(attended.transpose(1, 2).flatten(2), attention.out_proj.weight, attention.out_proj.bias, kernel)
    tokens = tokens + block.ls_1(attended)
    hidden = linear(block.ln_2(tokens), perceptron.c_fc.weight, perceptron.c_fc.bias, kernel)
    hidden = linear(perceptron.gelu(hidden), perceptron.c_proj.weight, perceptron.c_proj.bias, kernel)
    return tokens + block.ls_2(hidden)


def _attention_in_products(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Attend from [M, heads, T, width] to all tokens, as two matrix products for a few heads at a time.

    Fused attention is no faster in bfloat16 than in float32 on a CPU without matrix units, and matrix products are.
    """
    parts = (tensor.split(_HEADS_AT_ONCE, dim=1) for tensor in (query * query.shape[-1] ** -0.5, key, value))
    return torch.cat([(q @ k.transpose(-1, -2)).softmax(-1) @ v for q, k, v in zip(*parts, strict=True)], dim=1)
