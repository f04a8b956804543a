"""The bundle's defaults are those of the paper and of the released program (../shared/reference.md)."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundle_files import BUNDLE, REPOSITORY, small_network
from monai.bundle import ConfigParser

from bpfl_med.networks import BayesPFL

INFERENCE = {
    "n_samples": 10,
    "seed": 333,
    "image_size": 518,
    "feature_blocks": [6, 12, 18, 24],
    "precision": "float32",
    "shared_prompts": 0,
    "backbone#name": "ViT-L-14-336",
    "backbone#pretrained": "openai",
}
EVALUATION = {"smoothing_sigma": 8, "top_k": 2000, "mask_threshold": 127}
TRAINING = {
    "n_samples": 5,
    "batch_size": 32,
    "max_epochs": 30,
    "patience": 3,
    "learning_rates": {"prompts": 1e-3, "temperatures": 1e-2, "flows": 1e-3, "others": 1e-4},
    "stage_2_learning_rate": 1e-4,
    "warmup_share": 0.1,
    "stage_1_metric": "pixel_ap",
    "stage_2_metric": "image_ap",
    "val_score_protocol": "text",
    "optimizer#betas": [0.5, 0.999],
    "stage_2_optimizer#betas": [0.5, 0.999],
    "train#handlers#1#epoch_level": False,
    "augmentation#0#padding_mode": "reflection",
}
CASES = [
    (files, key, value)
    for files, settings in {
        ("inference",): INFERENCE,
        ("inference", "evaluate"): EVALUATION,
        ("inference", "train"): TRAINING,
    }.items()
    for key, value in settings.items()
]


def read(*names: str) -> ConfigParser:
    parser = ConfigParser()
    parser.read_config([str(Path(BUNDLE, "configs", f"{name}.json")) for name in names])
    return parser


@pytest.mark.parametrize(("files", "key", "value"), CASES, ids=[f"{files[-1]} {key}" for files, key, _ in CASES])
def test_defaults(files: tuple[str, ...], key: str, value: Any) -> None:
    assert read(*files)[key.replace("#", "::")] == value


def test_augmentation() -> None:
    rotation, turn, tone, noise, *_ = read("inference", "train").get_parsed_content("augmentation")
    assert max(map(abs, rotation.rand_rotate.range_x)) == pytest.approx(np.radians(30))
    assert rotation.prob == turn.prob == noise.prob == 0.5
    assert tuple(tone.transforms[1].transforms[1].adjuster.gamma) == (0.8, 1.25)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("precision", "bfloat16"), ("linear_kernel", "convolution"), ("attention_kernel", "by_heads")],
)
def test_settings_of_the_backbone_reach_it(setting: str, value: str) -> None:
    assert getattr(small_network(**{setting: value}).backbone.compute_settings, setting) == value


def test_the_network_alone_has_the_same_defaults() -> None:
    defaults = {name: parameter.default for name, parameter in inspect.signature(BayesPFL).parameters.items()}
    paper = {"n_prompts": 3, "context_length": 5, "state_length": 5, "n_flows": 10, "n_samples": 10, "seed": 333}
    assert {name: defaults[name] for name in paper} == paper


@pytest.mark.parametrize(("setting", "value"), [("seed", 7), ("n_samples", 3)])
def test_settings_of_the_sampling_reach_the_network(setting: str, value: int) -> None:
    assert getattr(small_network(**{setting: value}), setting) == value


@pytest.mark.parametrize("name", ["visa", "meta_json"])
def test_a_training_for_other_sets_is_validated_on_five_categories_of_mvtec(name: str) -> None:
    config = ConfigParser.load_config_file(REPOSITORY / f"configs/training/{name}.yaml")
    assert config["val_classes"] == ["bottle", "hazelnut", "wood", "zipper", "leather"]
