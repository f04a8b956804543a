"""A whole Bayes-PFL network from two files: CLIP's and the prompts'."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bpfl_med.checkpoints.clip import load_clip
from bpfl_med.checkpoints.published import load_published_prompts, published_hyper_parameters
from bpfl_med.checkpoints.tensor_file import read_tensors
from bpfl_med.networks.bayes_pfl import BayesPFL, read_record

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
        clip_path: CLIP weights, see :func:`~bpfl_med.checkpoints.load_clip`.
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
    content = read_tensors(path)
    if not _is_ours(content):
        report = load_published_prompts(network, path)
        logger.info("%s: %d entries in use, %d that have no use left out", path, len(report.loaded), len(report.unused))
        return network
    try:
        network.load_state_dict(content)
    except RuntimeError as error:
        raise ValueError(f"{path} is not a whole checkpoint: {' '.join(str(error).split())}") from error
    return network


def _is_ours(content: Mapping[str, Any]) -> bool:
    return "_extra_state" in content
