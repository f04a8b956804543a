"""The small CLIP of the embedded default."""

from __future__ import annotations

from pathlib import Path

import torch
from open_clip.model import CLIP

from bpfl_med.checkpoints.tensor_file import read_tensors
from bpfl_med.networks.clip_backbone import CLIPBackbone

_WEIGHTS = Path(__file__).parent / "weights"
DEMO_CLIP = _WEIGHTS / "clip.safetensors"
DEMO_PROMPTS = str(_WEIGHTS / "prompts.safetensors")

NOTICE = (
    "DEMONSTRATION weights: trained on drawn pictures only, so numbers and pictures show how the software works, not "
    "what the method can do on patients."
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
    """Load the small CLIP that comes with the package; how it was trained says ``MODEL_CARD.md`` beside this file.

    Args:
        image_size: height and width of the images in pixels, a multiple of 8.

    Raises:
        FileNotFoundError: if the weights were not installed.
        ValueError: if they are damaged, or patches do not fill the image.
    """
    clip = untrained_clip(seed=0)
    clip.load_state_dict(read_tensors(DEMO_CLIP))
    return CLIPBackbone(clip, image_size=image_size, name="demo (drawn pictures)", notice=NOTICE)
