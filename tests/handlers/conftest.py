"""A small evaluation: two kinds of phantoms, a tiny network, MONAI's evaluator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from monai.data import DataLoader, Dataset
from monai.engines import PrepareBatchExtraInput, SupervisedEvaluator
from monai.transforms import Compose, NormalizeIntensityd

from bpfl_med.data import PictureItem, folder_datalist
from bpfl_med.demo import write_phantom_images
from bpfl_med.inferers import PictureInferer
from bpfl_med.networks import BayesPFL
from bpfl_med.transforms import LoadMaskd, LoadPictured


@pytest.fixture(scope="session")
def items(tmp_path_factory: pytest.TempPathFactory) -> list[PictureItem]:
    """Three normal and three abnormal pictures of each kind."""
    folder = write_phantom_images(tmp_path_factory.mktemp("phantoms"), n_per_class=3, seed=1, kinds=("brain", "liver"))
    patterns = {"normal": ["*/normal/*"], "abnormal": ["*/abnormal/*"]}
    return folder_datalist(folder, class_name="{above}", mask="{parent}/../mask/{name}", **patterns)


@pytest.fixture
def network(backbone) -> BayesPFL:
    return BayesPFL(backbone, feature_blocks=(2, 4), n_samples=2).eval()


@pytest.fixture
def trained_network(network: BayesPFL, monkeypatch: pytest.MonkeyPatch) -> BayesPFL:
    """The same weights, said to be trained."""
    monkeypatch.setattr(network, "trained", True)
    monkeypatch.setattr(network.backbone, "pretrained", True)
    return network


Evaluate = Callable[..., SupervisedEvaluator]


@pytest.fixture
def evaluate() -> Evaluate:
    """Run handlers over items with MONAI's evaluator and return it."""

    def run(
        network: BayesPFL,
        items: Sequence[Any],
        handlers: Sequence[Any],
        *,
        batch_size: int = 4,
        num_workers: int = 0,
        n_runs: int = 1,
    ) -> SupervisedEvaluator:
        size = network.backbone.image_size
        transforms = [LoadPictured("image", size), NormalizeIntensityd("image", subtrahend=0.4, divisor=0.3)]
        if "mask" in items[0]:
            transforms.append(LoadMaskd("mask", size, threshold=127))
        numbered = [{**item, "index": place} for place, item in enumerate(items)]
        loader = DataLoader(Dataset(numbered, Compose(transforms)), batch_size=batch_size, num_workers=num_workers)
        evaluator = SupervisedEvaluator(
            "cpu",
            loader,
            network,
            inferer=PictureInferer(),
            prepare_batch=PrepareBatchExtraInput({"class_names": "class_name"}),
            val_handlers=handlers,
        )
        for _ in range(n_runs):
            evaluator.run()
        return evaluator

    return run


@pytest.fixture
def report_folder(tmp_path: Path) -> Path:
    return tmp_path / "report"
