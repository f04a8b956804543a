"""The block whose class token stays exact, against the plain one."""

from __future__ import annotations

import copy

import open_clip
import pytest
import torch

from bpfl_med.networks.attention_kernel import Kernels
from bpfl_med.networks.low_precision_block import class_token_attention, low_precision_block
from bpfl_med.networks.transformer_block import transformer_block

PLAIN = Kernels("linear", "fused")


@pytest.fixture(params=["gelu", "quick_gelu"])
def block(request: pytest.FixtureRequest, small_clip: open_clip.CLIP) -> open_clip.transformer.ResidualAttentionBlock:
    """A block whose biases, which are zero at first, say something."""
    block = copy.deepcopy(small_clip.visual.transformer.resblocks[0])
    if request.param == "quick_gelu":
        block.mlp.gelu = open_clip.transformer.QuickGELU()
    generator = torch.Generator().manual_seed(0)
    for parameter in block.parameters():
        if parameter.ndim == 1:
            parameter.data += torch.randn(parameter.shape, generator=generator)
    return block.requires_grad_(False)


def tokens(width: int) -> torch.Tensor:
    return torch.randn(2, 30, width, generator=torch.Generator().manual_seed(1))


def test_class_token_attention_is_the_first_row_of_plain_attention(
    block: open_clip.transformer.ResidualAttentionBlock,
) -> None:
    layer = block.attn
    x = tokens(layer.embed_dim)
    identity = torch.eye(layer.embed_dim)
    layer.out_proj.weight.data, layer.out_proj.bias.data = identity, torch.zeros(layer.embed_dim)
    expected = layer(x, x, x, need_weights=False)[0][:, :1]
    torch.testing.assert_close(class_token_attention(layer, x), expected, rtol=1e-5, atol=1e-5)


def test_in_float32_it_is_the_plain_block(block: open_clip.transformer.ResidualAttentionBlock) -> None:
    x = tokens(block.attn.embed_dim)
    expected = transformer_block(block, x, kernels=PLAIN)
    found = low_precision_block(block, x, torch.float32, kernels=PLAIN)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_in_bfloat16_the_patches_are_close_and_the_class_token_is_exact(
    block: open_clip.transformer.ResidualAttentionBlock,
) -> None:
    x = tokens(block.attn.embed_dim)
    expected = transformer_block(block, x, kernels=PLAIN)
    found = low_precision_block(block, x, torch.bfloat16, kernels=PLAIN)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found[:, 0], expected[:, 0], rtol=1e-5, atol=1e-5)
    error = float((found[:, 1:] - expected[:, 1:]).norm() / expected[:, 1:].norm())
    assert 1e-5 < error < 2**-7


def test_an_image_gives_the_same_alone_and_in_a_batch(block: open_clip.transformer.ResidualAttentionBlock) -> None:
    x = tokens(block.attn.embed_dim)
    together = low_precision_block(block, x, torch.bfloat16, kernels=PLAIN)
    alone = torch.cat([low_precision_block(block, image, torch.bfloat16, kernels=PLAIN) for image in x.split(1)])
    assert torch.equal(together, alone)
