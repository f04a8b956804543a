from __future__ import annotations

import copy

import open_clip
import pytest
import torch
from open_clip.transformer import QuickGELU

from bpfl_med.networks import CLIPBackbone, clip_backbone
from bpfl_med.networks.clip_backbone import resize_positional_embedding
from bpfl_med.networks.compute_settings import ComputeSettings
from bpfl_med.networks.weights_checksum import weights_checksum

SMALL_VISION = {"layers": 1, "width": 64, "patch_size": 8, "image_size": 16, "head_width": 64}
SMALL_TEXT = {"width": 64, "heads": 1, "layers": 1}


def test_sizes(backbone: CLIPBackbone) -> None:
    assert (backbone.embed_dim, backbone.vision_width, backbone.n_blocks, backbone.text_length) == (64, 128, 4, 77)
    assert (backbone.patch_size, backbone.grid_size, backbone.activation) == (8, 6, "gelu")


def test_nothing_is_left_to_train(backbone: CLIPBackbone) -> None:
    assert not any(parameter.requires_grad for parameter in backbone.parameters())


def test_image_size_must_be_a_multiple_of_the_patch_size(small_clip: open_clip.CLIP) -> None:
    with pytest.raises(ValueError, match=r"multiple of the patch size 8 of tiny, got 50; use 48"):
        CLIPBackbone(copy.deepcopy(small_clip), image_size=50, name="tiny")


@pytest.mark.parametrize(
    "shape", [(3, 48, 48), (1, 1, 48, 48), (1, 3, 48, 56), (1, 3, 32, 32), (1, 48, 48, 3), (0, 3, 48, 48)]
)
def test_images_of_another_shape_are_refused(shape: tuple[int, ...], backbone: CLIPBackbone) -> None:
    with pytest.raises(ValueError, match=r"takes images \[N, 3, 48, 48\], got"):
        backbone.encode_image(torch.zeros(shape), (1,))


def test_a_batch_whose_tensors_are_too_large_to_be_kept_goes_in_parts(
    backbone: CLIPBackbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = torch.randn(5, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    together = backbone.encode_image(images, (1, 4))
    n_tokens, n_hidden = 1 + 6 * 6, 4 * 128
    monkeypatch.setattr(clip_backbone, "LARGEST_KEPT", 2 * n_tokens * n_hidden * 4)
    seen: list[int] = []
    with backbone.clip.visual.conv1.register_forward_hook(lambda _, inputs, __: seen.append(len(inputs[0]))):
        in_parts = backbone.encode_image(images, (1, 4))
    assert seen == [2, 2, 1]
    torch.testing.assert_close(in_parts, together, rtol=0, atol=1e-5)


def test_positional_embedding_keeps_the_class_token_and_a_grid_of_the_right_size() -> None:
    embedding = torch.randn(1 + 16, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(resize_positional_embedding(embedding, 4), embedding)
    resized = resize_positional_embedding(embedding, 6)
    assert resized.shape == (37, 8)
    assert torch.equal(resized[0], embedding[0])


def test_positional_embedding_is_resized_along_the_right_axes() -> None:
    """A ramp along x stays a ramp along x, and the same along y."""
    y, x = torch.meshgrid(torch.arange(4.0), torch.arange(4.0), indexing="ij")
    embedding = torch.cat([torch.zeros(1, 2), torch.stack([x.flatten(), y.flatten()], dim=1)])
    resized = resize_positional_embedding(embedding, 8)[1:].unflatten(0, (8, 8))
    assert (resized[:, 1:, 0] > resized[:, :-1, 0]).all()
    assert (resized[1:, :, 1] > resized[:-1, :, 1]).all()
    torch.testing.assert_close(resized[0, :, 0], resized[-1, :, 0])


def test_checksum_is_that_of_the_values_whatever_their_type(small_clip: open_clip.CLIP) -> None:
    half = copy.deepcopy(small_clip).half()
    changed = copy.deepcopy(half)
    changed.ln_final.bias.data[3] = 1e-3
    of_floats = CLIPBackbone(copy.deepcopy(half).float(), image_size=32, name="tiny").checksum
    assert CLIPBackbone(half, image_size=32, name="tiny").checksum == of_floats
    assert CLIPBackbone(changed, image_size=32, name="tiny").checksum != of_floats


def test_checksum_does_not_depend_on_the_image_size(small_clip: open_clip.CLIP) -> None:
    checksums = {CLIPBackbone(copy.deepcopy(small_clip), image_size=size, name="tiny").checksum for size in (32, 48)}
    assert checksums == {weights_checksum(small_clip.state_dict())}


def test_activation_is_told(small_clip: open_clip.CLIP) -> None:
    clip = copy.deepcopy(small_clip)
    for block in (*clip.visual.transformer.resblocks, *clip.transformer.resblocks):
        block.mlp.gelu = QuickGELU()
    assert CLIPBackbone(clip, image_size=32, name="tiny").activation == "quick_gelu"


REFUSED = {
    "RN50": "RN50 is no CLIP with two plain transformers; use ViT-B-16",
    "ViT-B-16-SigLIP": "ViT-B-16-SigLIP is no CLIP with two plain transformers",
    "coca_ViT-B-32": "coca_ViT-B-32 is no CLIP with two plain transformers",
    "ViT-L-14-CLIPA": "ViT-L-14-CLIPA does not end in a class token",
    "ViT-L-14-worldwide": "ViT-L-14-worldwide does not read text as CLIP does",
    "EVA02-B-16": "EVA02-B-16 is no CLIP with two plain transformers",
}


@pytest.mark.parametrize("name", REFUSED)
def test_architectures_that_cannot_carry_the_method_are_refused(name: str) -> None:
    config = open_clip.get_model_config(name)
    kind = open_clip.CoCa if "multimodal_cfg" in config else open_clip.CLIP
    if config.pop("custom_text", False) and kind is open_clip.CLIP:
        kind = open_clip.CustomTextCLIP
    with torch.device("meta"):
        model = kind(**config)
    with pytest.raises(ValueError, match=REFUSED[name]):
        CLIPBackbone(model, image_size=224, name=name)


def test_text_narrower_than_the_joint_space_is_refused() -> None:
    with torch.device("meta"):
        clip = open_clip.CLIP(embed_dim=128, vision_cfg=SMALL_VISION, text_cfg=SMALL_TEXT)
    with pytest.raises(ValueError, match="tiny has a text width of 64 and a joint width of 128"):
        CLIPBackbone(clip, image_size=16, name="tiny")


def test_another_vocabulary_is_refused() -> None:
    with torch.device("meta"):
        clip = open_clip.CLIP(embed_dim=64, vision_cfg=SMALL_VISION, text_cfg={**SMALL_TEXT, "vocab_size": 32000})
    with pytest.raises(ValueError, match="in CLIP's 49408 tokens"):
        CLIPBackbone(clip, image_size=16, name="tiny")


def test_a_choice_that_cannot_be_changes_nothing(small_clip: open_clip.CLIP) -> None:
    backbone = CLIPBackbone(copy.deepcopy(small_clip), image_size=32, name="tiny")
    with pytest.raises(TypeError, match="mood"):
        backbone.compute_with(ComputeSettings("bfloat16", compile_options={"mood": "fast"}))
    assert backbone.compute_settings == ComputeSettings()


def test_a_compiled_tower_gives_the_same(small_clip: open_clip.CLIP) -> None:
    """By the compiler's front ends alone, which need no C++ compiler."""
    backbone = CLIPBackbone(copy.deepcopy(small_clip), image_size=32, name="tiny")
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    expected = backbone.encode_image(images, (2, 4))
    backbone.compute_with(ComputeSettings(compile_options={"backend": "aot_eager"}))
    other = copy.deepcopy(backbone)
    other.clip.visual.proj.data *= 2
    torch.testing.assert_close(backbone.encode_image(images, (2, 4)), expected, rtol=0, atol=1e-5)
    doubled = other.encode_image(images, (2, 4)).global_feature
    torch.testing.assert_close(doubled, 2 * expected.global_feature, rtol=0, atol=2e-5)
