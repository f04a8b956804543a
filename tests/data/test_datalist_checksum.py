"""The checksum of a data set changes with all that a result depends on, and with nothing else."""

from __future__ import annotations

import shutil

import pytest

from bpfl_med.data import folder_datalist
from bpfl_med.data.datalist_checksum import datalist_checksum
from bpfl_med.demo import write_phantom_images


@pytest.fixture
def items(tmp_path) -> list[dict]:
    folder = write_phantom_images(tmp_path / "a", n_per_class=1, kinds=("brain", "liver"))
    patterns = {"normal": ["*/normal/*"], "abnormal": ["*/abnormal/*"]}
    return folder_datalist(folder, class_name="{above}", mask="{parent}/../mask/{name}", **patterns)


def test_the_place_of_the_files_does_not_matter(items, tmp_path):
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    moved = [
        {
            key: value.replace("/a/", "/b/") if key in ("image", "mask") and value else value
            for key, value in item.items()
        }
        for item in items
    ]
    assert moved != items
    assert datalist_checksum(moved) == datalist_checksum(items)


@pytest.mark.parametrize("key", ["image", "mask", "label", "class_name", "order", "number"])
def test_whatever_a_result_depends_on_matters(items, key):
    changed = [dict(item) for item in items]
    values = {"image": items[0]["image"], "mask": items[0]["image"], "label": 0, "class_name": "liver"}
    if key == "order":
        changed.reverse()
    elif key == "number":
        changed.pop()
    else:
        assert changed[2][key] != values[key]
        changed[2][key] = values[key]
    assert datalist_checksum(changed) != datalist_checksum(items)
