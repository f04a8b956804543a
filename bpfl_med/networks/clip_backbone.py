"""The two frozen towers of CLIP: what an image gives, and what a prompt of learned tokens gives."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from open_clip.model import CLIP
from open_clip.transformer import QuickGELU, ResidualAttentionBlock, VisionTransformer
from torch import nn

from bpfl_med.machine.process_memory import LARGEST_KEPT
from bpfl_med.networks.attention_kernel import Kernels, choose_attention_kernel
from bpfl_med.networks.class_names import vocabulary_size
from bpfl_med.networks.compute_settings import ComputeSettings
from bpfl_med.networks.exact_convolutions import exact_convolutions
from bpfl_med.networks.linear_kernel import LinearKernel, choose_linear_kernel, computes_on_cpu
from bpfl_med.networks.low_precision_block import low_precision_block
from bpfl_med.networks.transformer_block import transformer_block
from bpfl_med.networks.weights_checksum import weights_checksum

_TEXT_TOKENS = 600  # of one image at the paper's sizes: 30 prompts of 6 tokens with two endings of 7 each


class ImageFeatures(NamedTuple):
    """What the image tower gives for N images.

    Attributes:
        global_feature: x_cls [N, C], the class token after the last norm and projection, not normalised.
        patch_tokens: F_l [L, N, S, V], the raw outputs of L chosen blocks without the class token; S runs row by row.
    """

    global_feature: torch.Tensor
    patch_tokens: torch.Tensor

    @staticmethod
    def join(parts: Sequence[ImageFeatures]) -> ImageFeatures:
        """Give the features of several groups of images as those of one, in order."""
        return ImageFeatures(
            torch.cat([part.global_feature for part in parts]), torch.cat([part.patch_tokens for part in parts], dim=1)
        )


class CLIPBackbone(nn.Module):
    """A frozen CLIP whose image tower is tapped at chosen blocks and whose text tower reads learned tokens.

    Args:
        clip: open_clip's model, a vision transformer with a class token and a plain text transformer; it is taken over
            and changed (frozen, float32, positional embedding resized), so give each backbone its own.
        image_size: height and width of the input in pixels; the positional embedding is resized to it.
        name: how people call the weights, such as "ViT-L-14-336 openai".
        pretrained: whether the weights were trained; reports say so where they were not.
        notice: a sentence that must stand wherever numbers of these weights do, or None; its first word stands where
            there is no room for more.

    Attributes:
        compute_settings: how the towers are computed, as given to :meth:`compute_with`.

    Raises:
        ValueError: if the architecture cannot carry the method, or the patch size does not divide `image_size`.
    """

    def __init__(
        self, clip: CLIP, *, image_size: int, name: str, pretrained: bool = True, notice: str | None = None
    ) -> None:
        super().__init__()
        _check_architecture(clip, name)
        patch_size = clip.visual.patch_size[0]
        if image_size < 1 or image_size % patch_size:
            raise ValueError(
                f"The image size must be a multiple of the patch size {patch_size} of {name}, got {image_size}; "
                f"use {max(1, round(image_size / patch_size)) * patch_size}"
            )
        self.name = name
        self.pretrained = pretrained
        self.notice = notice
        self.compute_settings = ComputeSettings()
        self._compiled_image_tower: Callable[..., ImageFeatures] | None = None
        self.image_size = image_size
        self.patch_size = patch_size
        self.grid_size = image_size // patch_size
        self.clip = clip.float().eval().requires_grad_(False)
        self.checksum = weights_checksum(self.clip.state_dict())  # in float32, whatever type they came in
        self.clip.visual.positional_embedding = nn.Parameter(
            resize_positional_embedding(self.clip.visual.positional_embedding, self.grid_size), requires_grad=False
        )

    @property
    def embed_dim(self) -> int:
        """C, the width of the space that image and text share; also the width of the text tower."""
        return int(self.clip.text_projection.shape[1])

    @property
    def vision_width(self) -> int:
        """V, the width of the image tower."""
        return int(self.clip.visual.conv1.out_channels)

    @property
    def n_image_tokens(self) -> int:
        """How many tokens the image tower makes of an image: the class token and the patches."""
        return 1 + self.grid_size**2

    @property
    def n_blocks(self) -> int:
        """How many blocks the image tower has."""
        return len(self.clip.visual.transformer.resblocks)

    @property
    def text_length(self) -> int:
        """How many tokens the text tower can read."""
        return int(self.clip.positional_embedding.shape[0])

    @property
    def activation(self) -> str:
        """The activation of both towers: "gelu" (exact) or "quick_gelu"."""
        gelu = self.clip.visual.transformer.resblocks[0].mlp.gelu
        return "quick_gelu" if isinstance(gelu, QuickGELU) else "gelu"

    @property
    def patch_kernel(self) -> LinearKernel:
        """How a float32 linear layer of an image's patches is computed here and now."""
        setting, parameter = self.compute_settings.linear_kernel, self.clip.visual.proj
        return choose_linear_kernel(setting, parameter, n_tokens=self.n_image_tokens, width=self.vision_width)

    @property
    def image_kernels(self) -> Kernels:
        """How the image tower is computed here and now; compiled graphs hold the plain kernels."""
        settings = self.compute_settings
        if settings.compile_options is not None:
            return Kernels("linear", "fused")
        layer = self.clip.visual.transformer.resblocks[0].attn
        linear = self.patch_kernel if settings.precision == "float32" else "linear"
        attention = choose_attention_kernel(
            settings.attention_kernel,
            linear,
            layer.in_proj_weight,
            dtype=torch.bfloat16 if settings.precision == "bfloat16" else layer.in_proj_weight.dtype,
            shape=(layer.num_heads, self.n_image_tokens, layer.head_dim),
        )
        return Kernels(linear, attention)

    @property
    def text_kernels(self) -> Kernels:
        """How the text tower, whose attention has a mask, is computed here and now."""
        setting, parameter = self.compute_settings.linear_kernel, self.clip.transformer.resblocks[0].attn.in_proj_weight
        linear = choose_linear_kernel(setting, parameter, n_tokens=_TEXT_TOKENS, width=parameter.shape[1])
        return Kernels(linear, "fused")

    @property
    def compile_options(self) -> dict[str, Any] | None:
        """With which options the image tower is compiled, with names for what JSON cannot hold; None: it is not."""
        options: dict[str, Any] | None = json.loads(json.dumps(self.compute_settings.compile_options, default=_name))
        return options

    @property
    def computed_by(self) -> dict[str, Any]:
        """What results depend on by their rounding alone; values that JSON can hold."""
        return {
            "image_kernels": self.image_kernels._asdict(),
            "patch_kernel": self.patch_kernel,
            "text_kernels": self.text_kernels._asdict(),
            "compile_options": self.compile_options,
        }

    def compute_with(self, settings: ComputeSettings) -> None:
        """Choose how the towers are computed from now on, whichever network asks; all networks on it share the choice.

        Raises:
            ValueError: if weights that were rounded to float16 should be used in another type.
        """
        if self.compute_settings.precision == "float16" and settings.precision != "float16":
            raise ValueError("The weights were rounded to float16 and cannot go back; load the backbone again")
        options = settings.compile_options
        # The plain function, not the method of this object, so that a copy of the backbone runs its own weights.
        self._compiled_image_tower = None if options is None else torch.compile(type(self)._image_tower, **options)
        self.compute_settings = settings
        if settings.precision == "float16":
            for block in (*self.clip.visual.transformer.resblocks, *self.clip.transformer.resblocks):
                block.attn.half()
                block.mlp.half()

    @property
    def record(self) -> dict[str, Any]:
        """What a report must say of the backbone."""
        return {
            "name": self.name,
            "checksum": self.checksum,
            "activation": self.activation,
            "image_size": self.image_size,
        }

    def encode_image(self, image: torch.Tensor, blocks: Sequence[int]) -> ImageFeatures:
        """Run the image tower and keep the outputs of chosen blocks.

        Args:
            image: [N, 3, image_size, image_size], CLIP-normalised RGB.
            blocks: 1-based block numbers, ascending.

        Raises:
            ValueError: if the image is not of that shape, or there is none.
        """
        if image.ndim != 4 or tuple(image.shape[1:]) != (3, self.image_size, self.image_size) or len(image) == 0:
            raise ValueError(
                f"The network takes images [N, 3, {self.image_size}, {self.image_size}], got {list(image.shape)}"
            )
        parts = [self._run_image_tower(part, blocks) for part in image.split(self._images_at_once(image))]
        return parts[0] if len(parts) == 1 else ImageFeatures.join(parts)

    def _images_at_once(self, image: torch.Tensor) -> int:
        """Say how many images of a batch go through the tower together.

        A CPU is as fast with one large image as with several, and freed memory is kept for tensors of a certain size
        only (:mod:`bpfl_med.machine.process_memory`).
        """
        if not computes_on_cpu(image):
            return len(image)
        n_hidden = self.clip.visual.transformer.resblocks[0].mlp.c_fc.out_features
        return max(1, LARGEST_KEPT // (self.n_image_tokens * n_hidden * image.element_size()))

    def _run_image_tower(self, image: torch.Tensor, blocks: Sequence[int]) -> ImageFeatures:
        patches = self._embed_patches(image)
        if self._compiled_image_tower is None or image.device.type == "meta":
            return self._image_tower(patches, blocks)
        # A CUDA graph gives the same memory every time, so what it gave is copied before it runs again.
        return ImageFeatures(*(part.clone() for part in self._compiled_image_tower(self, patches, blocks)))

    def _embed_patches(self, image: torch.Tensor) -> torch.Tensor:
        """Turn images [N, 3, H, W] into tokens [N, S, V]."""
        with exact_convolutions(image.device):
            return self.clip.visual.conv1(image).flatten(2).transpose(1, 2)

    def _image_tower(self, patches: torch.Tensor, blocks: Sequence[int]) -> ImageFeatures:
        visual = self.clip.visual
        tokens = torch.cat([visual.class_embedding.expand(len(patches), 1, -1), patches], dim=1)
        tokens = visual.ln_pre(tokens + visual.positional_embedding)
        tapped, kernels = [], self.image_kernels
        for number, block in enumerate(visual.transformer.resblocks, start=1):
            if self.compute_settings.precision == "bfloat16":
                tokens = low_precision_block(block, tokens, torch.bfloat16, kernels=kernels)
            else:
                tokens = transformer_block(block, tokens, kernels=kernels)
            if number in blocks:
                tapped.append(tokens[:, 1:])
        return ImageFeatures(visual.ln_post(tokens[:, 0]) @ visual.proj, torch.stack(tapped))

    def embed_tokens(self, token_ids: torch.Tensor) -> torch.Tensor:
        """Look up the embeddings [..., T, C] of text tokens [..., T], without their positions."""
        return self.clip.token_embedding(token_ids)

    def encode_prompts(self, prefix: torch.Tensor, endings: torch.Tensor, end_index: torch.Tensor) -> torch.Tensor:
        """Encode texts that begin alike and end differently, computing the common beginning once.

        The endings stand one behind another in a single sequence. A mask lets each see the prefix and its own earlier
        tokens only, and each gets the positions that it would have alone, so the result is that of separate texts.
        Tokens behind the end-of-text token are never read (the mask is causal).

        Args:
            prefix: token embeddings [M, T0, C], the start-of-text token first.
            endings: token embeddings [M, K, T1, C], K endings of each text.
            end_index: [M], where in its endings a text has its end-of-text token.

        Returns:
            Text features [M, K, C]: last norm at the end-of-text token, then the text projection; not normalised.
        """
        n_prefix, (n_endings, n_ending) = prefix.shape[1], endings.shape[1:3]
        positions = self.clip.positional_embedding[: n_prefix + n_ending]
        tokens = torch.cat([prefix + positions[:n_prefix], (endings + positions[n_prefix:]).flatten(1, 2)], dim=1)
        mask = _branching_causal_mask(n_prefix, n_endings, n_ending, tokens.device)
        kernels = self.text_kernels
        for block in self.clip.transformer.resblocks:
            tokens = transformer_block(block, tokens, mask, kernels=kernels)
        endings = tokens[:, n_prefix:].unflatten(1, (n_endings, n_ending))
        index = end_index.view(-1, 1, 1, 1).expand(-1, n_endings, 1, endings.shape[-1])
        return self.clip.ln_final(endings.gather(2, index).squeeze(2)) @ self.clip.text_projection


def resize_positional_embedding(embedding: torch.Tensor, grid_size: int) -> torch.Tensor:
    """Resize a vision positional embedding [1 + S, V] to another square grid (bicubic, antialiased).

    The first row belongs to the class token and is kept as it is.
    """
    old_grid = round((len(embedding) - 1) ** 0.5)
    if old_grid == grid_size:
        return embedding.detach().clone()
    grid = embedding.detach()[1:].unflatten(0, (old_grid, old_grid)).permute(2, 0, 1).unsqueeze(0)
    resized = F.interpolate(grid, size=(grid_size, grid_size), mode="bicubic", antialias=True, align_corners=False)
    return torch.cat([embedding.detach()[:1], resized[0].flatten(1).T])


def _name(value: object) -> str:
    return str(getattr(value, "__qualname__", type(value).__qualname__))


def _branching_causal_mask(n_prefix: int, n_endings: int, n_ending: int, device: torch.device) -> torch.Tensor:
    """Build the mask [T, T] of a prefix and endings that see it and themselves, but not one another."""
    length = n_prefix + n_endings * n_ending
    branch = torch.arange(length, device=device).sub(n_prefix).div(n_ending, rounding_mode="floor").clamp(min=-1)
    visible = (branch[None, :] == -1) | (branch[:, None] == branch[None, :])
    return visible & torch.ones(length, length, dtype=torch.bool, device=device).tril()


def _check_architecture(clip: CLIP, name: str) -> None:
    if type(clip) is not CLIP or not isinstance(clip.visual, VisionTransformer):
        raise ValueError(
            f"{name} is no CLIP with two plain transformers; use ViT-B-16, ViT-B-32, ViT-L-14 or ViT-L-14-336"
        )
    visual = clip.visual
    blocks = (*visual.transformer.resblocks, *clip.transformer.resblocks)
    if any(type(block) is not ResidualAttentionBlock for block in blocks):
        raise ValueError(f"{name} has transformer blocks of another kind than CLIP's; use a plain ViT of CLIP")
    if visual.attn_pool is not None or visual.pool_type != "tok" or visual.final_ln_after_pool:
        raise ValueError(f"{name} does not end in a class token, which the image-specific prompts need")
    vocabulary = len(clip.token_embedding.weight)
    if vocabulary != vocabulary_size() or clip.text_pool_type != "argmax" or clip.attn_mask is None:
        raise ValueError(
            f"{name} does not read text as CLIP does: causally, in CLIP's {vocabulary_size()} tokens, up to the "
            "end-of-text token; use one that does, such as ViT-L-14-336"
        )
    if not isinstance(clip.text_projection, torch.Tensor):
        raise ValueError(f"{name} has no text projection of CLIP's kind, a matrix; use a plain ViT of CLIP")
    text_width, joint_width = clip.token_embedding.weight.shape[1], clip.text_projection.shape[-1]
    if text_width != joint_width:
        raise ValueError(
            f"{name} has a text width of {text_width} and a joint width of {joint_width}; the prompt distributions "
            "need both to be equal"
        )
