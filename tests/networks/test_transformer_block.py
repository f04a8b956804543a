"""Our way through the towers against open_clip's own."""

from __future__ import annotations

import copy

import open_clip
import pytest
import torch

from bpfl_med.networks import CLIPBackbone
from bpfl_med.networks.transformer_block import _attention_in_products


@pytest.fixture(params=["gelu", "quick_gelu"])
def clip(request: pytest.FixtureRequest, small_clip: open_clip.CLIP) -> open_clip.CLIP:
    clip = copy.deepcopy(small_clip).eval()
    if request.param == "quick_gelu":
        for block in (*clip.visual.transformer.resblocks, *clip.transformer.resblocks):
            block.mlp.gelu = open_clip.transformer.QuickGELU()
    return clip


@torch.no_grad()
def test_image_tower_equals_open_clip(clip: open_clip.CLIP) -> None:
    image = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    expected = clip.encode_image(image)
    every_block = clip.visual.forward_intermediates(image, output_fmt="NLC")["image_intermediates"]
    features = CLIPBackbone(clip, image_size=32, name="tiny").encode_image(image, (1, 2, 3, 4))
    torch.testing.assert_close(features.global_feature, expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(features.patch_tokens, torch.stack(every_block), rtol=0, atol=1e-5)


@torch.no_grad()
def test_text_tower_equals_open_clip_for_plain_texts(clip: open_clip.CLIP) -> None:
    tokens = open_clip.tokenize(["a photo of a normal brain", "a photo of a damaged brain"])
    expected = clip.encode_text(tokens)
    backbone = CLIPBackbone(clip, image_size=32, name="tiny")
    embedded = backbone.embed_tokens(tokens)
    n_prefix, end = 4, int(tokens[0].argmax())  # both begin with: [start] a photo of
    text = backbone.encode_prompts(
        embedded[:1, :n_prefix], embedded[None, :, n_prefix:], torch.tensor([end - n_prefix])
    )
    torch.testing.assert_close(text[0], expected, rtol=0, atol=1e-5)


@torch.no_grad()
def test_what_stands_behind_the_end_of_a_text_is_not_read(clip: open_clip.CLIP) -> None:
    backbone = CLIPBackbone(clip, image_size=32, name="tiny")
    generator = torch.Generator().manual_seed(0)
    prefix, endings = torch.randn(1, 3, 64, generator=generator), torch.randn(1, 2, 6, 64, generator=generator)
    end = torch.tensor([3])
    text = backbone.encode_prompts(prefix, endings, end)
    endings[:, :, 4:] = 100.0
    assert torch.equal(backbone.encode_prompts(prefix, endings, end), text)
    endings[:, 0] = 0.0  # one ending does not see the other
    assert torch.equal(backbone.encode_prompts(prefix, endings, end)[:, 1], text[:, 1])


@torch.no_grad()
def test_attention_in_bfloat16_is_that_of_pytorch() -> None:
    """Six heads, which are not a multiple of those that are computed at once; noise of bfloat16 is all that differs."""
    generator = torch.Generator().manual_seed(0)
    query, key, value = torch.randn(3, 2, 6, 50, 8, generator=generator).bfloat16()
    expected = torch.nn.functional.scaled_dot_product_attention(query.double(), key.double(), value.double())
    found = _attention_in_products(query, key, value)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=0.02)
