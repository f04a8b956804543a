"""Datalists from folders, and the sentence that each mistake gets."""

from __future__ import annotations

from pathlib import Path

import pytest
from layouts import save
from PIL import Image

from bpfl_med.data import PictureError, folder_datalist, items_of_classes, masked_datalist, picture_datalist
from bpfl_med.data.picture_item import unread_pictures


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save(*(tmp_path / name for name in ("no/b.PNG", "no/a.jpg", "yes/c.png", "yes/d.jpeg", "masks/c.png")))
    (tmp_path / "no/Thumbs.db").write_bytes(b"no picture")
    for hidden in ("no/._a.jpg", ".cache/e.png"):  # as a Mac and other programs leave them
        (tmp_path / hidden).parent.mkdir(exist_ok=True)
        (tmp_path / hidden).write_bytes(b"no picture")
    return tmp_path


def test_a_folder_is_listed_by_label_and_path(folder):
    items = folder_datalist(
        folder, class_name="brain", normal=["no/*"], abnormal=["yes/*"], mask="{parent}/../masks/{stem}.png"
    )
    assert [(Path(item["image"]).name, item["label"], item["class_name"]) for item in items] == [
        ("a.jpg", 0, "brain"),
        ("b.PNG", 0, "brain"),
        ("c.png", 1, "brain"),
        ("d.jpeg", 1, "brain"),
    ]
    assert [item["mask"] and Path(item["mask"]).resolve().relative_to(folder) for item in items] == [
        None,
        None,
        Path("masks/c.png"),
        Path("masks/d.png"),
    ]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("parent", "head/brain/sick"),
        ("folder", "sick"),
        ("above", "brain"),
        ("top", "head"),
        ("name", "a.PNG"),
        ("stem", "a"),
        ("suffix", ".PNG"),
    ],
)
def test_a_class_name_is_made_of_the_path(tmp_path, field, value):
    save(tmp_path / "head/brain/sick/a.PNG")
    (item,) = folder_datalist(tmp_path, class_name=f"{{{field}}}", abnormal=["*/*/sick/*"])
    assert item["class_name"] == value


def test_a_folder_that_is_not_there(tmp_path):
    for listing in (folder_datalist, picture_datalist):
        with pytest.raises(FileNotFoundError, match=r"There is no folder .*/nowhere; set dataset_dir to where"):
            listing(tmp_path / "nowhere", class_name="brain")


def test_a_pattern_without_pictures(folder):
    with pytest.raises(FileNotFoundError, match=r"No picture in .* matches 'maybe/\*'; check dataset_dir and"):
        folder_datalist(folder, class_name="brain", normal=["maybe/*"])


def test_a_picture_that_two_patterns_match(folder):
    with pytest.raises(ValueError, match=r"The data set in .* lists .*/no/a.jpg twice"):
        folder_datalist(folder, class_name="brain", normal=["no/*"], abnormal=["*/a.jpg"])


def test_a_field_that_no_path_has(folder):
    with pytest.raises(ValueError, match=r"A path has no 'organ', which '\{organ\}' asks for; it has parent, folder"):
        folder_datalist(folder, class_name="{organ}", normal=["no/*"])


def test_all_pictures_below_a_folder(folder, caplog):
    caplog.set_level("INFO")
    names = [Path(item["image"]).name for item in picture_datalist(folder, class_name="brain")]
    assert names == ["c.png", "a.jpg", "b.PNG", "c.png", "d.jpeg"]
    assert caplog.messages == ["5 pictures are scored as pictures of 'brain'; --class_name says what they show"]


def test_a_folder_without_pictures(tmp_path):
    (tmp_path / "scan.dcm").write_bytes(b"")
    with pytest.raises(FileNotFoundError, match=r"There is no picture \(\.bmp, \.jpeg, .*\) below "):
        picture_datalist(tmp_path, class_name="brain")


def test_a_pattern_takes_pictures_away(folder):
    items = folder_datalist(folder, class_name="brain", normal=["!*/c.*", "!*/d.*", "*/*"])
    assert [Path(item["image"]).name for item in items] == ["a.jpg", "b.PNG"]
    with pytest.raises(FileNotFoundError, match=r"No picture in .* matches '!no/good\*'; check"):
        folder_datalist(folder, class_name="brain", normal=["no/*", "!no/good*"])


def test_pictures_beside_the_folder_are_found(folder):
    items = folder_datalist(folder / "yes", class_name="brain", normal=["../no/*"])
    assert [Path(item["image"]).name for item in items] == ["a.jpg", "b.PNG"]


def test_a_mask_whose_ending_varies(tmp_path):
    save(tmp_path / "bad/0[1].png", tmp_path / "bad/02.png", tmp_path / "truth/0[1].bmp", tmp_path / "truth/02_m.png")
    arguments = {"class_name": "metal", "abnormal": ["bad/*"], "mask": "{parent}/../truth/{stem}*"}
    items = folder_datalist(tmp_path, **arguments)
    assert [item["mask"] and Path(item["mask"]).name for item in items] == ["02_m.png", "0[1].bmp"]
    save(tmp_path / "truth/02.png")
    with pytest.raises(ValueError, match=r"bad/02.png has 2 masks that match .*, such as .*/02.png; leave one"):
        folder_datalist(tmp_path, **arguments)
    (tmp_path / "truth/02.png").unlink()
    (tmp_path / "truth/0[1].bmp").unlink()
    with pytest.raises(FileNotFoundError, match=r"bad/0\[1\].png has no mask that matches .*; add it, or mend"):
        folder_datalist(tmp_path, **arguments)


@pytest.fixture
def masked(tmp_path: Path) -> Path:
    save(*(tmp_path / f"{number}.png" for number in (1, 2, 3)), tmp_path / "1_gt.png")
    save(tmp_path / "2_gt.png", marked=3)
    return tmp_path


def list_masked(root: Path, **changes: object) -> list:
    arguments = {"class_name": "steel", "pictures": ["*", "!*_gt.png"], "mask": "{stem}_gt.png", "mask_threshold": 0}
    return masked_datalist(root, **{**arguments, "unmasked_is_normal": True, **changes})


def test_masks_tell_the_labels(masked):
    items = list_masked(masked)
    assert [(Path(item["image"]).name, item["label"], item["class_name"]) for item in items] == [
        ("1.png", 0, "steel"),
        ("2.png", 1, "steel"),
        ("3.png", 0, "steel"),
    ]
    assert [item["mask"] for item in items] == [str(masked / "1_gt.png"), str(masked / "2_gt.png"), None]
    assert list_masked(masked, mask="{stem}_gt.*") == items
    assert [item["label"] for item in list_masked(masked, mask_threshold=3)] == [0, 0, 0]


@pytest.mark.parametrize("mask", ["{stem}_gt.png", "{stem}_gt.*"])
def test_a_mask_that_must_be_there(masked, mask):
    with pytest.raises(FileNotFoundError, match=r"/3.png has no mask that matches '\{stem\}_gt.*'; add it, or mend"):
        list_masked(masked, mask=mask, unmasked_is_normal=False)


def test_a_picture_whose_mask_is_lost_is_normal_only_if_one_says_so(masked):
    with pytest.raises(FileNotFoundError, match=r"/3.png has no mask that matches"):
        masked_datalist(masked, class_name="steel", pictures=["3.png"], mask="{stem}_gt.png", mask_threshold=0)


def test_a_mask_that_cannot_be_read(masked):
    (masked / "1_gt.png").write_bytes(b"no picture")
    with pytest.raises(PictureError, match=r"/1_gt.png cannot be read as a picture"):
        list_masked(masked)


def test_items_of_chosen_classes(tmp_path):
    save(*(tmp_path / f"{name}/test/{n}.png" for name in ("wood", "tile", "pill") for n in (1, 2)))
    items = folder_datalist(tmp_path, class_name="{top}", normal=["*/test/*"])
    assert items_of_classes(items, ["wood", "pill"]) == items[:2] + items[4:]
    with pytest.raises(ValueError, match=r"The data set has no class cable, grid; it has pill, tile, wood"):
        items_of_classes(items, ["wood", "grid", "cable"])


def test_pictures_behind_a_link_are_read(tmp_path):
    (tmp_path / "real").mkdir()
    Image.new("L", (4, 4)).save(tmp_path / "real/a.png")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert unread_pictures([{"image": str(tmp_path / "link/a.png")}], tmp_path / "link") is None
