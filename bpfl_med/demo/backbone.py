"""The small CLIP of the embedded default."""

from __future__ import annotations

import torch
from open_clip.model import CLIP

from bpfl_med.networks.clip_backbone import CLIPBackbone

PATCH_SIZE = 8
TRAINING_SIZE = 96  # pixels; the positional embedding is resized for other sizes
# CLIP's own form, at a five-hundredth of its size.
_CONFIG = {
    "embed_dim": 64,
    "vision_cfg": {"layers": 6, "width": 128, "patch_size": PATCH_SIZE, "image_size": TRAINING_SIZE, "head_width": 64},
    "text_cfg": {"layers": 3, "width": 64, "heads": 1},
}


def untrained_clip(*, seed: int) -> CLIP:
    """Make the small CLIP with random weights.

    Args:
        seed: of the weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return CLIP(**_CONFIG)


def demo_backbone(*, image_size: int, seed: int) -> CLIPBackbone:
    """Make a small CLIP with random weights: it shows the software at work and knows nothing of images.

    Args:
        image_size: height and width of the images in pixels, a multiple of 16.
        seed: of the weights.
    """
    return CLIPBackbone(untrained_clip(seed=seed), image_size=image_size, name=f"demo (random weights, seed {seed})", pretrained=False)
