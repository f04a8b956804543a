"""A whole Bayes-PFL network from two files: CLIP's and the prompts'."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from bpfl_med.checkpoints.clip import load_clip
from bpfl_med.checkpoints.published import load_published_prompts, published_hyper_parameters
from bpfl_med.checkpoints.tensor_file import read_tensors
from bpfl_med.files.atomic import replaced_file
from bpfl_med.networks.bayes_pfl import BayesPFL
from bpfl_med.networks.checkpoint_record import read_record

logger = logging.getLogger(__name__)


def load_bayes_pfl(
    clip_path: str | Path,
    prompts_path: str | Path,
    *,
    image_size: int,
    feature_blocks: Sequence[int],
    n_samples: int,
    quick_gelu: bool = False,
) -> BayesPFL:
    """Build a network, in eval mode, with the hyper-parameters that the two files tell.

    Args:
        clip_path: CLIP weights, see :func:`~bpfl_med.checkpoints.clip.load_clip`.
        prompts_path: a published Bayes-PFL checkpoint, or one of ours.
        image_size: height and width of the images in pixels (518 for the published checkpoints).
        feature_blocks: 1-based numbers of the tapped blocks (6, 12, 18, 24 for the published checkpoints).
        n_samples: R, Monte Carlo samples.
        quick_gelu: run CLIP with QuickGELU; the published checkpoints need exact GELU.

    Raises:
        FileNotFoundError: if a file is not there.
        ValueError: if a file is unreadable, or the two do not belong together.
    """
    content = read_tensors(prompts_path)
    if _is_ours(content):
        hyper_parameters = read_record(content["_extra_state"])["hyper_parameters"]
    else:
        hyper_parameters = published_hyper_parameters(content, prompts_path)
    hyper_parameters["feature_blocks"] = list(feature_blocks)
    backbone = load_clip(clip_path, image_size=image_size, quick_gelu=quick_gelu)
    return load_prompts(BayesPFL(backbone, n_samples=n_samples, **hyper_parameters), prompts_path).eval()


def check_prompts_file(path: str | Path | None) -> None:
    """Raise a FileNotFoundError now if there is no such file, before a network is built or CLIP downloaded for it."""
    if path is not None and not Path(path).is_file():
        raise FileNotFoundError(
            f"There are no prompts at {path}; see README, Weights, for where to get them, or run without trained ones "
            "on the backbone demo or intensity"
        )


def load_prompts(network: BayesPFL, path: str | Path | None) -> BayesPFL:
    """Load trained prompts, published or our own, into a network and return it.

    Args:
        network: changed in place.
        path: the file; None leaves the network untrained, and its reports say so.

    Raises:
        FileNotFoundError: if the file is not there.
        ValueError: if it is unreadable, or was made for another backbone or other hyper-parameters.
    """
    if path is None:
        return network
    if not isinstance(network, BayesPFL):
        raise ValueError(
            f"{path} cannot be loaded, because {type(network).__name__} has no prompts; leave the file out"
        )
    content = read_tensors(path)
    if not _is_ours(content):
        report = load_published_prompts(network, path)
        logger.info("%s: %d entries in use, %d that have no use left out", path, len(report.loaded), len(report.unused))
        return _finite(network, path)
    try:
        network.load_state_dict(content)
    except RuntimeError as error:
        raise ValueError(f"{path} is not a whole checkpoint: {' '.join(str(error).split())}") from error
    return _finite(network, path)


def save_prompts(network: BayesPFL, path: str | Path) -> None:
    """Write the trained prompts with their record as safetensors; CLIP's weights are not part of them.

    Args:
        network: as trained.
        path: the file, which ends in `.safetensors`; replaced whole or not at all.

    Raises:
        ValueError: if the name ends otherwise, because the reader goes by it.
    """
    if Path(path).suffix != ".safetensors":
        raise ValueError(f"Prompts are written as safetensors, so the file's name must end so, got {path}")
    tensors = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    with replaced_file(path) as partial:
        save_file(tensors, partial)


def _finite(network: BayesPFL, path: str | Path) -> BayesPFL:
    for name, parameter in network.named_parameters():
        if not name.startswith("backbone.") and not parameter.isfinite().all():
            raise ValueError(f"{path} holds NaN or infinite weights (in {name}); fetch it again")
    return network


def _is_ours(content: Mapping[str, Any]) -> bool:
    return "_extra_state" in content
