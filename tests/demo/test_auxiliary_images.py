"""The auxiliary set is laid out like the phantoms, reproducible, and holds no kind twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bpfl_med.data import folder_datalist
from bpfl_med.demo import write_auxiliary_images
from bpfl_med.demo.kinds import TRAINING_KINDS, VALIDATION_KINDS

FEW = ("wicker", "gear")


def contents(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.png")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_auxiliary_images(
        tmp_path_factory.mktemp("auxiliary"), n_per_class=2, seed=5, validation=True, kinds=FEW
    )


def test_the_layout_is_as_documented(folder):
    expected = {
        Path(kind, what, f"{n:03d}.png") for kind in FEW for what in ("normal", "abnormal", "mask") for n in (0, 1)
    }
    assert contents(folder).keys() == expected
    patterns = {"normal": ["*/normal/*"], "abnormal": ["*/abnormal/*"], "mask": "{parent}/../mask/{stem}.png"}
    items = folder_datalist(folder, class_name="{above}", **patterns)
    assert {item["class_name"] for item in items} == set(FEW)
    assert sum(item["label"] for item in items) == 4


def test_a_seed_gives_the_same_bytes_whichever_kinds_are_drawn_with_it(folder, tmp_path):
    gear = contents(write_auxiliary_images(tmp_path / "a", n_per_class=2, seed=5, validation=True, kinds=["gear"]))
    assert gear.items() < contents(folder).items()
    other = contents(write_auxiliary_images(tmp_path / "b", n_per_class=2, seed=6, validation=True, kinds=["gear"]))
    assert all(other[path] != data for path, data in gear.items())


def test_more_pictures_leave_the_first_ones_as_they_are(folder, tmp_path):
    more = contents(write_auxiliary_images(tmp_path, n_per_class=3, seed=5, validation=True, kinds=FEW))
    assert contents(folder).items() < more.items()


def test_masks_hold_0_and_255(folder):
    for path in folder.glob("*/mask/*.png"):
        assert set(np.unique(np.asarray(Image.open(path)))) == {0, 255}


def test_all_kinds_of_a_set_and_none_of_the_other(tmp_path):
    for validation, kinds in ((False, TRAINING_KINDS), (True, VALIDATION_KINDS)):
        folder = write_auxiliary_images(tmp_path / str(validation), n_per_class=1, seed=0, validation=validation)
        assert {path.name for path in folder.iterdir()} == set(kinds)
