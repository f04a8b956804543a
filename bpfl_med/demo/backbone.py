"""The small CLIP of the embedded default."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import torch
from open_clip.model import CLIP
from torch import nn

from bpfl_med.checkpoints import read_tensors
from bpfl_med.networks.clip_backbone import CLIPBackbone

_FOLDER = Path(__file__).parent / "weights"
_NOTICE = (
    "DEMONSTRATION weights: they saw drawn pictures only, so numbers and pictures show how the software works, not "
    "what the method can do; nothing follows for any patient."
)
PATCH_SIZE = 8
_STEM = (8, 24, 48, 96)  # channels of the convolutions, each of which halves the picture
_DILATIONS = (1, 2, 4)  # of the residual convolutions behind them
TRAINING_SIZE = 96  # pixels; the positional embedding is resized for other sizes
# CLIP's own form, at a five-hundredth of its size.
_CONFIG = {
    "embed_dim": 64,
    "vision_cfg": {"layers": 6, "width": 128, "patch_size": PATCH_SIZE, "image_size": TRAINING_SIZE, "head_width": 64},
    "text_cfg": {"layers": 3, "width": 64, "heads": 1},
}


class PatchEmbedding(nn.Conv2d):
    """CLIP's linear patch embedding, to which a few small convolutions add what they see of edges and contrasts.

    A transformer alone needs far more pictures than can be drawn in an hour to learn what is near to what. The
    convolutions see the picture beside its mirror image, since bodies are nearly symmetric, and where they are. They
    add nothing before they are trained.

    Args:
        width: of the tokens.
    """

    def __init__(self, width: int) -> None:
        super().__init__(3, width, PATCH_SIZE, stride=PATCH_SIZE, bias=False)
        layers: list[nn.Module] = []
        for n_in, n_out in pairwise(_STEM):
            layers += [nn.Conv2d(n_in, n_out, 3, 2, 1, bias=False), nn.GroupNorm(4, n_out), nn.GELU()]
        # Residual convolutions begin with a norm and an activation of their own.
        layers[-2:] = [_ResidualConvolutions(n_out, dilation) for dilation in _DILATIONS]
        layers += [nn.GroupNorm(4, n_out), nn.GELU()]
        self.convolutions = nn.Sequential(*layers, nn.Conv2d(n_out, width, 1, bias=False))
        nn.init.zeros_(self.convolutions[-1].weight)  # type: ignore[arg-type]

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Embed images [N, 3, H, W] as tokens [N, width, H / 8, W / 8]."""
        return super().forward(image) + self.convolutions(with_mirror_and_place(image))


class _ResidualConvolutions(nn.Module):
    """Two convolutions that add to what they are given.

    Args:
        n_channels: given and returned.
        dilation: of the first one.
    """

    def __init__(self, n_channels: int, dilation: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.GroupNorm(4, n_channels),
            nn.GELU(),
            nn.Conv2d(n_channels, n_channels, 3, padding=dilation, dilation=dilation, bias=False),
            nn.GroupNorm(4, n_channels),
            nn.GELU(),
            nn.Conv2d(n_channels, n_channels, 3, padding=1, bias=False),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.layers(x)


def with_mirror_and_place(image: torch.Tensor) -> torch.Tensor:
    """Put images [N, 3, H, W] on their mirror images, rows from -1 to 1, and distances from the middle column."""
    n, _, height, width = image.shape
    rows = torch.linspace(-1, 1, height, dtype=image.dtype, device=image.device)[:, None].expand(height, width)
    columns = torch.linspace(-1, 1, width, dtype=image.dtype, device=image.device).abs().expand(height, width)
    return torch.cat([image, image.flip(-1), torch.stack([rows, columns]).expand(n, -1, -1, -1)], 1)


def untrained_clip(*, seed: int) -> CLIP:
    """Make the small CLIP with random weights.

    Args:
        seed: of the weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        clip = CLIP(**_CONFIG)
        linear = clip.visual.conv1.weight
        clip.visual.conv1 = PatchEmbedding(len(linear))
        clip.visual.conv1.weight = linear
        return clip


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
