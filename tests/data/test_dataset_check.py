"""What is wrong with a copy is said in sentences, and what is merely worth knowing does not count as wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from layouts import save
from PIL import Image

from bpfl_med.cli import main
from bpfl_med.data import folder_datalist
from bpfl_med.data.dataset_check import Finding, check_dataset

Check = Callable[..., list[Finding]]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    rng = np.random.default_rng(3)
    for name in ("no/1.png", "no/2.png", "yes/3.png", "yes/4.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (40, 40), np.uint8)).save(tmp_path / name)
    return tmp_path


@pytest.fixture
def check(copy: Path) -> Check:
    def check(normal: int = 2, abnormal: int = 2, **changes: object) -> list[Finding]:
        items = folder_datalist(copy, class_name="brain", normal=["no/*"], abnormal=["yes/*"])
        counts = {"normal": normal, "abnormal": abnormal}
        arguments = {"published_counts": counts, "mask_threshold": 127, "need_masks": False}
        return check_dataset(items, copy, **{**arguments, **changes})

    return check


def sentences(findings: list[Finding], *, differs: bool) -> list[str]:
    return [finding.sentence for finding in findings if finding.differs == differs]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, r"there is no file .*mine\.yaml; give a data set's config, or one of `bpfl-med datasets list`"),
        ("- a", r"mine\.yaml: holds no settings; write them as `name: value`"),
        ("", r"mine\.yaml: holds no settings"),
        ("a:\n - b\n c: d", r"mine\.yaml: is no yaml that can be read in line 3 \(ParserError\)"),
        ("dataset_nmae: x", r"No part of the configs uses 'dataset_nmae'; check the spelling"),
    ],
)
def test_what_is_wrong_with_a_config_of_ones_own_is_told(tmp_path, capsys, content, told):
    if content is not None:
        (tmp_path / "mine.yaml").write_text(content)
    assert main(["datasets", "check", str(tmp_path / "mine.yaml"), str(tmp_path)]) == 2
    assert re.search(told, capsys.readouterr().err)


def test_a_true_copy(check):
    findings = check()
    assert sentences(findings, differs=True) == []
    assert sentences(findings, differs=False) == [
        "There are 2 normal and 2 abnormal pictures, as published",
        "No picture is there twice",
    ]
    (first, _) = sentences(check(published_counts=None), differs=False)
    assert first == "There are 2 normal and 2 abnormal pictures; how many there should be is not in the config"


def test_other_counts(check):
    (sentence,) = sentences(check(3, 2), differs=True)
    assert sentence == (
        "There are 2 normal and 2 abnormal pictures, and published are 3 normal and 2 abnormal ones; look for files "
        "that are missing, or that do not belong to the set"
    )


def test_files_that_cannot_be_used(check, copy):
    (copy / "no/1.png").write_bytes(b"no picture")
    (sentence,) = sentences(check(), differs=True)
    assert re.fullmatch(r".*/no/1.png cannot be read as a picture \(.*\); replace it or take it out", sentence)
    found = sentences(check(need_masks=True), differs=True)
    assert [bool(re.search("/yes/[34].png is abnormal and has no mask", line)) for line in found] == [False, True, True]


def test_many_files_that_cannot_be_used(check, copy):
    for number in range(7):
        (copy / f"no/bad{number}.png").write_bytes(b"no picture")
    found = sentences(check(9), differs=True)
    assert len(found) == 6
    assert found[-1] == "There are 2 more such cases"


def test_a_copy_that_cannot_be_used_at_all(check, copy):
    for path in copy.glob("*/*.png"):
        path.write_bytes(b"no picture")
    with pytest.raises(
        ValueError, match=r"None of the 4 items of the data set can be used: .*/no/1.png cannot be read"
    ):
        check()


def test_repeats_and_labels_in_conflict(check, copy):
    (copy / "no/5.png").write_bytes((copy / "yes/3.png").read_bytes())
    Image.open(copy / "no/2.png").convert("RGB").save(copy / "yes/6.png")
    findings = check(3, 3)
    assert sentences(findings, differs=True) == ["Labelled both ways: equal files no/5.png = yes/3.png"]
    assert sentences(findings, differs=False)[1:] == [
        "5 of the 6 files are distinct, the others repeat one byte for byte, as in no/5.png = yes/3.png",
        "4 pictures are distinct if near-copies count as one, as in no/2.png = yes/6.png",
        "Labelled both ways: near-copies no/2.png = yes/6.png",
    ]


def test_pictures_that_are_not_read(check, copy):
    save(copy / "pred/1.png", copy / "2.jpg")
    (copy / "list.txt").write_text("")
    assert sentences(check(), differs=False)[-1] == (
        f"2 more picture file(s) lie below {copy} and are not read, such as 2.jpg"
    )


def test_the_command_tells_a_true_copy_from_others(tmp_path, capfd, copy):
    def run(*arguments: object) -> tuple[int, str, str]:
        code = main(["datasets", "check", *map(str, arguments)])
        return code, *capfd.readouterr()

    (tmp_path / "own.yaml").write_text(
        "dataset_name: ours\nmetrics: [image]\npublished_counts: {normal: 2, abnormal: 2}\n"
        "datalist:\n  _target_: bpfl_med.data.folder_datalist\n  root: '@dataset_dir'\n  class_name: brain\n"
        "  normal: ['no/*']\n  abnormal: ['yes/*']\n"
    )
    code, out, err = run(tmp_path / "own.yaml", copy)
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        f"ours in {copy}",
        "  There are 2 normal and 2 abnormal pictures, as published.",
        "  No picture is there twice.",
        "The copy can be used.",
    ]
    code, out, err = run("brain_mri", copy)
    assert (code, err) == (1, "")
    assert "  DIFFERS: There are 2 normal and 2 abnormal pictures, and published are 98 normal and 155 abnormal" in out
    assert out.endswith("The copy differs from what is published.\n")
    code, out, err = run("brain_mri", copy, "--layout", "meta_json")
    assert (code, out) == (2, "")
    assert re.fullmatch(r"bpfl-med: There is no list .*/meta.json; check dataset_dir and the name of the list\n", err)
    code, _, err = run("brain", copy)
    assert code == 2
    assert err.startswith("bpfl-med: there is no preset 'brain' in configs/datasets; there are br35h, brain_mri,")


def test_the_command_lists_what_there_is(repository, capfd):
    assert main(["datasets", "list"]) == 0
    *lines, last = capfd.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines} == {
        path.stem for path in (repository / "configs/datasets").glob("*.yaml") if path.stem != "unlabelled"
    }
    assert re.search(r"^brain_mri +98 normal +155 abnormal +BrainMRI$", "\n".join(lines), re.MULTILINE)
    assert last == f"Where to get them, and their traps: {repository}/configs/datasets/NAME.yaml"
