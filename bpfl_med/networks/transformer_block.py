"""One pre-norm transformer block of CLIP: the arithmetic that both frozen towers share."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from open_clip.transformer import QuickGELU, ResidualAttentionBlock
from torch import nn

from bpfl_med.networks.attention_kernel import Kernels, attention
from bpfl_med.networks.linear_kernel import linear


def transformer_block(
    block: ResidualAttentionBlock,
    tokens: torch.Tensor,
    mask: torch.Tensor | None = None,
    *,
    kernels: Kernels,
) -> torch.Tensor:
    """Apply one block of an open_clip tower.

    The weights stay in open_clip's module; only the way of computing is ours, so that every linear layer and every
    attention of the two towers runs through this one place, but for an image tower in bfloat16
    (:mod:`~bpfl_med.networks.low_precision_block`). (`nn.MultiheadAttention` would pick, in evaluation, a path that
    materialises the attention weights of all heads.) Linear layers and attention run in the type of their weights;
    the tokens keep their own.

    Args:
        block: open_clip's block, whose weights are used.
        tokens: token embeddings [M, T, width].
        mask: boolean [T, T], true where a token (row) may attend to a token (column); everything when None.
        kernels: how linear layers and attention are computed.

    Returns:
        Token embeddings [M, T, width].
    """
    layer, perceptron = block.attn, block.mlp
    query, key, value = (
        part.unflatten(-1, (layer.num_heads, -1)).transpose(1, 2)
        for part in linear(block.ln_1(tokens), layer.in_proj_weight, layer.in_proj_bias, kernels.linear).chunk(3, -1)
    )
    attended = attention(query, key, value, mask, kernels=kernels).transpose(1, 2).flatten(2)
    tokens = tokens + block.ls_1(linear(attended, layer.out_proj.weight, layer.out_proj.bias, kernels.linear))
    hidden = linear(block.ln_2(tokens), perceptron.c_fc.weight, perceptron.c_fc.bias, kernels.linear)
    hidden = linear(activate(perceptron.gelu, hidden), perceptron.c_proj.weight, perceptron.c_proj.bias, kernels.linear)
    return tokens + block.ls_2(hidden)


def activate(activation: nn.Module, hidden: torch.Tensor) -> torch.Tensor:
    """Apply the activation of a perceptron to its hidden layer, whose memory may be overwritten.

    QuickGELU(x) = x sigmoid(1.702 x) = SiLU(1.702 x) / 1.702, which PyTorch computes in half the time;
    in float16, 1.702 x can be infinite.
    """
    if isinstance(activation, QuickGELU) and hidden.dtype != torch.float16:
        return F.silu(hidden.mul_(1.702)).div_(1.702)
    return activation(hidden)
