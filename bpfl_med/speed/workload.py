"""What the benchmark runs: networks with random weights, and pictures."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import open_clip
import torch
import torch.nn.functional as F
from open_clip.model import CLIP

from bpfl_med.demo.backbone import untrained_clip
from bpfl_med.networks import BayesPFL, CLIPBackbone
from bpfl_med.networks.compute_settings import ComputeSettings

DEMO = "demo"
"""Name of the small backbone of the embedded default."""


def random_backbone(model: str, *, image_size: int, seed: int) -> CLIPBackbone:
    """Build a CLIP of one of open_clip's architectures with random weights; nothing is downloaded.

    Args:
        model: such as "ViT-L-14-336", or `DEMO`.
        image_size: height and width of the images in pixels.
        seed: of the weights.

    Raises:
        ValueError: if open_clip knows no such architecture, or it cannot carry the method.
    """
    if model == DEMO:
        small = untrained_clip(seed=seed)
        return CLIPBackbone(small, image_size=image_size, name="demonstration (random weights)", pretrained=False)
    config = open_clip.get_model_config(model)
    if config is None:
        raise ValueError(f"open_clip knows no architecture {model!r}; see open_clip.list_models()")
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        clip = CLIP(**config)
    return CLIPBackbone(clip, image_size=image_size, name=f"{model} (random weights)", pretrained=False)


def networks(
    backbone: CLIPBackbone,
    precisions: Sequence[str],
    device: torch.device,
    *,
    n_prompts: int,
    n_samples: int,
    compile_options: Mapping[str, Any] | None = None,
) -> dict[str, BayesPFL]:
    """Build one network for each precision, float32 first, all of the same weights."""
    blocks = [-(-backbone.n_blocks * quarter // 4) for quarter in (1, 2, 3, 4)]
    return {
        precision: BayesPFL(
            copy.deepcopy(backbone) if precision != "float32" else backbone,
            feature_blocks=blocks,
            n_prompts=n_prompts,
            n_samples=n_samples,
            compute_settings=ComputeSettings(precision, compile_options=compile_options),  # type: ignore[arg-type]
        )
        .to(device)
        .eval()
        for precision in ("float32", *precisions)
    }


def random_pictures(n: int, image_size: int, *, seed: int = 0) -> list[torch.Tensor]:
    """Draw smooth random pictures [1, 3, H, W], as different from one another as scans are."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(n, 3, 9, 9, generator=generator)
    return list(F.interpolate(coarse, size=(image_size, image_size), mode="bicubic").split(1))
