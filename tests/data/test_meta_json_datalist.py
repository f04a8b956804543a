"""Datalists from the list of a curated copy, and the sentence that each mistake gets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from layouts import save

from bpfl_med.data import meta_json_datalist


def entry(name: str, anomaly: int, mask: str = "", **changes: object) -> dict:
    made = {"img_path": name, "mask_path": mask, "cls_name": "head ct", "specie_name": "good", "anomaly": anomaly}
    return {**made, **changes}


ENTRIES = [entry("a/test/1.bmp", 0, "a/gone.bmp"), entry("a/test/2.bmp", 1, "a/mask/2.bmp")]


def write(root: Path, content: object) -> Path:
    save(root / "a/test/1.bmp", root / "a/test/2.bmp", root / "a/mask/2.bmp")
    (root / "meta.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return root


def test_a_list_is_read_in_its_order(tmp_path):
    write(tmp_path, {"train": {}, "test": {"a": ENTRIES[::-1]}})
    items = meta_json_datalist(tmp_path)
    assert [(item["label"], item["class_name"]) for item in items] == [(1, "head ct"), (0, "head ct")]
    assert [item["image"] for item in items] == [str(tmp_path / f"a/test/{number}.bmp") for number in (2, 1)]
    assert [item["mask"] for item in items] == [str(tmp_path / "a/mask/2.bmp"), None]


def test_the_name_of_the_class_the_split_and_the_masks_can_be_chosen(tmp_path):
    write(tmp_path, {"train": {"a": ENTRIES[1:]}, "test": {}})
    (item,) = meta_json_datalist(tmp_path, split="train", class_name="brain", with_masks=False)
    assert (item["class_name"], item["mask"]) == ("brain", None)


@pytest.mark.parametrize(
    ("content", "error", "sentence"),
    [
        ("{", ValueError, r"The list .*/meta.json cannot be read \(.*\); copy it from its source again"),
        ({"train": {}}, ValueError, r"The list .*/meta.json has not the form \{\"test\": \{class: \[entry"),
        ({"test": [1]}, ValueError, r"The list .*/meta.json has not the form"),
        ({"test": {"a": 1}}, ValueError, r"The list .*/meta.json has not the form"),
        ({"test": {"a": []}}, ValueError, r"The list .*/meta.json has no entry under 'test'"),
        (
            {"test": {"a": [{"img_path": None, "mask_path": "", "cls_name": "a", "anomaly": 0}]}},
            ValueError,
            r"Entry 1 of 'a' under 'test' in .*/meta.json has img_path None; write the path of a picture below",
        ),
        ({"test": {"a": [{}]}}, ValueError, r"Entry 1 of 'a' under 'test' in .*/meta.json lacks 'img_path'; an entry"),
        ({"test": {"a": [entry("a/test/1.bmp", 2)]}}, ValueError, r"Entry 1 .* has anomaly 2; write 0 for normal, 1"),
        ({"test": {"a": [entry("b.bmp", 0)]}}, FileNotFoundError, r"Entry 1 .* names .*/b.bmp, which is not there"),
        ({"test": {"a": ENTRIES + ENTRIES[:1]}}, ValueError, r"The data set in .* lists .*/1.bmp twice"),
    ],
)
def test_a_list_that_cannot_be_used(tmp_path, content, error, sentence):
    with pytest.raises(error, match=sentence):
        meta_json_datalist(write(tmp_path, content))


def test_a_list_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no list .*/meta_isic.json; check dataset_dir and the name"):
        meta_json_datalist(tmp_path, meta="meta_isic.json")
