"""The small CLIP of the embedded default."""

from __future__ import annotations

import torch
from open_clip.model import CLIP

from bpfl_med.networks.clip_backbone import CLIPBackbone

# CLIP's own form, at a hundredth of its size: 8 blocks of 192 for images, 4 of 64 for text, patches of 16 pixels.
_CONFIG = {
    "embed_dim": 64,
    "vision_cfg": {"layers": 8, "width": 192, "patch_size": 16, "image_size": 224, "head_width": 64},
    "text_cfg": {"layers": 4, "width": 64, "heads": 1},
}


def demo_backbone(*, image_size: int, seed: int) -> CLIPBackbone:
    """Make a small CLIP with random weights: it shows the software at work and knows nothing of images.

    Args:
        image_size: height and width of the images in pixels, a multiple of 16.
        seed: of the weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        clip = CLIP(**_CONFIG)
    return CLIPBackbone(clip, image_size=image_size, name=f"demo (random weights, seed {seed})", pretrained=False)
