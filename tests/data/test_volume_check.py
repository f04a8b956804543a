"""What is wrong with a copy of a set of volumes is said in sentences."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from volumes import save_patient

from bpfl_med.cli import main
from bpfl_med.data import volume_datalist
from bpfl_med.data.dataset_check import Finding
from bpfl_med.data.volume_check import check_volumes


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for seed in (1, 2):
        save_patient(tmp_path / f"p{seed}", seed=seed)
    return tmp_path


def check(root: Path, normal: int = 0, abnormal: int = 2) -> list[Finding]:
    healthy = ["h*/FLAIR.nii.gz"] if list(root.glob("h*")) else []
    items = volume_datalist(root, normal=healthy, abnormal=["p*/FLAIR.nii.gz"], mask="{parent}/lesion.nii.gz")
    return check_volumes(items, published_counts={"normal": normal, "abnormal": abnormal}, lesion_above=0)


def test_a_true_copy(root):
    assert check(root) == [
        Finding("There are 0 normal and 2 abnormal volumes, as published", differs=False),
        Finding("Abnormal volumes have 24 to 24 voxels of lesions", differs=False),
    ]


def test_what_differs(root):
    (root / "p2/lesion.nii.gz").write_bytes(b"no volume")
    found = [finding.sentence for finding in check(root, abnormal=30) if finding.differs]
    assert len(found) == 2
    assert found[0].startswith("There are 0 normal and 2 abnormal volumes, and published are 0 normal and 30 abnormal")
    assert re.fullmatch(r".*/p2/lesion.nii.gz: no single-file NIfTI that can be parsed; .*", found[1])


def test_equal_files_and_labels_in_conflict(root):
    for name in ("p3", "h1"):
        save_patient(root / name, lesion=name == "p3", seed=3)
    (root / "h1/FLAIR.nii.gz").write_bytes((root / "p1/FLAIR.nii.gz").read_bytes())
    (root / "p3/FLAIR.nii.gz").write_bytes((root / "p2/FLAIR.nii.gz").read_bytes())
    assert check(root, 1, 3)[2:] == [
        Finding("Equal files: h1__FLAIR = p1__FLAIR", differs=False),
        Finding("Equal files: p2__FLAIR = p3__FLAIR", differs=False),
        Finding("Labelled both ways: equal files h1__FLAIR = p1__FLAIR", differs=True),
    ]


def test_the_command_checks_volumes(root, capfd):
    assert main(["datasets", "check", "ms_lesion", str(root)]) == 0
    assert capfd.readouterr().out.splitlines() == [
        f"MS lesions in {root}",
        "  There are 0 normal and 2 abnormal volumes; how many there should be is not in the config.",
        "  Abnormal volumes have 24 to 24 voxels of lesions.",
        "The copy can be used.",
    ]


def test_the_shared_volumes(shared, capfd):
    root = shared / "data/ms_lesion_nifti"
    if not root.is_dir():
        pytest.skip(f"{root} is not on this machine")
    assert main(["datasets", "check", "ms_lesion", str(root)]) == 0
    assert "  Abnormal volumes have 1300 to 8227 voxels of lesions.\n" in capfd.readouterr().out  # as its README says
