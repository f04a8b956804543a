"""One block of the image tower with the patches in a type of few bits and the class token in full precision."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from open_clip.transformer import ResidualAttentionBlock
from torch import nn

from bpfl_med.networks.attention_kernel import Kernels, attention
from bpfl_med.networks.transformer_block import activate

# oneDNN cuts a product into blocks of rows, badly for some numbers of rows: 1369 take a fifth longer than 1370,
# and 577, those of 336 pixels, a third longer than 576. No multiple of 32 was slow.
_ROWS = 32


def low_precision_block(
    block: ResidualAttentionBlock, tokens: torch.Tensor, dtype: torch.dtype, *, kernels: Kernels
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
        kernels: how attention is computed.

    Returns:
        Token embeddings [M, 1 + S, width] in float32.
    """
    if tokens.device.type == "cpu" and len(tokens) > 1:
        # Float32 layers of a batch round other last digits than those of one image, and a type of few bits would make
        # them visible. A CPU gains nothing from a batch.
        return torch.cat([low_precision_block(block, image, dtype, kernels=kernels) for image in tokens.split(1)])
    layer, perceptron = block.attn, block.mlp
    normed = block.ln_1(tokens)
    mean = normed.mean(1, keepdim=True)
    common_query, _, common_value = F.linear(mean, layer.in_proj_weight, layer.in_proj_bias).chunk(3, -1)
    own_query, own_key, own_value = _low_precision_product(normed - mean, layer.in_proj_weight, dtype).chunk(3, -1)
    # What is common to all keys changes no softmax, and the weights of the values add up to 1.
    query, key, value = (
        part.unflatten(-1, (layer.num_heads, -1)).transpose(1, 2)
        for part in (own_query.float().add_(common_query).to(dtype), own_key, own_value)
    )
    attended = attention(query, key, value, None, kernels=kernels).transpose(1, 2).flatten(2).float().add_(common_value)
    attended[:, :1] = class_token_attention(layer, normed)
    tokens = tokens + block.ls_1(_low_precision_linear(attended, layer.out_proj, dtype))
    hidden = activate(perceptron.gelu, _low_precision_linear(block.ln_2(tokens), perceptron.c_fc, dtype))
    return tokens + block.ls_2(_low_precision_linear(hidden, perceptron.c_proj, dtype))


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


def _low_precision_linear(tokens: torch.Tensor, layer: nn.Linear, dtype: torch.dtype) -> torch.Tensor:
    """Compute W x + b of tokens [M, 1 + S, width] in float32, rounding only how patches differ from their mean."""
    mean = tokens[:, 1:].mean(1, keepdim=True)
    class_token, common = layer(torch.cat([tokens[:, :1], mean], dim=1)).split(1, dim=1)
    found = _low_precision_product(tokens - mean, layer.weight, dtype).float().add_(common)
    found[:, :1] = class_token
    return found


def _low_precision_product(x: torch.Tensor, weight: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Compute W x of tokens [M, T, width] in another type."""
    n_tokens = x.shape[1]
    n_filled = -n_tokens % _ROWS if x.device.type == "cpu" else 0
    rows = x.new_zeros(len(x), n_tokens + n_filled, x.shape[-1], dtype=dtype)
    rows[:, :n_tokens] = x
    return F.linear(rows, weight.to(dtype))[:, :n_tokens]
