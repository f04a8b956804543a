"""The mean and standard deviation with which CLIP's pictures are normalised."""

from __future__ import annotations

import torch
from open_clip.constants import OPENAI_DATASET_MEAN as CLIP_MEAN
from open_clip.constants import OPENAI_DATASET_STD as CLIP_STD


def clip_normalize(image: torch.Tensor) -> torch.Tensor:
    """Normalise RGB images [N, 3, H, W] from [0, 1] as CLIP expects them."""
    mean, std = image.new_tensor([CLIP_MEAN, CLIP_STD]).reshape(2, 3, 1, 1)
    return (image - mean) / std


__all__ = ["CLIP_MEAN", "CLIP_STD", "clip_normalize"]
