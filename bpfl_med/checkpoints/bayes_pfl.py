"""A whole Bayes-PFL network from two files: CLIP's and the prompts'."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bpfl_med.checkpoints.clip import load_clip
from bpfl_med.checkpoints.published import load_published_prompts, published_hyper_parameters, published_state_dict
from bpfl_med.checkpoints.tensor_file import read_tensors
from bpfl_med.networks.bayes_pfl import BayesPFL, read_record


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
    backbone = load_clip(clip_path, image_size=image_size, quick_gelu=quick_gelu)
    content = read_tensors(prompts_path)
    if "_extra_state" in content:
        hyper_parameters = read_record(content["_extra_state"])["hyper_parameters"]
        network = BayesPFL(
            backbone, **{**hyper_parameters, "feature_blocks": list(feature_blocks)}, n_samples=n_samples
        )
        try:
            network.load_state_dict(content)
        except RuntimeError as error:
            raise ValueError(f"{prompts_path} is not a whole checkpoint: {' '.join(str(error).split())}") from error
    else:
        hyper_parameters = published_hyper_parameters(published_state_dict(content, prompts_path), prompts_path)
        network = BayesPFL(backbone, feature_blocks=feature_blocks, n_samples=n_samples, **hyper_parameters)
        load_published_prompts(network, prompts_path)
    return network.eval()
