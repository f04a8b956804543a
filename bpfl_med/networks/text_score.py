"""The image-level score of the text branch."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import torch
import torch.nn.functional as F
from torch import nn

from bpfl_med.networks.clip_backbone import ImageFeatures
from bpfl_med.networks.patch_pooling import PatchPooling

ImagePart = Literal["x_cls", "x_patch"]


class TextScore(nn.Module):
    r"""Compare one feature of the whole image with the text of every prompt.

    .. math::
        \exp(t)\, \langle \mathrm{normalise}(A T),\ \mathrm{normalise}(M (x_{cls} + x_{patch})) \rangle

    In stage 1 of the training, and in a stage-1 checkpoint, the image side is :math:`\mathrm{normalise}(x_{cls})`.

    Args:
        embed_dim: C.
        patch_pooling: gives x_patch.
        image_parts: which of x_cls and x_patch make up the image side of stage 2.

    Raises:
        ValueError: if `image_parts` is empty or names another part.
    """

    def __init__(self, embed_dim: int, patch_pooling: PatchPooling, *, image_parts: Collection[ImagePart]) -> None:
        super().__init__()
        if not image_parts or not set(image_parts) <= {"x_cls", "x_patch"}:
            raise ValueError(f"The image side of the score is made of 'x_cls' and 'x_patch', got {list(image_parts)}")
        self.image_parts = frozenset(image_parts)
        self.patch_pooling = patch_pooling
        self.text_projection = nn.Linear(embed_dim, embed_dim)
        self.image_projection = nn.Linear(embed_dim, embed_dim)

    def forward(
        self, features: ImageFeatures, text: torch.Tensor, log_temperature: torch.Tensor, *, stage: int
    ) -> torch.Tensor:
        """Give the logits [N, M] of normalised text features [N, M, C]."""
        image = features.global_feature if stage == 1 else self.image_projection(self._image_side(features))
        text = F.normalize(self.text_projection(text), dim=-1)
        return log_temperature.exp() * (text @ F.normalize(image, dim=-1).unsqueeze(-1)).squeeze(-1)

    def _image_side(self, features: ImageFeatures) -> torch.Tensor:
        if "x_patch" not in self.image_parts:
            return features.global_feature
        patch_feature = self.patch_pooling(features.patch_tokens)
        return patch_feature + features.global_feature if "x_cls" in self.image_parts else patch_feature
