"""The Bayes-PFL network, which `bayes_pfl` joins from its parts.

The parts of the paper, one a file: `prompt_bank`, `planar_flow`, `prompt_flow`, `prompt_noise`, `patch_pooling`,
`residual_cross_attention`, `text_score`, `anomaly_map`. The frozen CLIP: `clip_backbone`, `class_names`,
`clip_normalization`. How it is computed: `compute_settings`; and fast on a CPU: `transformer_block`,
`low_precision_block`, `linear_kernel`, `attention_kernel`, `autotune`. Networks to compare it with: `prompt_ensemble`,
`intensity_network`; what all networks have in common: `scoring_network`.
"""

from bpfl_med.networks.bayes_pfl import BayesPFL, TrainingOutput
from bpfl_med.networks.clip_backbone import CLIPBackbone, ImageFeatures
from bpfl_med.networks.compute_settings import ComputeSettings
from bpfl_med.networks.intensity_network import IntensityNetwork
from bpfl_med.networks.prompt_ensemble import PromptEnsemble
from bpfl_med.networks.prompt_noise import PromptNoise
from bpfl_med.networks.scoring_network import Prediction, ScoringNetwork

__all__ = [
    "BayesPFL",
    "CLIPBackbone",
    "ComputeSettings",
    "ImageFeatures",
    "IntensityNetwork",
    "Prediction",
    "PromptEnsemble",
    "PromptNoise",
    "ScoringNetwork",
    "TrainingOutput",
]
