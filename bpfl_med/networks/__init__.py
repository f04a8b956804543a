"""The Bayes-PFL network: one part of the paper, one file; `bayes_pfl` joins them."""

from bpfl_med.networks.bayes_pfl import BayesPFL, Prediction, TrainingOutput
from bpfl_med.networks.clip_backbone import CLIPBackbone, ImageFeatures
from bpfl_med.networks.intensity_network import IntensityNetwork
from bpfl_med.networks.prompt_ensemble import PromptEnsemble
from bpfl_med.networks.prompt_noise import PromptNoise

__all__ = [
    "BayesPFL",
    "CLIPBackbone",
    "ImageFeatures",
    "IntensityNetwork",
    "Prediction",
    "PromptEnsemble",
    "PromptNoise",
    "TrainingOutput",
]
