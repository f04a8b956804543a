"""One pre-norm transformer block of CLIP: the arithmetic that both frozen towers share."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from open_clip.transformer import ResidualAttentionBlock


def transformer_block(
    block: ResidualAttentionBlock, tokens: torch.Tensor, mask: torch.Tensor | None = None
) -> torch.Tensor:
    """Apply one block of an open_clip tower through fused scaled dot product attention.

    The weights stay in open_clip's module; only the way of computing is ours, so that every linear layer and every
    attention of the two towers runs through this one place (`nn.MultiheadAttention` would pick, in evaluation, a path
    that materialises the attention weights).

    Args:
        block: open_clip's block, whose weights are used.
        tokens: token embeddings [M, T, width].
        mask: boolean [T, T], true where a token (row) may attend to a token (column); everything when None.

    Returns:
        Token embeddings [M, T, width].
    """
    attention = block.attn
    projected = F.linear(block.ln_1(tokens), attention.in_proj_weight, attention.in_proj_bias)
    query, key, value = projected.unflatten(-1, (3, attention.num_heads, -1)).permute(2, 0, 3, 1, 4)
    attended = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    tokens = tokens + block.ls_1(attention.out_proj(attended.transpose(1, 2).flatten(2)))
    return tokens + block.ls_2(block.mlp(block.ln_2(tokens)))
