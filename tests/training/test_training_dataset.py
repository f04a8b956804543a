from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from monai.transforms import Compose
from PIL import Image

from bpfl_med.training import TrainingDataset


def test_an_item_depends_on_seed_epoch_and_image_alone(items: list[dict[str, Any]], transform: Compose) -> None:
    dataset = TrainingDataset(items, transform, seed=1, n_variants=None)
    first = dataset[2, 5]
    dataset[1, 0]
    assert torch.equal(dataset[2, 5]["image"], first["image"])
    assert (first["epoch"], first["index"], first["class_name"]) == (2, 5, items[5]["class_name"])
    assert not torch.equal(dataset[3, 5]["image"], first["image"])
    assert not torch.equal(TrainingDataset(items, transform, seed=2, n_variants=None)[2, 5]["image"], first["image"])


def test_variants_come_again(items: list[dict[str, Any]], transform: Compose) -> None:
    dataset = TrainingDataset(items, transform, seed=1, n_variants=2)
    assert torch.equal(dataset[1, 0]["image"], dataset[3, 0]["image"])
    assert not torch.equal(dataset[1, 0]["image"], dataset[2, 0]["image"])


def test_no_variant_is_refused(items: list[dict[str, Any]], transform: Compose) -> None:
    with pytest.raises(ValueError, match="n_variants must be at least 1, or null for a new variant every epoch, got 0"):
        TrainingDataset(items, transform, seed=1, n_variants=0)


def test_the_augmentation_of_the_bundle_moves_image_and_mask_together(tmp_path: Path, repository: Path) -> None:
    """A bright square on black, which is its own mask: they must cover each other whatever was drawn."""
    square = np.zeros((64, 64), np.uint8)
    square[10:30, 36:52] = 255
    for name in ("image", "mask"):
        Image.fromarray(square).save(tmp_path / f"{name}.png")
    parser = ConfigParser()
    configs = repository / "bundles/bayes_pfl/configs"
    parser.read_config([str(configs / "inference.json"), str(configs / "train.json")])
    parser.update({"image_size": 64})
    transform = parser.get_parsed_content("train#preprocessing")
    item = {"image": str(tmp_path / "image.png"), "mask": str(tmp_path / "mask.png")}
    dataset = TrainingDataset([item], transform, seed=0, n_variants=None)
    drawn = [dataset[epoch, 0] for epoch in range(24)]
    for one in drawn:
        assert one["image"].shape == (3, 64, 64)
        assert one["mask"].shape == (1, 64, 64)
        assert set(one["mask"].unique().tolist()) <= {0, 1}
        bright = one["image"].mean(0) > (one["image"].max() + one["image"].min()) / 2
        mask = one["mask"][0].bool()
        overlap = 2 * (bright & mask).sum() / (bright.sum() + mask.sum())
        assert overlap > 0.85
    masks = torch.stack([one["mask"] for one in drawn])
    assert len(masks.flatten(1).unique(dim=0)) > 12
    images = torch.stack([one["image"] for one in drawn])
    assert images.min() >= -1.7923
    assert images.max() <= 2.1459


def test_two_images_are_not_changed_alike(items, transform):
    dataset = TrainingDataset([items[0], items[0]], transform, seed=1, n_variants=None)
    assert not torch.equal(dataset[1, 0]["image"], dataset[1, 1]["image"])
