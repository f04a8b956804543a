"""The phantoms are reproducible, labelled by their folder, and their masks show where the lesion is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bpfl_med.demo import write_phantom_images
from bpfl_med.demo.phantoms import KINDS


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_phantom_images(tmp_path_factory.mktemp("phantoms"), n_per_class=3, seed=5)


def contents(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.png")}


def test_the_layout_is_as_documented(folder):
    names = [f"{number:03d}.png" for number in range(3)]
    expected = {Path(kind, what, name) for kind in KINDS for what in ("normal", "abnormal", "mask") for name in names}
    assert contents(folder).keys() == expected


def test_a_seed_gives_the_same_bytes_and_another_seed_others(folder, tmp_path):
    assert contents(write_phantom_images(tmp_path / "a", n_per_class=3, seed=5)) == contents(folder)
    other = contents(write_phantom_images(tmp_path / "b", n_per_class=3, seed=6))
    assert all(other[path] != data for path, data in contents(folder).items())


def test_more_pictures_leave_the_first_ones_as_they_are(folder, tmp_path):
    more = contents(write_phantom_images(tmp_path, n_per_class=4, seed=5))
    assert contents(folder).items() < more.items()


@pytest.mark.parametrize(("kind", "sign"), [("brain", 1), ("liver", -1), ("chest", 1), ("breast", 1), ("bone", -1)])
def test_the_lesion_lies_where_the_mask_says(kind, sign):
    """The same seed draws the same organ with and without the lesion, but for the noise."""
    normal, abnormal = (KINDS[kind](np.random.default_rng(3), is_abnormal) for is_abnormal in (False, True))
    assert not normal.mask.any()
    assert 0.001 < abnormal.mask.mean() < 0.05
    difference = sign * (abnormal.image - normal.image)
    lesion = abnormal.mask == 1
    assert difference[lesion].mean() > 0.1
    assert abs(difference[~lesion].mean()) < 0.01


@pytest.mark.parametrize("kind", ["kidney", "retina"])
def test_a_lesion_brighter_or_darker_lies_where_the_mask_says(kind):
    tones = set()
    for seed in range(8):
        normal, abnormal = (KINDS[kind](np.random.default_rng(seed), is_abnormal) for is_abnormal in (False, True))
        lesion = abnormal.mask == 1
        assert 0.001 < lesion.mean() < 0.05
        inside = (abnormal.image - normal.image)[lesion].mean()
        assert abs(inside) > 0.06
        assert abs((abnormal.image - normal.image)[~lesion].mean()) < 0.01
        tones.add(inside > 0)
    assert tones == {False, True}


def test_masks_hold_0_and_255(folder):
    for path in folder.glob("*/mask/*.png"):
        assert set(np.unique(np.asarray(Image.open(path)))) == {0, 255}
