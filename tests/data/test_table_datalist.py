"""Datalists from a table, and the sentence that each mistake gets."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from layouts import save
from monai.bundle import ConfigParser

from bpfl_med.data import table_datalist


@pytest.fixture
def table(tmp_path: Path) -> Path:
    save(tmp_path / "slices/000.png", tmp_path / "slices/001.png")
    (tmp_path / "labels.csv").write_text("id, organ, sick\n0, head, 0\n1, liver, 1\n")
    return tmp_path


def list_table(root: Path, **changes: str) -> list:
    arguments = {"table": "labels.csv", "image": "slices/{id:0>3}.png", "label": "sick", "class_name": "{organ}"}
    return table_datalist(root, **{**arguments, **changes})


def test_a_table_is_listed_in_its_order(table):
    items = list_table(table, mask="")
    assert [(Path(item["image"]).name, item["label"], item["class_name"], item["mask"]) for item in items] == [
        ("000.png", 0, "head", None),
        ("001.png", 1, "liver", None),
    ]


def test_the_example_of_the_documentation_works(tmp_path):
    page = Path(__file__).parents[2] / "bundles/bayes_pfl/docs/how-to/own_data_set.md"
    blocks = re.findall(r"^```(\w+)\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    (table,) = (text for kind, text in blocks if kind == "text")
    (config,) = (text for kind, text in blocks if kind == "yaml" and "table_datalist" in text)
    save(tmp_path / "pictures/007.png", tmp_path / "pictures/012.png")
    (tmp_path / "labels.csv").write_text(table)
    settings = ConfigParser({**yaml.safe_load(config), "dataset_dir": str(tmp_path)})
    items = settings.get_parsed_content("datalist")
    assert [(Path(item["image"]).name, item["label"]) for item in items] == [("007.png", 0), ("012.png", 1)]


def test_a_table_names_masks(table):
    save(table / "masks/1.png")
    (table / "labels.csv").write_text("id,organ,sick,mask\n0,head,0,\n1,head,1,masks/1.png\n", encoding="utf-8-sig")
    assert [item["mask"] for item in list_table(table, mask="{mask}")] == [None, str(table / "masks/1.png")]


def test_masks_beside_the_pictures_are_no_unlisted_pictures(table):
    save(table / "slices/001_mask.png")
    (table / "labels.csv").write_text("id,organ,sick,mask\n0,head,0,\n1,head,1,slices/001_mask.png\n")
    assert [Path(item["image"]).name for item in list_table(table, mask="{mask}")] == ["000.png", "001.png"]


@pytest.mark.parametrize(
    ("text", "changes", "error", "sentence"),
    [
        (None, {"table": "list.csv"}, FileNotFoundError, r"There is no table .*/list.csv; check dataset_dir"),
        ("id,organ,sick\n", {}, ValueError, r"The table .*/labels.csv has no rows"),
        (None, {"where": {"part": "a"}}, ValueError, r"has no column 'part' of a choice of rows; it has id, organ"),
        (
            None,
            {"where": {"organ": ["lung", "skin"], "sick": "1"}},
            ValueError,
            r"No row of the table .*/labels.csv has organ = lung or skin and sick = 1; check the choice of rows",
        ),
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
            r"Line 2 of .*labels.csv has the label 'yes'; write 0 for normal, 1 for abnormal, or name the table's own",
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


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no folder .*/nowhere; set dataset_dir to where"):
        list_table(tmp_path / "nowhere")


def test_words_for_labels_and_a_choice_of_rows(table):
    save(table / "slices/002.png")
    (table / "labels.csv").write_text("id,organ,sick,split\n0,a,fine,test\n1,b,ill,test\n2,c,?,train\n")
    words = {"normal": "fine", "abnormal": "ill"}
    chosen = list_table(table, where={"split": "test"}, **words)
    assert [(item["class_name"], item["label"]) for item in chosen] == [("a", 0), ("b", 1)]
    chosen = list_table(table, where={"split": "test", "organ": ["b", "c"]}, **words)
    assert [item["class_name"] for item in chosen] == ["b"]
    with pytest.raises(ValueError, match=r"Line 4 of .* has the label '\?'; write fine for normal, ill for abnormal"):
        list_table(table, **words)


def test_a_picture_of_no_row_is_found_whatever_is_chosen(table):
    save(table / "slices/002.png")
    with pytest.raises(ValueError, match=r"1 picture\(s\) are not in .*labels.csv, the first is .*/002.png; add them"):
        list_table(table, where={"organ": "head"})
