"""A tiny training: two kinds of phantoms, a tiny CLIP, the real engine."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.data import DataLoader
from monai.transforms import Compose, EnsureTyped, NormalizeIntensityd, RandGaussianNoised

from bpfl_med.data import folder_datalist
from bpfl_med.demo import write_phantom_images
from bpfl_med.losses import BayesPFLLoss
from bpfl_med.networks import BayesPFL, CLIPBackbone
from bpfl_med.training import (
    FeatureInferer,
    PromptTrainer,
    TrainingBatches,
    TrainingDataset,
    TrainingNoise,
    collate_batch,
    stage_1_groups,
)
from bpfl_med.transforms import LoadMaskd, LoadPictured

RATES = {"prompts": 1e-2, "temperatures": 1e-2, "flows": 1e-3, "others": 1e-3}


@pytest.fixture(scope="session")
def items(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Two normal and two abnormal pictures of each kind, and one more abnormal one."""
    folder = write_phantom_images(tmp_path_factory.mktemp("phantoms"), n_per_class=3, seed=1, kinds=("brain", "liver"))
    patterns = {"normal": ["*/normal/00[01].png"], "abnormal": ["*/abnormal/00[01].png", "liver/abnormal/002.png"]}
    return folder_datalist(folder, class_name="{above}", mask="{parent}/../mask/{name}", **patterns)


@pytest.fixture
def transform() -> Compose:
    return Compose(
        [
            LoadPictured("image", 48),
            LoadMaskd("mask", 48, threshold=127),
            RandGaussianNoised("image", prob=1.0, std=0.1),
            NormalizeIntensityd("image", subtrahend=0.4, divisor=0.3),
            EnsureTyped(["image", "mask"], track_meta=False),
        ]
    )


@pytest.fixture
def network(backbone: CLIPBackbone) -> BayesPFL:
    return BayesPFL(copy.deepcopy(backbone), feature_blocks=(2, 4), n_prompts=2, n_samples=2)


MakeTrainer = Callable[..., PromptTrainer]


@pytest.fixture
def make_trainer(items: list[dict[str, Any]], transform: Compose, network: BayesPFL) -> MakeTrainer:
    """Make a trainer of a copy of the network."""

    def make(
        *,
        batch_size: int = 4,
        feature_folder: Path | None = None,
        num_workers: int = 0,
        max_epochs: int = 1,
        n_variants: int | None = None,
        **settings: Any,
    ) -> PromptTrainer:
        trained = copy.deepcopy(network)
        trained.stage = 1
        dataset = TrainingDataset(items, transform, seed=3, n_variants=n_variants)
        loader = DataLoader(
            dataset,
            batch_sampler=TrainingBatches(len(items), batch_size=batch_size, seed=3),
            collate_fn=collate_batch,
            num_workers=num_workers,
        )
        return PromptTrainer(
            device="cpu",
            max_epochs=max_epochs,
            train_data_loader=loader,
            network=trained,
            optimizer=torch.optim.Adam(stage_1_groups(trained, **RATES), betas=(0.5, 0.999)),
            loss_function=BayesPFLLoss(),
            inferer=FeatureInferer(feature_folder),
            **{"noise": TrainingNoise(3), "micro_batch_size": None, "amp": False, **settings},
        )

    return make
