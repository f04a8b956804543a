"""Config files of the bundle, and the demonstration backbone at a small size."""

from __future__ import annotations

from pathlib import Path

from monai.bundle import ConfigParser

from bpfl_med.networks import BayesPFL

REPOSITORY = Path(__file__).resolve().parents[2]
BUNDLE = REPOSITORY / "bundles/bayes_pfl"
METADATA = BUNDLE / "configs/metadata.json"
DEMO_BACKBONE = REPOSITORY / "configs/backbones/demo.yaml"
INFERENCE = (BUNDLE / "configs/inference.json", DEMO_BACKBONE)
EVALUATE = (BUNDLE / "configs/inference.json", BUNDLE / "configs/evaluate.json", DEMO_BACKBONE)
TRAIN = (BUNDLE / "configs/inference.json", BUNDLE / "configs/train.json", DEMO_BACKBONE)
UNLABELLED = (*EVALUATE, REPOSITORY / "configs/datasets/unlabelled.yaml")
DEMO = (*EVALUATE, REPOSITORY / "configs/demo.yaml")
SMALL = {"image_size": 64, "n_samples": 2, "num_workers": 0, "n_pictures": 1, "n_cases": 0, "prompts_file": None}


def dataset_config(name: str) -> tuple[Path, ...]:
    """Give the files that evaluate one data set with the demonstration backbone."""
    return (*EVALUATE, REPOSITORY / f"configs/datasets/{name}.yaml")


def small_network(**overrides: object) -> BayesPFL:
    """Build `network_def` of the bundle with the demonstration backbone."""
    parser = ConfigParser()
    parser.read_config([str(file) for file in INFERENCE])
    parser.update({**SMALL, **overrides})
    return parser.get_parsed_content("network_def").eval()
