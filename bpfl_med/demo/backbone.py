"""The small CLIP of the embedded default."""

from __future__ import annotations

from pathlib import Path

import torch
from open_clip.model import CLIP

from bpfl_med.checkpoints import read_tensors
from bpfl_med.networks.clip_backbone import CLIPBackbone

_FOLDER = Path(__file__).parent / "weights"
_NOTICE = (
    "DEMONSTRATION weights: they saw drawn pictures only, so numbers and pictures show how the software works, not "
    "what the method can do; nothing follows for any patient."
)
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


def demo_backbone(*, image_size: int) -> CLIPBackbone:
    """Load the small CLIP that was trained on drawn pictures; see the model card in this folder.

    Args:
        image_size: height and width of the images in pixels, a multiple of 8.
    """
    clip = untrained_clip(seed=0)
    weights = read_tensors(_FOLDER / "backbone.safetensors")
    clip.load_state_dict({name: tensor.float() for name, tensor in weights.items()})
    return CLIPBackbone(clip, image_size=image_size, name="demonstration", notice=_NOTICE)


def demo_prompts() -> str:
    """Give the path of the prompts that were trained for :func:`demo_backbone` on drawn pictures."""
    return str(_FOLDER / "prompts.safetensors")
