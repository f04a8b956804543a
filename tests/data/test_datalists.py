"""Datalists from folders and tables, and the sentence that each mistake gets."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from bpfl_med.data import folder_datalist, picture_datalist, table_datalist


def save(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4)).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save(*(tmp_path / name for name in ("no/b.PNG", "no/a.jpg", "yes/c.png", "yes/d.jpeg", "masks/c.png")))
    (tmp_path / "no/Thumbs.db").write_bytes(b"no picture")
    return tmp_path


@pytest.fixture
def table(tmp_path: Path) -> Path:
    save(tmp_path / "slices/000.png", tmp_path / "slices/001.png")
    (tmp_path / "labels.csv").write_text("id, organ, sick\n0, head, 0\n1, liver, 1\n")
    return tmp_path


def list_table(root: Path, **changes: str) -> list:
    arguments = {"table": "labels.csv", "image": "slices/{id:0>3}.png", "label": "sick", "class_name": "{organ}"}
    return table_datalist(root, **{**arguments, **changes})


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
        ("parent", "brain/sick"),
        ("folder", "sick"),
        ("above", "brain"),
        ("name", "a.PNG"),
        ("stem", "a"),
        ("suffix", ".PNG"),
    ],
)
def test_a_class_name_is_made_of_the_path(tmp_path, field, value):
    save(tmp_path / "brain/sick/a.PNG")
    (item,) = folder_datalist(tmp_path, class_name=f"{{{field}}}", abnormal=["*/sick/*"])
    assert item["class_name"] == value


def test_a_folder_that_is_not_there(tmp_path):
    for listing in (folder_datalist, picture_datalist):
        with pytest.raises(FileNotFoundError, match=r"There is no folder .*/nowhere; set dataset_dir to where"):
            listing(tmp_path / "nowhere", class_name="brain")
    with pytest.raises(FileNotFoundError, match=r"There is no folder .*/nowhere; set dataset_dir to where"):
        list_table(tmp_path / "nowhere")


def test_a_pattern_without_pictures(folder):
    with pytest.raises(FileNotFoundError, match=r"No picture in .* matches 'maybe/\*'; check dataset_dir and"):
        folder_datalist(folder, class_name="brain", normal=["maybe/*"])


def test_a_picture_that_two_patterns_match(folder):
    with pytest.raises(ValueError, match=r"The data set in .* lists .*/no/a.jpg twice"):
        folder_datalist(folder, class_name="brain", normal=["no/*"], abnormal=["*/a.jpg"])


def test_a_field_that_no_path_has(folder):
    with pytest.raises(ValueError, match=r"A path has no 'organ', which '\{organ\}' asks for; it has parent, folder"):
        folder_datalist(folder, class_name="{organ}", normal=["no/*"])


def test_all_pictures_below_a_folder(folder):
    names = [Path(item["image"]).name for item in picture_datalist(folder, class_name="brain")]
    assert names == ["c.png", "a.jpg", "b.PNG", "c.png", "d.jpeg"]


def test_a_folder_without_pictures(tmp_path):
    (tmp_path / "scan.dcm").write_bytes(b"")
    with pytest.raises(FileNotFoundError, match=r"There is no picture \(\.bmp, \.jpeg, .*\) below "):
        picture_datalist(tmp_path, class_name="brain")


def test_a_table_is_listed_in_its_order(table):
    items = list_table(table, mask="")
    assert [(Path(item["image"]).name, item["label"], item["class_name"], item["mask"]) for item in items] == [
        ("000.png", 0, "head", None),
        ("001.png", 1, "liver", None),
    ]


def test_a_table_names_masks(table):
    save(table / "masks/1.png")
    (table / "labels.csv").write_text("id,organ,sick,mask\n0,head,0,\n1,head,1,masks/1.png\n", encoding="utf-8-sig")
    assert [item["mask"] for item in list_table(table, mask="{mask}")] == [None, str(table / "masks/1.png")]


@pytest.mark.parametrize(
    ("text", "changes", "error", "sentence"),
    [
        (None, {"table": "list.csv"}, FileNotFoundError, r"There is no table .*/list.csv; check dataset_dir"),
        ("id,organ,sick\n", {}, ValueError, r"The table .*/labels.csv has no rows"),
        (None, {"label": "ill"}, ValueError, r"has no column 'ill' of labels; it has id, organ, sick"),
        (
            None,
            {"image": "{file}"},
            ValueError,
            r"labels.csv has no 'file', which '\{file\}' asks for; it has id, organ",
        ),
        (
            "id,organ,sick\n0,head,yes\n",
            {},
            ValueError,
            r"Line 2 of .*labels.csv has the label 'yes'; write 0 for normal",
        ),
        ("id,organ,sick\n0,head,0\n7,head,1\n", {}, FileNotFoundError, r"Line 3 of .* names .*/007.png, which is not"),
        (
            "id,organ,sick\n0,head,0\n1,head,1,\n",
            {},
            ValueError,
            r"Line 3 of .* has not as many cells as the first row",
        ),
        ("id,organ,sick\n0,head,0\n1,head\n", {}, ValueError, r"Line 3 of .* has not as many cells as the first row"),
        ("id,organ,sick\n0,h,0\n1,h,1\n0,h,0\n", {}, ValueError, r"The data set in .* lists .*/000.png twice"),
        (
            "id,organ,sick\n1,h,1\n",
            {},
            ValueError,
            r"1 picture\(s\) are not in .*labels.csv, the first is .*/000.png; add",
        ),
    ],
)
def test_a_table_that_disagrees_with_the_folder(table, text, changes, error, sentence):
    if text is not None:
        (table / "labels.csv").write_text(text)
    with pytest.raises(error, match=sentence):
        list_table(table, **changes)


def test_a_table_in_another_encoding(table):
    (table / "labels.csv").write_bytes("id,organ,sick\n0,tête,0\n1,tête,1\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"The table .* cannot be read \(.*\); save it as CSV in UTF-8"):
        list_table(table)
