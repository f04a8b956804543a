"""`bpfl-med predict` from outside: the files, the exit code, and one line on standard error for what cannot be used."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from scan_runs import (
    BRAIN,
    NIFTI_FILES,
    Result,
    nothing_written,
    predict,
    result_of,
    save_nifti,
    small_volume,
    windowed,
)

from bpfl_med.demo.dicom_phantoms import write_series

DICOM = {
    "missing_slice": r"image012\.dcm, \S+image013\.dcm: these neighbours are 12\.00 mm apart",
    "enhanced_gap": r"image001\.dcm \(frame 12\), .*slices seem to be missing",
    "mixed_series": r"in: 2 image series, so choose one by its UID "
    r"\(--series, in a bundle run --series_uid\) or all \(--all, --take_all\): ",
    "two_phases": r"image001\.dcm, \S+image002\.dcm: two images at one slice position",
    "two_echoes": r"image001\.dcm, .*\(they differ in EchoTime\)",
    "enhanced_4d": r"image001\.dcm \(frame 1\), .*4-D series",
    "mixed_orientation": r"image013\.dcm: another ImageOrientationPatient",
    "mixed_matrix": r"image013\.dcm: another matrix",
    "mixed_spacing": r"image013\.dcm: another PixelSpacing",
    "mixed_frame_of_reference": r"image013\.dcm: another FrameOfReferenceUID",
    "shifted_slice": r"image013\.dcm: shifted inside the slice plane",
    "no_position": r"image013\.dcm: no usable ImagePositionPatient",
    "no_orientation": r"image001\.dcm, .*: no usable ImageOrientationPatient",
    "no_spacing": r"image001\.dcm, .*: no PixelSpacing above zero",
    "zero_spacing": r"image001\.dcm, .*: no PixelSpacing above zero",
    "rgb": r"image001\.dcm, .*: not a grey image",
    "report": r"in: no image series",
    "truncated": r"image013\.dcm: its pixel data are cut short",
    "truncated_compressed": r"image013\.dcm: its compressed pixel data are cut short",
    "empty_file": r"image013\.dcm: the file is empty",
    "enhanced_mr": r"in: CT windows were chosen for a series of modality MR; choose a preset for MR",
}


@pytest.fixture
def refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., None]:
    """Run the command and see that it ends with code 2, one line that matches, and no file."""

    def check(scan: Path, pattern: str, *options: object, output: Path | None = None, **settings: str) -> None:
        out = output or tmp_path / "out"
        capfd.readouterr()
        assert predict(scan, out, *options, **settings) == 2
        said = capfd.readouterr()
        assert re.fullmatch(rf"bpfl-med: (\S*{pattern}.*)\n", said.err), said.err
        assert said.out == ""
        if output is None:
            assert not out.exists()

    return check


@pytest.mark.parametrize("kind", DICOM)
def test_unreadable_series(tmp_path, refused, kind):
    write_series(tmp_path / "in", kind=kind)
    refused(tmp_path / "in", DICOM[kind])


def write_truncated(path: Path) -> None:
    save_nifti(path, small_volume())
    path.write_bytes(path.read_bytes()[:-30])


def write_colour(path: Path) -> None:
    save_nifti(path, np.zeros((4, 5, 6), dtype=[(channel, "u1") for channel in "RGB"]))


NIFTI: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "truncated": ("a.nii.gz", write_truncated, r"a\.nii\.gz: cut short or damaged"),
    "truncated_plain": ("a.nii", write_truncated, r"a\.nii: cut short, \d+ bytes of \d+"),
    "complex": ("a.nii", lambda p: save_nifti(p, np.ones((4, 5, 6), np.complex64)), r"a\.nii: holds complex values"),
    "colour": ("a.nii", write_colour, r"a\.nii: holds colour values"),
    "four_axes": (
        "a.nii",
        lambda p: save_nifti(p, np.zeros((4, 5, 6, 2), np.int16)),
        r"a\.nii: has 2 volumes .*choose one",
    ),
    "nan": ("a.nii", lambda p: save_nifti(p, np.full((4, 5, 6), np.nan, np.float32)), r"a\.nii: no voxel is finite"),
    "no_nifti": ("a.nii.gz", lambda p: p.write_text("hello"), r"a\.nii\.gz: "),
    "empty": ("a.nii.gz", lambda p: p.write_bytes(b""), r"a\.nii\.gz: "),
    "text": ("notes.txt", lambda p: p.write_text("hello"), r"notes\.txt: no image series"),
    "nrrd": ("a.nrrd", lambda p: p.write_text("NRRD0004\ntype: short\n"), r"a\.nrrd: cannot be read"),
    "empty_folder": ("folder", lambda p: p.mkdir(), r"folder: no image series \(no files at all\)"),
    "nothing": ("nothing", lambda p: None, r"nothing: there is no such file or folder"),
}


@pytest.mark.parametrize("kind", NIFTI)
def test_unreadable_files(tmp_path, refused, kind):
    name, write, pattern = NIFTI[kind]
    if kind == "nrrd":
        pytest.importorskip("itk")
    write(tmp_path / name)
    refused(tmp_path / name, pattern)


@pytest.mark.parametrize(
    ("options", "settings", "pattern"),
    [
        (["--volume", 1], {}, r"a\.nii: has no volume 1"),
        (["--plane", "acquired"], {}, r"a\.nii: only a DICOM series has an acquired plane"),
        (["--series", "1.2"], {}, r"a\.nii: a series UID picks one"),
        (["--threshold", 1.5], {}, "threshold must be a number from 0 to 1.*got '1.5'"),
        (["--threshold", "nan"], {}, "threshold must be a number from 0 to 1.*got 'nan'"),
        (["--threshold", "p101"], {}, "threshold must be .*a percentile such as p99.5"),
        (["--threshold", "high"], {}, "threshold must be .*got 'high'"),
        (["--threshold", "checkpoint"], {}, "The checkpoint stores no threshold; give a number"),
        (["--batch-size", 0], {}, "batch_size must be at least 1, got 0"),
        (["--prompts-file", "none.pth"], {"backbone": "demo"}, ".*none.pth"),
        ([], {"modality": "mri"}, "there is no preset 'mri' in configs/modalities; there are ct-abdomen, .*, mr"),
        ([], {"backbone": "resnet"}, "there is no preset 'resnet' in configs/backbones; there are demo, intensity"),
        ([], {"class_name": ""}, "A class name must say what the image shows"),
        ([], {"class_name": "", "backbone": "demo"}, "A class name must say what the image shows"),
        ([], {"class_name": "brain " * 99, "backbone": "demo"}, "The class name .* needs 100 text tokens"),
        ([], {"class_name": "$1 + 1"}, r"class_name must not begin with \$, @ or %"),
    ],
)
def test_unusable_settings(tmp_path, refused, options, settings, pattern):
    refused(save_nifti(tmp_path / "a.nii", small_volume()), pattern, *options, **settings)


def test_processes_that_would_all_do_the_work_are_refused(tmp_path, refused, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    refused(
        save_nifti(tmp_path / "a.nii", small_volume()),
        "2 processes were started, and each would score all scans; start one for each",
    )


def test_an_unknown_option_is_told_with_the_usage_of_the_command(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        predict(tmp_path / "a.nii", tmp_path / "out", "--treshold", 0.5)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("usage: bpfl-med predict ")
    assert "[--threshold THRESHOLD]" in said
    assert said.endswith("error: unrecognized arguments: --treshold 0.5; see bpfl-med predict --help\n")


def test_windows_are_for_ct_and_percentiles_for_the_rest(tmp_path, refused):
    write_series(tmp_path / "in", kind="single_slice")
    refused(tmp_path / "in", "in: percentiles were chosen for a series of modality CT", modality="mr")
    flat = save_nifti(tmp_path / "a.nii", np.full((4, 5, 6), 7, np.int16))
    refused(flat, r"a\.nii: the volume has the value 7 everywhere; there is nothing to score", modality="mr")


def test_an_output_folder_that_cannot_be_written_is_refused(tmp_path, refused):
    scan = save_nifti(tmp_path / "a.nii", small_volume())
    before = scan.read_bytes()
    refused(scan, r"Nothing can be written to \S+/a\.nii ", output=scan)
    refused(scan, r"Nothing can be written to \S+/a\.nii/out ", output=scan / "out")
    assert scan.read_bytes() == before
    if os.geteuid() == 0:
        pytest.skip("root can write everywhere")
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    refused(scan, r"Nothing can be written to \S+/locked/out ", output=locked / "out")


def test_a_series_is_picked_by_its_uid(tmp_path, capfd):
    phantom = write_series(tmp_path / "in", kind="mixed_series")
    assert predict(tmp_path / "in", tmp_path / "out", "--series", phantom.series_uid) == 0
    result = result_of(tmp_path / "out")
    assert result.folder.name == result.record["input"]["series_uid"] == phantom.series_uid
    assert result.record["input"]["shape"] == [48, 64, 24]
    assert predict(tmp_path / "in", tmp_path / "other", "--series", "1.2.3") == 2
    assert f"no image series 1.2.3; there are {phantom.series_uid}" in capfd.readouterr().err


@pytest.mark.filterwarnings("ignore:Invalid value for VR", "ignore:The value length")
def test_what_a_dicom_object_lacks_of_the_patient_is_said(tmp_path, capfd):
    phantom = write_series(tmp_path / "in")
    for file in phantom.files:
        dataset = pydicom.dcmread(file)
        dataset.AccessionNumber = "12345678901234567890"
        dataset.save_as(file)
    assert predict(tmp_path / "in", tmp_path / "out") == 0
    reason = "its value in the scan is against the standard"
    assert f"; without AccessionNumber in DICOM objects: {reason}" in capfd.readouterr().out
    assert result_of(tmp_path / "out").record["omitted"] == {"AccessionNumber in DICOM objects": reason}
    assert predict(tmp_path / "in", tmp_path / "out", "--resume") == 0
    assert capfd.readouterr().out == f"{tmp_path / 'out'}: 1 of 1 scans have results already\n"


def test_all_scans_are_scored_and_a_bad_one_is_one_line(tmp_path, capfd):
    for name, seed in [("a", 0), ("c", 1)]:
        save_nifti(tmp_path / f"in/{name}.nii.gz", small_volume(seed=seed))
    write_truncated(tmp_path / "in/b.nii.gz")
    write_series(tmp_path / "in/d", kind="no_spacing")
    phantom = write_series(tmp_path / "in/e", kind="single_slice")
    assert predict(tmp_path / "in", tmp_path / "out", "--all") == 3
    said = capfd.readouterr()
    first, second = said.err.splitlines()
    assert re.match(r"bpfl-med: \S+/in/b\.nii\.gz: cut short", first)
    assert re.match(r"bpfl-med: \S+/in/d/image001\.dcm.*: no PixelSpacing", second)
    names = {"a", "c", phantom.series_uid}
    first, *results, last = said.out.splitlines()
    assert first == f"{tmp_path}/in: looking for scans ..."
    assert {Path(line.split(": ")[0]).name for line in results} == names
    assert last == f"{tmp_path}/out: 3 of 5 scans have results, 2 could not be used"
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    for name, seed in [("a", 0), ("c", 1)]:
        result = Result(tmp_path / "out" / name)
        result.check_listing()
        np.testing.assert_allclose(result.array("anomaly_map"), windowed(small_volume(seed=seed), *BRAIN), atol=1e-6)


def test_a_gap_is_refused_before_weights_are_loaded(tmp_path, monkeypatch, capfd):
    write_series(tmp_path / "in", kind="missing_slice")
    monkeypatch.setattr("bpfl_med.networks.IntensityNetwork.__init__", lambda *_, **__: pytest.fail("it was built"))
    assert predict(tmp_path / "in", tmp_path / "out") == 2
    assert "slices seem to be missing" in capfd.readouterr().err


def test_gaps_are_allowed_on_request(tmp_path, capsys):
    phantom = write_series(tmp_path / "in", kind="missing_slice")
    assert predict(tmp_path / "in", tmp_path / "out", "--allow-gaps") == 0
    result = Result(tmp_path / "out" / phantom.series_uid)
    assert "mask.seg.dcm" in result.files
    assert set(NIFTI_FILES) == result.record["omitted"].keys(), "no single affine is true of a stack with a gap"
    reason = "the slices are unevenly spaced, so no single affine would be true"
    said = capsys.readouterr().out
    assert said.endswith(f"; without anomaly_map.nii.gz, uncertainty.nii.gz, mask.nii.gz: {reason}\n")
    assert "Missing slices, as allowed" in " ".join(result.record["input"]["notes"])


def test_progress_is_shown_where_standard_error_is_a_terminal(tmp_path):
    save_nifti(tmp_path / "a.nii", small_volume())
    screen, terminal = os.openpty()
    kept = os.dup(2)
    os.dup2(terminal, 2)
    try:
        assert predict(tmp_path / "a.nii", tmp_path / "out") == 0
    finally:
        os.dup2(kept, 2)
    assert os.read(screen, 10_000).startswith(b"\rbatches of slices:   0%")
    for descriptor in (kept, screen, terminal):
        os.close(descriptor)


def test_thresholds(tmp_path):
    scan = save_nifti(tmp_path / "a.nii", small_volume((20, 30, 5)))
    for option, expected in [("0.25", 0.25), ("p90", None), ("0", 0.0), ("1", 1.0)]:
        out = tmp_path / f"out {option}"
        assert predict(scan, out, "--threshold", option) == 0
        result = result_of(out)
        anomaly_map, mask = result.array("anomaly_map"), result.array("mask")
        threshold = result.record["mask"]["threshold"]
        assert threshold == (pytest.approx(np.percentile(anomaly_map, 90)) if expected is None else expected)
        np.testing.assert_array_equal(mask, anomaly_map >= np.float32(threshold))
        assert result.record["mask"]["n_voxels"] == mask.sum()
        assert result.record["mask"]["volume_mm3"] == pytest.approx(mask.sum() * 12)


def test_a_percentile_counts_slices_that_are_not_empty(tmp_path):
    values = small_volume((20, 30, 8))
    values[:, :, 2:] = -1000
    scan = save_nifti(tmp_path / "a.nii", values)
    assert predict(scan, tmp_path / "out", "--threshold", "p90") == 0
    result = result_of(tmp_path / "out")
    expected = np.percentile(windowed(values[:, :, :2], *BRAIN), 90)
    assert result.record["mask"]["threshold"] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("threshold", ["0.5", "p99.5", "p0"])
def test_air_alone_gives_an_empty_answer(tmp_path, threshold):
    save_nifti(tmp_path / "in/a.nii", np.full((20, 30, 3), -1000, np.int16))
    assert predict(tmp_path / "in", tmp_path / "out", "--threshold", threshold) == 0
    result = result_of(tmp_path / "out")
    assert not result.array("mask").any()
    assert not result.array("anomaly_map").any()
    scores = result.record["scores"]
    assert scores["volume_score"] == 0
    assert scores["most_suspicious_slices"] == []
    assert [row["empty"] for row in scores["slices"]] == [True] * 3
    assert result.record["omitted"] == {"contact_sheet.png": "all slices are empty"}
    result.check_listing()


def test_the_demo_backbone_gives_the_same_bytes_and_does_not_depend_on_batches_or_file_order(tmp_path):
    """Of eight slices, since the network is asked for each."""
    for name, kind in [("in", "axial"), ("mixed", "shuffled")]:
        phantom = write_series(tmp_path / "all", kind=kind)
        kept = sorted(phantom.files, key=height)[14:18]
        (tmp_path / name).mkdir()
        for file in kept:
            file.rename(tmp_path / name / file.name)
        for file in (tmp_path / "all").iterdir():
            file.unlink()
    settings = ["--n-samples", 2]
    runs = {
        "one": ("in", []),
        "two": ("in", []),
        "single": ("in", ["--batch-size", 1]),
        "seven": ("in", ["--batch-size", 7]),
        "order": ("mixed", []),
    }
    results = {}
    for name, (source, options) in runs.items():
        assert predict(tmp_path / source, tmp_path / name, *settings, *options, backbone="demo") == 0
        results[name] = result_of(tmp_path / name)
    for file in NIFTI_FILES:
        assert (results["one"].folder / file).read_bytes() == (results["two"].folder / file).read_bytes()
    expected = results["one"].array("anomaly_map")
    assert expected.std() > 1e-3
    for name in ("single", "seven", "order"):
        np.testing.assert_allclose(results[name].array("anomaly_map"), expected, atol=1e-5)
        np.testing.assert_array_equal(results[name].image("mask").affine, results["one"].image("mask").affine)
    record = results["one"].record
    assert record["notice"].startswith("DEMONSTRATION")
    assert record["network"]["n_samples"] == 2


def height(file: Path) -> float:
    import pydicom

    return float(pydicom.dcmread(file, stop_before_pixels=True).ImagePositionPatient[2])


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str, str, Path]]:
    """Three runs as a shell starts them: exit code, standard output and error, output folder."""
    root = tmp_path_factory.mktemp("programs")
    write_series(root / "good", kind="single_slice")
    write_series(root / "cut", kind="truncated_compressed")
    save_nifti(root / "sheared.nii.gz", small_volume(), nib.affines.from_matvec([[1, 0, 0.4], [0, 1, 0], [0, 0, 2]]))
    options = ["--class-name", "brain", "--modality", "ct-brain", "--backbone", "intensity"]
    started = {
        name: subprocess.Popen(
            [sys.executable, "-m", "bpfl_med.cli", "predict", root / scan, "-o", root / f"out {name}", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name, scan in [("good", "good"), ("cut", "cut"), ("sheared", "sheared.nii.gz")]
    }
    said = {name: process.communicate(timeout=300) for name, process in started.items()}
    return {name: (started[name].returncode, *said[name], root / f"out {name}") for name in started}


@pytest.mark.parametrize("name", ["good", "sheared"])
def test_the_program_says_one_line_when_all_is_well(programs, name):
    code, out, err, folder = programs[name]
    assert (code, err) == (0, "")
    (line,) = out.splitlines()
    assert line.startswith(f"{result_of(folder).folder}: score ")
    assert line.endswith("(INTENSITY CHECK)")
    result = result_of(folder)
    assert {"result.json", *NIFTI_FILES} <= set(result.files)
    assert ("mask.seg.dcm" in result.files) == (name == "good")
    result.check_listing()


def test_the_program_says_one_line_when_input_cannot_be_read(programs):
    code, out, err, folder = programs["cut"]
    assert (code, out) == (2, "")
    assert re.fullmatch(r"bpfl-med: \S+/cut/image013\.dcm: its compressed pixel data are cut short.*\n", err)
    assert nothing_written(folder)
    assert not folder.exists()


@pytest.mark.parametrize("place", ["in", "in/results"])
def test_results_do_not_go_among_the_scans(tmp_path, refused, place):
    save_nifti(tmp_path / "in/a.nii", small_volume())
    pattern = f"{place}: lies in {tmp_path}/in, where the input is; choose an output folder beside it"
    refused(tmp_path / "in", f".*/{pattern}", output=tmp_path / place)
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["a.nii"]


@pytest.mark.parametrize("uid_folder", ["source", "other data", "file"])
def test_nothing_of_the_users_is_replaced(tmp_path, refused, uid_folder):
    """Archives name a series' folder by its UID, as we name that of its results."""
    phantom = write_series(tmp_path / "in")
    place = tmp_path / "archive" / phantom.series_uid
    place.parent.mkdir()
    if uid_folder == "source":
        (tmp_path / "in").rename(place)
    elif uid_folder == "other data":
        place.mkdir()
        (place / "notes.txt").write_text("mine")
    else:
        place.write_text("mine")
    before = sorted(place.parent.rglob("*"))
    scan = place if uid_folder == "source" else tmp_path / "in"
    refused(scan, rf"{phantom.series_uid}: is there already and holds no results", output=place.parent)
    assert sorted(place.parent.rglob("*")) == before


@pytest.mark.parametrize("option", ["--class-name", "--prompts-file"])
def test_signs_that_a_config_would_read_are_refused(tmp_path, refused, option):
    scan = save_nifti(tmp_path / "a.nii", small_volume())
    refused(scan, "[a-z_]+ must not begin with \\$, @ or % nor hold #", option, "a#b")


def test_weights_of_the_demonstration_are_said_in_every_file(tmp_path):
    write_series(tmp_path / "in")
    assert predict(tmp_path / "in", tmp_path / "out", "--n-samples", 1, backbone="demo") == 0
    result = result_of(tmp_path / "out")
    segmentation = pydicom.dcmread(result.folder / "mask.seg.dcm")
    assert segmentation.SeriesDescription == "DEMONSTRATION Bayes-PFL (research only) segmentation"
    assert segmentation.SegmentSequence[0].SegmentLabel == "DEMONSTRATION: Anomaly"
    assert segmentation.DeviceSerialNumber == result.record["network"]["checksum"][:16]
    for name in ("anomaly_map", "uncertainty", "mask"):
        assert bytes(result.image(name).header["descrip"]).startswith(b"DEMONSTRATION Bayes-PFL (research only)")


@pytest.mark.parametrize(
    ("option", "value", "part", "setting"),
    [
        ("--seed", 7, "network", "seed"),
        ("--n-samples", 3, "network", "n_samples"),
        ("--shared-prompts", 2, "settings", "shared_prompts"),
    ],
)
def test_options_reach_the_network(tmp_path, option, value, part, setting):
    scan = save_nifti(tmp_path / "a.nii", small_volume())
    assert predict(scan, tmp_path / "out", option, value, backbone="demo") == 0
    assert result_of(tmp_path / "out").record[part][setting] == value
