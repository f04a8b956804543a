"""The published numbers are those of the reference page, those without a source excepted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from bpfl_med.benchmark.published import Published, load_published

DATASETS = {
    **{"MVTec": "MVTec-AD", "DTD": "DTD-Synthetic", "ColonDB": "CVC-ColonDB", "ClinicDB": "CVC-ClinicDB"},
    **{"Kvasir": "Kvasir-SEG", "BraTS": "BMAD-BraTS", "LiTS": "BMAD-LiTS", "RESC": "BMAD-RESC", "RSNA": "BMAD-RSNA"},
    **{"OCT17": "BMAD-OCT17", "HIS": "BMAD-HIS"},
}
NUMBER = r"(?<![\w.#=])\d{1,2}\.\d{1,2}(?![\w.])"
# In brackets of the page: the document has no code of a source behind these, so it is not known where they were read.
WITHOUT_A_SOURCE = {
    ("BrainMRI", 97.5),  # ADSeeker
    ("CVC-ClinicDB", 87.2),  # FB-CLIP
    ("CVC-ClinicDB", 86.6),  # AG-VAS
    ("BMAD-BraTS", 80.8),  # VisualAD, as all below
    ("BMAD-BraTS", 87.1),
    ("BMAD-OCT17", 88.9),
    ("BMAD-OCT17", 91.2),
    ("BMAD-HIS", 60.1),
}


class Cell(NamedTuple):
    """One cell of a table of the page."""

    dataset: str
    method: str
    text: str


@pytest.fixture(scope="module")
def published() -> Published:
    return load_published()


@pytest.fixture(scope="module")
def page(shared: Path) -> list[Cell]:
    """The cells of sections 1 and 2, without the column that only says which is highest."""
    text = (shared / "published.md").read_text(encoding="utf-8")
    sections = text[text.index("## 1.") : text.index("## 5.")]
    return list(cells(sections))


def cells(text: str) -> Iterator[Cell]:
    header: list[str] = []
    for line in text.splitlines():
        if not line.startswith("|"):
            header = []
            continue
        row = [part.strip() for part in line.strip("|").split("|")]
        if not header:
            header = row
        elif not set(line) <= set("|-"):
            name = row[0].split()[0]
            for method, cell in zip(header[1:], row[1:], strict=True):
                if "Highest" not in method:
                    yield Cell(DATASETS.get(name, name), method, cell)


def numbers(text: str) -> set[float]:
    return {float(found) for found in re.findall(NUMBER, text)}


def marked(cell: Cell) -> set[float]:
    """Numbers of a cell that stand under a question mark and nowhere else in it."""
    open_ones, sourced = set(), set()
    for part in re.split(r";", cell.text):
        found = re.findall(NUMBER, part)
        if "first two match" in part:  # and so have a source
            sourced |= set(map(float, found[:2]))
            found = found[2:]
        (open_ones if "?" in part else sourced).update(map(float, found))
    return open_ones - sourced


def test_no_number_under_a_question_mark_is_published(page, published):
    questionable = {(cell.dataset, value) for cell in page for value in marked(cell)}
    assert len(questionable) > 15
    ours = {(number.dataset, number.value) for number in published.numbers if number.method == "Bayes-PFL"}
    assert ours & questionable == set()


def test_every_number_with_a_source_is_there(page, published):
    wanted = {(cell.dataset, value) for cell in page for value in numbers(cell.text) - marked(cell)}
    ours = {(number.dataset, number.value) for number in published.numbers}
    assert wanted - ours == WITHOUT_A_SOURCE


def test_no_other_number_is_there(page, published):
    on_the_page = {(cell.dataset, value) for cell in page for value in numbers(cell.text)}
    ours = {(number.dataset, number.value) for number in published.numbers}
    told_above_a_table = {("MVTec-AD", 92.2)}  # "MVTec 92.2, not 92.3"
    assert ours - on_the_page == told_above_a_table


def test_every_number_has_a_source_that_is_explained(published):
    for number in published.numbers:
        assert number.sources
        assert set(number.sources) <= published.sources.keys()
        assert re.fullmatch(r"(image_(auroc|ap|f1_max)|pixel_(auroc|ap|aupro|f1_max))", number.metric)
        assert 0 < number.value < 100
    assert {number.method for number in published.numbers} == set(published.methods)
    assert {code for number in published.numbers for code in number.sources} == published.sources.keys()


def test_different_sources_stand_side_by_side(published):
    found = {
        (number.value, number.sources)
        for number in published.of("HeadCT")
        if (number.method, number.metric) == ("Bayes-PFL", "image_auroc")
    }
    assert found == {(95.4, ("M",)), (91.9, ("P",))}


def test_a_set_of_the_same_images_has_the_same_numbers(published):
    assert published.of("BrainMRI (153 released)") == published.of("BrainMRI") != []
    assert {sum(counts[:2]) for counts in published.counts_of("BrainMRI (153 released)")} == {153, 253}


def test_counts_are_those_of_the_configs(published, repository):
    """A set that the benchmark counts by its config is the one that its published numbers are of."""
    from monai.bundle import ConfigParser

    n_compared = 0
    for path in sorted((repository / "configs/datasets").glob("*.yaml")):
        config = ConfigParser.load_config_file(path)
        known = published.counts_of(config.get("dataset_name", ""))
        if known:
            counts = config["published_counts"]
            assert (counts["normal"], counts["abnormal"]) in [item[:2] for item in known], path
            n_compared += 1
    assert n_compared == len(published.counts) + len(published.same_images)
