"""Training of the prompts on an auxiliary data set (the paper's two stages)."""

from bpfl_med.training.feature_inferer import FeatureInferer
from bpfl_med.training.parameter_groups import stage_1_groups, stage_2_parameters
from bpfl_med.training.prompt_trainer import PromptTrainer
from bpfl_med.training.training_batches import TrainingBatches, collate_batch
from bpfl_med.training.training_dataset import TrainingDataset
from bpfl_med.training.training_noise import TrainingNoise

__all__ = [
    "FeatureInferer",
    "PromptTrainer",
    "TrainingBatches",
    "TrainingDataset",
    "TrainingNoise",
    "collate_batch",
    "stage_1_groups",
    "stage_2_parameters",
]
