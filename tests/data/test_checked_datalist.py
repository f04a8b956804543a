"""The check finds every bad item before anything is scored, and skips none unasked."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bpfl_med.data import CheckedDatalist, check_datalist

LESION = np.zeros((16, 16), np.uint8)
LESION[4:8, 4:8] = 255


@pytest.fixture
def files(tmp_path: Path) -> Path:
    masks = {
        "lesion": LESION,
        "empty": 0 * LESION,
        "ones": LESION // 255,
        "small": LESION[:8, :9],
        "deep": LESION * 1.0,
    }
    for name, values in {"good": LESION + 20, **masks}.items():
        Image.fromarray(values.astype(np.float32) if name == "deep" else values).save(tmp_path / f"{name}.tif")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut off")
    return tmp_path


def item(files: Path, image: str = "good.tif", **rest: object) -> dict:
    mask = rest.pop("mask", None)
    return {"image": str(files / image), "mask": mask and str(files / str(mask)), "class_name": "brain", **rest}


def check(items: list[dict], **changes: object) -> CheckedDatalist:
    return check_datalist(items, **{"mask_threshold": 127, "need_labels": True, "need_masks": True, **changes})


def test_good_items_are_kept_as_they_are(files):
    items = [item(files, label=0), item(files, label=1, mask="lesion.tif"), item(files, label=0, mask="empty.tif")]
    assert check(items) == CheckedDatalist(items, [])


def test_items_without_labels_will_do_where_none_are_needed(files):
    items = [{"image": str(files / "good.tif"), "class_name": "brain"}]
    assert check(items, need_labels=False, need_masks=False).items == items


def test_abnormal_items_without_masks_will_do_for_image_metrics(files):
    assert len(check([item(files, label=1)], need_masks=False).items) == 1


BAD = [
    ({"image": "gone.png", "label": 0}, r"There is no file .*/gone.png"),
    ({"image": "broken.jpg", "label": 0}, r"/broken.jpg cannot be read as a picture"),
    ({"label": 1, "mask": "gone.png"}, r"There is no file .*/gone.png"),
    ({"label": 1, "mask": "broken.jpg"}, r"/broken.jpg cannot be read as a picture"),
    ({"label": 1, "mask": "deep.tif"}, r"/deep.tif holds more than 8 bits a channel \(mode F\)"),
    (
        {"label": 1, "mask": "small.tif"},
        r"the mask .*/small.tif has 9 x 8 pixels and its picture .*/good.tif has 16 x 16; give the mask of that",
    ),
    (
        {"label": 0, "mask": "lesion.tif"},
        r"/good.tif is labelled normal, but its mask .*/lesion.tif marks pixels; correct",
    ),
    (
        {"label": 1, "mask": "empty.tif"},
        r"/good.tif is labelled abnormal, but its mask .*/empty.tif has no value above 127",
    ),
    (
        {"label": 1, "mask": "ones.tif"},
        r"no value above 127 \(the largest is 1\); set mask_threshold, or correct label",
    ),
    ({"label": 1}, r"/good.tif is abnormal and has no mask; give one, or leave out the pixel metrics"),
    ({}, r"/good.tif has no label; name a data set's config that gives labels, or do not evaluate"),
]


@pytest.mark.parametrize(("entries", "sentence"), BAD)
def test_a_bad_item_stops_or_is_skipped(files, entries, sentence, caplog):
    items = [item(files, label=0), item(files, **entries)]
    with pytest.raises(
        ValueError, match=rf"1 of 2 items .* cannot be used: .*{sentence}.* set skip_bad to leave them out"
    ):
        check(items)
    checked = check(items, skip_bad=True)
    assert checked.items == items[:1]
    assert [bad["image"] for bad in checked.skipped] == [items[1]["image"]]
    assert re.search(rf"1 of 2 items are left out: .*{sentence}", caplog.text)
    with pytest.raises(ValueError, match=rf"None of the 1 items of the data set can be used: .*{sentence}"):
        check(items[1:], skip_bad=True)


def test_0_and_1_masks_pass_with_their_threshold(files):
    items = [item(files, label=1, mask="ones.tif"), item(files, label=0, mask="empty.tif")]
    assert check(items, mask_threshold=0).items == items


def test_a_long_list_of_bad_items_is_cut(files):
    with pytest.raises(ValueError, match=r"7 of 7 items") as caught:
        check([item(files, image=f"{number}.png", label=0) for number in range(7)])
    assert "4.png" in str(caught.value)
    assert "5.png" not in str(caught.value)
    assert "; and more. Mend them" in str(caught.value)


def test_no_items_at_all():
    with pytest.raises(ValueError, match=r"The data set has no items; check its patterns"):
        check([])


def test_pictures_that_are_no_items_are_told(files, caplog):
    (files / "scan.dcm").touch()
    check([item(files, label=0)], root=files)
    assert caplog.messages == [f"7 more picture file(s) lie below {files} and are not read, such as broken.jpg"]
    check([item(files, label=0)])
    assert len(caplog.messages) == 1
