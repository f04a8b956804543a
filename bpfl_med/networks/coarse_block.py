"""One block of the image tower with the patches in a coarse type and the class token in full precision."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from open_clip.transformer import ResidualAttentionBlock
from torch import nn

from bpfl_med.networks.attention import attention
from bpfl_med.networks.linear_kernel import Kernel

# oneDNN cuts a product into blocks of rows, badly for some numbers of rows: 1369, those of 37 x 37 patches, take a
# fifth longer than 1370, and 577 a third longer than 576. No multiple of 32 was slow.
_ROWS = 32


def coarse_block(
    block: ResidualAttentionBlock, tokens: torch.Tensor, dtype: torch.dtype, *, kernel: Kernel
) -> torch.Tensor:
    """Apply one block of open_clip's image tower, computing products for patches in another type.

    The planar flows get their parameters from the class token and amplify what is wrong with it. Two things keep it
    nearly exact at little cost. It has its own float32 layers, and attends to float32 patches. And what all patches
    have in common, which would be rounded the same way in each and so would not average out, goes through float32
    layers as one more token, their mean: only deviations from it are rounded.

    Args:
        block: open_clip's block, whose weights are used; they stay in float32.
        tokens: token embeddings [M, 1 + S, width], the class token first, in float32.
        dtype: of the products for patches, such as bfloat16.
        kernel: how float32 matrix products are computed on a CPU.

    Returns:
        Token embeddings [M, 1 + S, width] in float32.
    """
    if tokens.device.type == "cpu" and len(tokens) > 1:
        # Float32 layers of a batch round other last digits than those of one image, and rounding to the coarse type
        # would make them visible. A CPU gains nothing from a batch.
        return torch.cat([coarse_block(block, image, dtype, kernel=kernel) for image in tokens.split(1)])
    layer, perceptron = block.attn, block.mlp
    normed = block.ln_1(tokens)
    common, own = _centred_linear(normed, layer.in_proj_weight, layer.in_proj_bias, dtype)
    common_query, _, common_value = common.chunk(3, -1)
    own_query, own_key, own_value = own.chunk(3, -1)
    # What is common to all keys changes no softmax, and the weights of the values add up to 1.
    query, key, value = (
        part.unflatten(-1, (layer.num_heads, -1)).transpose(1, 2)
        for part in (own_query.float().add_(common_query).to(dtype), own_key, own_value)
    )
    attended = attention(query, key, value, None, kernel=kernel).transpose(1, 2).flatten(2)[:, 1:]
    class_token, patches = tokens[:, :1], tokens[:, 1:]
    class_token = class_token + block.ls_1(layer.out_proj(class_token_attention(layer, normed)))
    class_token = class_token + block.ls_2(perceptron(block.ln_2(class_token)))
    patches = patches + block.ls_1(_coarse_linear(attended.float().add_(common_value), layer.out_proj, dtype))
    hidden = perceptron.gelu(_coarse_linear(block.ln_2(patches), perceptron.c_fc, dtype))
    patches = patches + block.ls_2(_coarse_linear(hidden, perceptron.c_proj, dtype))
    return torch.cat([class_token, patches], dim=1)


def class_token_attention(layer: nn.MultiheadAttention, tokens: torch.Tensor) -> torch.Tensor:
    """Attend from the first token to all of them, without making keys and values.

    q (W_k x) = (q W_k) x, and the weighted mean of W_v x is W_v times the weighted mean of x; a term that is the same
    for all keys, q b_k, changes no softmax. That takes a thousandth of the products that all queries need.

    Args:
        layer: the attention, of which the input projections are used.
        tokens: what it attends to [M, T, width], the class token first.

    Returns:
        [M, 1, width], before the output projection.
    """
    to_query, to_key, to_value = layer.in_proj_weight.unflatten(0, (3, layer.num_heads, -1))  # [heads, C, width] each
    query_bias, _, value_bias = layer.in_proj_bias.unflatten(0, (3, layer.num_heads, -1))
    query = torch.einsum("mw,hcw->mhc", tokens[:, 0], to_query) + query_bias
    scores = torch.einsum("mhc,hcw->mhw", query, to_key) @ tokens.transpose(1, 2)
    mean = (scores * query.shape[-1] ** -0.5).softmax(-1) @ tokens
    return (torch.einsum("mhw,hcw->mhc", mean, to_value) + value_bias).flatten(1).unsqueeze(1)


def _centred_linear(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    """Compute W x + b of tokens [M, T, width] as what all have in common [M, 1, N] and the rest, coarse [M, T, N]."""
    mean = x.mean(1, keepdim=True)
    n_tokens = x.shape[1]
    n_filled = -n_tokens % _ROWS if x.device.type == "cpu" else 0
    rest = x.new_empty(len(x), n_tokens + n_filled, x.shape[-1], dtype=dtype)
    rest[:, :n_tokens] = x - mean
    rest[:, n_tokens:] = 0
    return F.linear(mean, weight, bias), F.linear(rest, weight.to(dtype))[:, :n_tokens]


def _coarse_linear(x: torch.Tensor, layer: nn.Linear, dtype: torch.dtype) -> torch.Tensor:
    """Compute a linear layer of tokens [M, T, width] with both parts of :func:`_centred_linear` in one, in float32."""
    common, own = _centred_linear(x, layer.weight, layer.bias, dtype)
    return own.float().add_(common)
