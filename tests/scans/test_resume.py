"""A run over many scans may be killed at any moment: what is there is whole, and resuming does the rest."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from scan_runs import Result, predict, save_nifti

from bpfl_med.data import ScanVolume, load_scan
from bpfl_med.data.scans import Scan
from bpfl_med.demo.dicom_phantoms import write_series
from bpfl_med.dicom.files import read_header

N_SCANS = 12


def write_scans(folder: Path, number: int = N_SCANS) -> None:
    for index in range(number):
        values = np.random.default_rng(index).integers(0, 90, (48, 40, 2)).astype(np.int16)
        save_nifti(folder / f"scan{index:02d}.nii.gz", values)


def modified(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in sorted(folder.rglob("*")) if path.is_file()}


def test_resuming_leaves_finished_scans_alone(tmp_path):
    write_scans(tmp_path / "in", 2)
    assert predict(tmp_path / "in", tmp_path / "out", "--all") == 0
    before = modified(tmp_path / "out")
    write_scans(tmp_path / "in", 3)
    assert predict(tmp_path / "in", tmp_path / "out", "--all", "--resume") == 0
    after = modified(tmp_path / "out")
    assert {path: after[path] for path in before} == before
    assert len(list((tmp_path / "out").iterdir())) == 3
    assert predict(tmp_path / "in", tmp_path / "out", "--all", "--resume") == 0, "nothing is left to do"
    assert modified(tmp_path / "out") == after


def test_without_resuming_results_are_replaced(tmp_path):
    write_scans(tmp_path / "in", 1)
    assert predict(tmp_path / "in/scan00.nii.gz", tmp_path / "out", "--threshold", 0.9) == 0
    (tmp_path / "out/scan00/left_over.txt").write_text("of an older version")
    assert predict(tmp_path / "in/scan00.nii.gz", tmp_path / "out", "--threshold", 0.1) == 0
    result = Result(tmp_path / "out/scan00")
    assert result.record["mask"]["threshold"] == 0.1
    result.check_listing()


def test_resuming_with_one_scan(tmp_path):
    write_scans(tmp_path / "in", 1)
    for _ in range(2):
        assert predict(tmp_path / "in/scan00.nii.gz", tmp_path / "out", "--resume") == 0
    Result(tmp_path / "out/scan00").check_listing()


@pytest.mark.parametrize(
    ("options", "changes", "told"),
    [
        (("--threshold", 0.9), {}, "settings.threshold was 0.5, is now 0.9"),
        (("--allow-gaps",), {}, "settings.allow_gaps was False, is now True"),
        (("--volume", 0), {}, "settings.volume_index was None, is now 0"),
        ((), {"class_name": "head"}, "settings.class_name was 'brain', is now 'head'"),
        ((), {"modality": "ct-bone"}, "settings.windows_hu was [[40.0, 80.0]], is now [[600.0, 2800.0]]"),
    ],
)
def test_a_resumed_run_mixes_no_settings(tmp_path, capsys, options, changes, told):
    write_scans(tmp_path / "in", 2)
    assert predict(tmp_path / "in/scan00.nii.gz", tmp_path / "out") == 0
    before = modified(tmp_path / "out")
    assert predict(tmp_path / "in/scan00.nii.gz", tmp_path / "out", "--threshold", 0.5, "--resume") == 0, "the default"
    capsys.readouterr()
    assert predict(tmp_path / "in", tmp_path / "out", "--all", "--resume", *options, **changes) == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    assert sentence.startswith(f"bpfl-med: {tmp_path}/out/scan00/result.json was made with other settings ({told}")
    assert modified(tmp_path / "out") == before


def test_a_resumed_run_mixes_no_writers(tmp_path, capsys):
    write_scans(tmp_path / "in", 2)
    overlay = tmp_path / "writers.yaml"
    overlay.write_text("writers: [{_target_: bpfl_med.handlers.NiftiOverlays}]")
    assert predict(tmp_path / "in/scan00.nii.gz", tmp_path / "out", overlay=overlay) == 0
    assert predict(tmp_path / "in/scan00.nii.gz", tmp_path / "out", "--resume", overlay=overlay) == 0
    capsys.readouterr()
    assert predict(tmp_path / "in", tmp_path / "out", "--all", "--resume") == 2
    sentence = capsys.readouterr().err
    assert "settings.writers.1.writer was None, is now 'DicomSegmentation'" in sentence
    assert "settings.writers.1.segmentation_type was None, is now 'BINARY'" in sentence


@pytest.mark.parametrize("choice", [(), ("--series",)], ids=["the only series", "the one that is named"])
def test_a_single_series_to_which_images_have_come_is_scored_anew(tmp_path, choice):
    phantom = write_series(tmp_path / "in", seed=1)
    options = (*choice, phantom.series_uid) if choice else ()
    late = sorted((tmp_path / "in").iterdir())[-1]
    late.rename(tmp_path / late.name)
    for n_images in (23, 24):
        assert predict(tmp_path / "in", tmp_path / "out", "--resume", *options) == 0
        record = json.loads((tmp_path / "out" / phantom.series_uid / "result.json").read_text())
        assert record["input"]["n_images"] == n_images
        if n_images == 23:
            (tmp_path / late.name).rename(late)


def test_a_series_that_was_still_being_sent_is_scored_anew(tmp_path, capsys):
    for seed in (1, 2):
        write_series(tmp_path / f"in/{seed}", seed=seed)
    late = sorted((tmp_path / "in/2").iterdir())[-1]
    late.rename(tmp_path / late.name)
    assert predict(tmp_path / "in", tmp_path / "out", "--all") == 0
    before = modified(tmp_path / "out")
    (tmp_path / late.name).rename(late)
    assert predict(tmp_path / "in", tmp_path / "out", "--all", "--resume") == 0
    assert "1 of 2 scans have results already" in capsys.readouterr().out
    records = [json.loads(path.read_text()) for path in (tmp_path / "out").glob("*/result.json")]
    assert [(record["input"]["n_images"], record["input"]["shape"][2]) for record in records] == [(24, 24)] * 2
    assert sum(modified(tmp_path / "out")[path] == stamp for path, stamp in before.items()) == len(before) / 2


def test_results_are_not_replaced_by_those_of_fewer_images(tmp_path, capfd):
    series = write_series(tmp_path / "in/1", seed=1)
    assert predict(tmp_path / "in", tmp_path / "out", "--all") == 0
    before = modified(tmp_path / "out")
    sorted((tmp_path / "in/1").iterdir())[0].unlink()
    capfd.readouterr()
    assert predict(tmp_path / "in", tmp_path / "out", "--all", "--resume") == 2
    assert f"series {series.series_uid} has 23 images, fewer than when it was scored" in capfd.readouterr().err
    assert modified(tmp_path / "out") == before


def test_a_series_that_lost_an_image_since_it_was_found_is_refused(tmp_path, monkeypatch, capfd):
    write_series(tmp_path / "in/1", seed=1)
    first = sorted((tmp_path / "in/1").iterdir())[0]

    def lose_image(scan: Scan, **settings: object) -> ScanVolume:
        first.unlink()
        return load_scan(scan, **settings)

    monkeypatch.setattr("bpfl_med.transforms.load_scan.load_scan", lose_image)
    assert predict(tmp_path / "in", tmp_path / "out", "--all") == 2, "none has results"
    assert "had 24 images when it was found and has 23 now; run again" in capfd.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("given", ["in/flat", "in"])
def test_headers_of_many_series_in_a_folder_are_not_read_for_each(tmp_path, monkeypatch, given):
    """They are read when scans are looked for, and when the first of the folder is loaded."""
    (tmp_path / "in/flat").mkdir(parents=True)
    for seed in (1, 2, 3):
        for file in write_series(tmp_path / f"apart/{seed}", seed=seed).files:
            file.rename(tmp_path / f"in/flat/{seed}_{file.name}")
    read: Counter[str] = Counter()

    def count(file: BinaryIO) -> object:
        read[file.name] += 1
        return read_header(file)

    monkeypatch.setattr("bpfl_med.dicom.discovery.read_header", count)
    assert predict(tmp_path / given, tmp_path / "out", "--all") == 0
    assert len(read) == 3 * 24
    assert set(read.values()) == {2}
    assert len(list((tmp_path / "out").iterdir())) == 3


def test_a_slice_is_opened_three_times_whatever_is_written(tmp_path):
    """To be found, to be scored, and for what derived objects say of it: a network share is slow."""
    write_series(tmp_path / "in")
    overlay = tmp_path / "writers.yaml"
    names = ("NiftiOverlays", "DicomSegmentation", "DicomParametricMap", "DicomSecondaryCapture", "DicomReport")
    overlay.write_text(f"writers: [{', '.join(f'{{_target_: bpfl_med.handlers.{name}}}' for name in names)}]")
    opened: Counter[str] = Counter()

    def count(event: str, details: tuple[object, ...]) -> None:
        if event == "open" and counting and str(details[0]).startswith(f"{tmp_path}/in/"):
            opened[str(details[0])] += 1

    counting = True
    sys.addaudithook(count)  # cannot be taken away again
    assert predict(tmp_path / "in", tmp_path / "out", overlay=overlay) == 0
    counting = False
    assert len(opened) == 24
    assert set(opened.values()) == {3}


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was killed while it wrote a scan, when others were done and others were not."""
    root = tmp_path_factory.mktemp("killed")
    write_scans(root / "in")
    command = [sys.executable, "-m", "bpfl_med.cli", "predict", root / "in", "-o", root / "out", "--all"]
    command += ["--class-name", "brain", "--modality", "ct-brain", "--backbone", "intensity"]
    process = subprocess.Popen(command)
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        entries = list((root / "out").iterdir()) if (root / "out").exists() else []
        if any(entry.name.startswith(".") for entry in entries) and any(e.name == "scan02" for e in entries):
            break
        time.sleep(0.005)
    process.kill()
    assert process.wait() == -9, "the run must not have ended before"
    return root


def test_a_killed_run_leaves_whole_scans_that_resuming_completes(killed, tmp_path):
    done = sorted(path for path in (killed / "out").iterdir() if not path.name.startswith("."))
    assert 3 <= len(done) < N_SCANS
    for folder in done:
        Result(folder).check_listing()
    before = {path: stamp for folder in done for path, stamp in modified(folder).items()}

    assert predict(killed / "in", killed / "out", "--all", "--resume", pictures=True) == 0
    assert {path: modified(killed / "out")[path] for path in before} == before
    assert predict(killed / "in", tmp_path / "unbroken", "--all", pictures=True) == 0
    names = sorted(path.name for path in (tmp_path / "unbroken").iterdir())
    assert sorted(path.name for path in (killed / "out").iterdir() if not path.name.startswith(".")) == names
    for name in names:
        one, other = Result(killed / "out" / name), Result(tmp_path / "unbroken" / name)
        assert one.files == other.files
        for file in set(one.files) - {"result.json"}:
            assert (one.folder / file).read_bytes() == (other.folder / file).read_bytes(), file
        assert json.dumps({**one.record, "seconds": 0}) == json.dumps({**other.record, "seconds": 0})
