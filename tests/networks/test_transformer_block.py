"""Our way through the towers against open_clip's own."""

from __future__ import annotations

import copy

import open_clip
import pytest
import torch

from bpfl_med.networks import CLIPBackbone
from bpfl_med.networks.compute_settings import ComputeSettings
from bpfl_med.networks.transformer_block import activate


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


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_quick_gelu_is_open_clips_in_every_type(dtype: torch.dtype) -> None:
    """Up to the largest number of float16, 1.702 times which is infinite there."""
    hidden = torch.linspace(-65504, 65504, 1001, dtype=torch.float64).to(dtype)
    hidden = torch.cat([hidden, torch.linspace(-8, 8, 1001, dtype=torch.float64).to(dtype)])
    quick_gelu = open_clip.transformer.QuickGELU()
    expected = quick_gelu(hidden.double())
    eps = torch.finfo(dtype).eps
    torch.testing.assert_close(activate(quick_gelu, hidden.clone()).double(), expected, rtol=4 * eps, atol=4 * eps)


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
def test_bfloat16_changes_the_image_tower_little_and_the_text_tower_not_at_all(small_clip: open_clip.CLIP) -> None:
    backbone = CLIPBackbone(copy.deepcopy(small_clip), image_size=32, name="tiny")
    image = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    prompt = torch.randn(1, 3, 64, generator=torch.Generator().manual_seed(1))
    endings, end = prompt[:, None], torch.tensor([2])
    exact, text = backbone.encode_image(image, (4,)), backbone.encode_prompts(prompt, endings, end)
    backbone.compute_with(ComputeSettings("bfloat16"))
    coarse = backbone.encode_image(image, (4,))
    error = float((coarse.patch_tokens - exact.patch_tokens).norm() / exact.patch_tokens.norm())
    assert 0 < error < 2**-8
    assert torch.equal(backbone.encode_prompts(prompt, endings, end), text)
    backbone.compute_with(ComputeSettings())
    assert torch.equal(backbone.encode_image(image, (4,)).patch_tokens, exact.patch_tokens)


def test_weights_that_were_rounded_do_not_pass_for_exact_ones(small_clip: open_clip.CLIP) -> None:
    backbone = CLIPBackbone(copy.deepcopy(small_clip), image_size=32, name="tiny")
    backbone.compute_with(ComputeSettings("float16"))
    with pytest.raises(ValueError, match="load the backbone again"):
        backbone.compute_with(ComputeSettings())
