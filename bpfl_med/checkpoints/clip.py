"""CLIP weights, by open_clip's name or from a local file, as a frozen backbone."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.model import CLIP

from bpfl_med.checkpoints.tensor_file import read_tensors
from bpfl_med.networks.clip_backbone import CLIPBackbone

_HEAD_WIDTH = 64  # of every transformer that OpenAI published
_OTHER_HEAD_WIDTHS = {1280: "ViT-H-14", 1408: "ViT-g-14", 1664: "ViT-bigG-14", 1792: "ViT-e-14"}
_SIZES = {  # the entries that tell the sizes, and their numbers of axes
    "visual.conv1.weight": 4,
    "visual.positional_embedding": 2,
    "visual.proj": 2,
    "token_embedding.weight": 2,
    "positional_embedding": 2,
    "ln_final.weight": 1,
    "text_projection": 2,
}
_NOT_WEIGHTS = ("input_resolution", "context_length", "vocab_size", "attn_mask")


def load_clip(
    path: str | Path,
    *,
    image_size: int,
    quick_gelu: bool = False,
    architecture: str | None = None,
    trust_torchscript: bool = False,
) -> CLIPBackbone:
    """Load CLIP from a file: OpenAI's archive, a plain state dict, or safetensors in OpenAI's or open_clip's layout.

    Args:
        path: the file.
        image_size: height and width of the images in pixels.
        quick_gelu: run with QuickGELU. OpenAI trained with it, but the published Bayes-PFL checkpoints were trained on
            exact GELU, which is the default for that reason.
        architecture: open_clip's name of the architecture; by default the sizes are read off the tensors.
        trust_torchscript: see :func:`read_tensors`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is unreadable, no CLIP, or of an architecture that cannot carry the method.
    """
    weights = _clip_state_dict(read_tensors(path, trust_torchscript=trust_torchscript), Path(path))
    config = open_clip.get_model_config(architecture) if architecture else _config_from_sizes(weights, Path(path))
    if config is None:
        raise ValueError(f"open_clip has no architecture {architecture!r}; see open_clip.list_models()")
    foreign = sorted(config.keys() - {"embed_dim", "vision_cfg", "text_cfg", "quick_gelu"})
    if foreign:
        raise ValueError(f"{architecture} is no plain CLIP (it has {', '.join(foreign)}); use one such as ViT-L-14-336")
    clip = CLIP(**{**config, "quick_gelu": quick_gelu})
    try:
        clip.load_state_dict(weights)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{path} does not hold the CLIP that its sizes promise: {reason}") from error
    return CLIPBackbone(clip, image_size=image_size, name=architecture or Path(path).name)


def pretrained_clip(name: str, pretrained: str | None, *, image_size: int, quick_gelu: bool = False) -> CLIPBackbone:
    """Load CLIP by open_clip's name and tag; open_clip downloads it at the first use.

    Args:
        name: such as "ViT-L-14-336", or "hf-hub:<organisation>/<repository>".
        pretrained: such as "openai" or "laion2b_s32b_b82k"; None with a hub name.
        image_size: height and width of the images in pixels.
        quick_gelu: see :func:`load_clip`.

    Raises:
        ValueError: if there are no such weights, they cannot be fetched, or they cannot carry the method.
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="QuickGELU mismatch")  # asked for: see quick_gelu
            clip = open_clip.create_model(
                name, pretrained=pretrained, force_quick_gelu=quick_gelu, require_pretrained=True, weights_only=True
            )
    except (RuntimeError, OSError, ValueError) as error:
        reason = str(error).rstrip(". ")
        raise ValueError(
            f"The CLIP weights {name!r} ({pretrained!r}) could not be loaded by open_clip: {reason}. Check the name "
            "with open_clip.list_pretrained(). Without network, see README, Weights: backbone vit_l_14_336_file reads "
            "a file that was downloaded elsewhere, and backbones demo and intensity need none"
        ) from error
    return CLIPBackbone(clip, image_size=image_size, name=f"{name} {pretrained or ''}".strip())


def _clip_state_dict(content: dict[str, Any], path: Path) -> dict[str, torch.Tensor]:
    """Unwrap a training checkpoint, drop entries that are no weights, and check that this is a CLIP."""
    weights = content.get("state_dict", content)
    if not isinstance(weights, Mapping) or not all(isinstance(key, str) for key in weights):
        raise ValueError(f"{path} is no CLIP: its entries are not tensors by name")
    weights = {key.removeprefix("module."): value for key, value in weights.items()}
    weights = {key: value for key, value in weights.items() if key not in _NOT_WEIGHTS}
    if any(key.startswith("vision_model.") for key in weights):
        raise ValueError(f"{path} has the layout of Hugging Face transformers; give OpenAI's or open_clip's file")
    missing = [key for key in _SIZES if key not in weights]
    if missing:
        raise ValueError(f"{path} is no CLIP with a vision transformer: it has no {', '.join(missing)}")
    odd = [key for key, n_axes in _SIZES.items() if getattr(weights[key], "ndim", None) != n_axes]
    if odd:
        raise ValueError(f"{path} is no CLIP: {', '.join(odd)} should be of another number of axes")
    return weights


def _config_from_sizes(weights: dict[str, torch.Tensor], path: Path) -> dict[str, Any]:
    width, _, _, patch_size = weights["visual.conv1.weight"].shape
    if width in _OTHER_HEAD_WIDTHS:
        raise ValueError(
            f"{path} has a vision width of {width}, and its number of attention heads cannot be read off the weights; "
            f"name the architecture, such as {_OTHER_HEAD_WIDTHS[width]!r}"
        )
    grid = round((len(weights["visual.positional_embedding"]) - 1) ** 0.5)
    text_width = len(weights["ln_final.weight"])
    return {
        "embed_dim": weights["text_projection"].shape[1],
        "vision_cfg": {
            "layers": _count_blocks(weights, "visual.transformer.resblocks."),
            "width": width,
            "patch_size": patch_size,
            "image_size": grid * patch_size,
            "head_width": _HEAD_WIDTH,
        },
        "text_cfg": {
            "context_length": len(weights["positional_embedding"]),
            "vocab_size": len(weights["token_embedding.weight"]),
            "width": text_width,
            "heads": text_width // _HEAD_WIDTH,
            "layers": _count_blocks(weights, "transformer.resblocks."),
        },
    }


def _count_blocks(weights: dict[str, torch.Tensor], prefix: str) -> int:
    return len({key.removeprefix(prefix).split(".")[0] for key in weights if key.startswith(prefix)})
