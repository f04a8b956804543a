"""Weights in and out: CLIP files, published Bayes-PFL checkpoints and our own, all read without running code."""

from bpfl_med.checkpoints.bayes_pfl import check_prompts_file, load_bayes_pfl, load_prompts, save_prompts
from bpfl_med.checkpoints.clip import load_clip, pretrained_clip
from bpfl_med.checkpoints.published import LoadReport, load_published_prompts, save_published_prompts
from bpfl_med.checkpoints.tensor_file import read_tensors

__all__ = [
    "LoadReport",
    "check_prompts_file",
    "load_bayes_pfl",
    "load_clip",
    "load_prompts",
    "load_published_prompts",
    "pretrained_clip",
    "read_tensors",
    "save_prompts",
    "save_published_prompts",
]
