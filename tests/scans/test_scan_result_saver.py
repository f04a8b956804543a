"""`result.json` lists what was made of a scan; further writers are added by config; one that fails is one line."""

from __future__ import annotations

import gc
import re
import subprocess
import sys
import weakref
from importlib.metadata import version
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
import pytest
from monai.bundle import ConfigWorkflow
from PIL import Image
from scan_runs import Result, needs_tool, nothing_written, predict, result_of, save_nifti, seg_points, small_volume

from bpfl_med.data.scan_volume import ScanVolume, load_scan
from bpfl_med.demo.dicom_phantoms import DicomPhantom, write_series
from bpfl_med.dicom import choose_series, load_series
from bpfl_med.dicom.terms import DISPLAY_COLOR
from bpfl_med.handlers import ScanResultSaver
from bpfl_med.handlers.scan_writers import DicomSegmentation
from bpfl_med.inferers import VolumeInferer


def settings(**changes: object) -> dict[str, object]:
    return {
        "writers": [],
        "network": {"backbone": {"checksum": ""}, "notice": None},
        "settings": {},
        "threshold": 0.5,
        "stored_threshold": None,
        "class_name": "brain",
        **changes,
    }


@pytest.mark.parametrize(
    ("given", "stored", "expected"),
    [(0.5, None, ("number", 0.5)), ("1e-2", None, ("number", 0.01)), ("p99.5", None, ("percentile", 99.5))]
    + [("checkpoint", 0.31, ("number", 0.31)), (0, None, ("number", 0.0)), ("p100", None, ("percentile", 100.0))],
)
def test_thresholds_are_numbers_percentiles_or_the_checkpoints(tmp_path, given, stored, expected):
    results = ScanResultSaver(tmp_path, **settings(threshold=given, stored_threshold=stored))
    assert results.threshold == expected


@pytest.mark.parametrize("threshold", ["", "p", "p-1", "50%", -0.1, 1.01, "inf", "nan", None])
def test_other_thresholds_are_refused(tmp_path, threshold):
    with pytest.raises(ValueError, match=re.escape(f"or checkpoint, got {threshold!r}")):
        ScanResultSaver(tmp_path, **settings(threshold=threshold))


def test_a_checkpoint_without_a_threshold_is_refused(tmp_path):
    with pytest.raises(ValueError, match="The checkpoint stores no threshold"):
        ScanResultSaver(tmp_path, **settings(threshold="checkpoint"))


OVERLAY = """
writers:
  - _target_: bpfl_med.handlers.NiftiOverlays
  - _target_: bpfl_med.handlers.DicomSegmentation
    segmentation_type: {segmentation_type}
  - _target_: bpfl_med.handlers.DicomParametricMap
  - _target_: bpfl_med.handlers.DicomSecondaryCapture
  - _target_: bpfl_med.handlers.DicomReport
"""


@pytest.fixture(scope="module", params=["FRACTIONAL", "LABELMAP", "BINARY"])
def full(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[DicomPhantom, Result]:
    """All writers on an oblique series, chosen by a config on top of the command's."""
    root = tmp_path_factory.mktemp("full")
    phantom = write_series(root / "in", kind="oblique")
    overlay = root / "writers.yaml"
    overlay.write_text(OVERLAY.format(segmentation_type=request.param))
    options = ["--threshold", 0.393, "--plane", "acquired"]  # 300 HU in the window of bone, less a little
    assert predict(root / "in", root / "out", *options, modality="ct-bone", overlay=overlay) == 0
    return phantom, result_of(root / "out")


def test_all_writers_are_listed(full):
    _, result = full
    result.check_listing()
    captures = [f"overlay_dicom/{path.name}" for path in (result.folder / "overlay_dicom").iterdir()]
    assert len(captures) >= 1
    expected = {"anomaly_map.nii.gz", "uncertainty.nii.gz", "mask.nii.gz", "mask.seg.dcm", "anomaly_map.pm.dcm"}
    assert set(result.files) == expected | {"report.sr.dcm", "result.json", *captures}


@needs_tool("dciodvfy")
def test_a_strict_validator_finds_no_error(full):
    _, result = full
    objects = [result.folder / name for name in result.files if name.endswith(".dcm")]
    for path in [p for p in objects if p.parent == result.folder] + [p for p in objects if p.parent != result.folder][
        :1
    ]:
        said = subprocess.run(["dciodvfy", path], capture_output=True, text=True, errors="replace")
        errors = [line for line in (said.stdout + said.stderr).splitlines() if line.startswith("Error")]
        is_labelmap = pydicom.dcmread(path, stop_before_pixels=True).get("SegmentationType") == "LABELMAP"
        assert not errors or (is_labelmap and "Information Object Not found" in said.stdout + said.stderr), errors


@needs_tool("dciodvfy")
@pytest.mark.parametrize("class_name", ["Gehirn \N{LATIN SMALL LETTER U WITH DIAERESIS}ber", "a\\b", "brain, 'left'"])
def test_any_class_name_gives_a_valid_seg(tmp_path, class_name):
    write_series(tmp_path / "in", kind="single_slice")
    assert predict(tmp_path / "in", tmp_path / "out", class_name=class_name) == 0
    result = result_of(tmp_path / "out")
    assert result.record["settings"]["class_name"] == class_name
    said = subprocess.run(
        ["dciodvfy", result.folder / "mask.seg.dcm"], capture_output=True, errors="replace", text=True
    )
    assert "Error" not in said.stdout + said.stderr


def test_every_object_belongs_to_the_patient_and_study_of_the_scan(full):
    phantom, result = full
    source = pydicom.dcmread(phantom.files[0], stop_before_pixels=True)
    for name in result.files:
        if name.endswith(".dcm"):
            made = pydicom.dcmread(result.folder / name, stop_before_pixels=True)
            for keyword in ("PatientName", "PatientID", "StudyInstanceUID"):
                assert made[keyword].value == source[keyword].value, (name, keyword)


@pytest.mark.parametrize(("class_name", "code"), [("Brain", "12738006"), ("sponge", "38266002")])
def test_an_organ_has_its_code_however_it_is_spelt(tmp_path, class_name, code):
    """SNOMED CT: brain, and the body as a whole."""
    write_series(tmp_path / "in", kind="single_slice")
    assert predict(tmp_path / "in", tmp_path / "out", class_name=class_name) == 0
    (segment,) = pydicom.dcmread(result_of(tmp_path / "out").folder / "mask.seg.dcm").SegmentSequence
    assert segment.AnatomicRegionSequence[0].CodeValue == code


def test_the_seg_holds_the_mask_or_the_map(full):
    _, result = full
    dataset = pydicom.dcmread(result.folder / "mask.seg.dcm")
    if dataset.SegmentationType == "FRACTIONAL":
        anomaly_map = result.array("anomaly_map")
        assert dataset.pixel_array.max() == round(255 * float(anomaly_map.max()))
        assert np.count_nonzero(dataset.pixel_array) == np.count_nonzero(np.rint(255 * anomaly_map))
    else:
        assert len(seg_points(result.folder / "mask.seg.dcm")) == result.array("mask").sum()


def test_scores_and_sources_of_slices(full):
    phantom, result = full
    record = result.record
    rows = record["scores"]["slices"]
    assert [row["index"] for row in rows] == list(range(24))
    uids = {str(pydicom.dcmread(file, stop_before_pixels=True).SOPInstanceUID) for file in phantom.files}
    assert {row["sop_instance_uid"] for row in rows} == uids
    best = rows[record["scores"]["most_suspicious_slices"][0]]
    assert record["scores"]["volume_score"] == best["slice_score"] == max(row["slice_score"] for row in rows)
    assert record["scores"]["most_suspicious_slices"] == [
        row["index"] for row in sorted(rows, key=lambda row: -row["slice_score"]) if not row["empty"]
    ]
    assert record["settings"]["class_name"] == "brain"
    assert record["settings"]["plane"] == "acquired"
    assert record["versions"]["highdicom"] == version("highdicom")
    assert record["seconds"].keys() >= {"read", "score", "DicomReport"}


def test_an_empty_seg_is_valid(tmp_path, shared):
    write_series(tmp_path / "in", kind="axial")
    assert predict(tmp_path / "in", tmp_path / "out", "--threshold", 1, modality="ct-bone") == 0
    result = result_of(tmp_path / "out")
    assert not result.array("mask").any()
    assert len(seg_points(result.folder / "mask.seg.dcm")) == 0
    assert int(pydicom.dcmread(result.folder / "mask.seg.dcm").NumberOfFrames) == 1
    checker, seg = shared / "tools/check_seg.py", result.folder / "mask.seg.dcm"
    done = subprocess.run([sys.executable, checker, tmp_path / "in", seg, "--require", "hd"], capture_output=True)
    assert done.returncode == 0, done.stdout


def break_second(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let the SEG of the second scan fail when its other files have been written."""
    original, calls = DicomSegmentation.__call__, []

    def fail_once(self: DicomSegmentation, folder: Path, result: object) -> None:
        calls.append(folder)
        if len(calls) == 2:
            raise error
        original(self, folder, result)

    monkeypatch.setattr(DicomSegmentation, "__call__", fail_once)


def three_scans(root: Path) -> None:
    for name in "abc":
        save_nifti(root / f"{name}.nii", small_volume())


@pytest.mark.parametrize("error", [KeyError("Doe^Phantom"), FileNotFoundError(2, "gone")], ids=["tags", "source gone"])
def test_a_scan_that_cannot_be_written_is_one_line_and_leaves_nothing(error, tmp_path, monkeypatch, capfd):
    three_scans(tmp_path / "in")
    break_second(monkeypatch, error)
    assert predict(tmp_path / "in", tmp_path / "out", "--all") == 3
    kind = type(error).__name__
    expected = f"bpfl-med: {tmp_path}/in/b.nii: its results cannot be written ({kind}); see --debug\n"
    assert capfd.readouterr().err == expected
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a", "c"]


def test_what_an_earlier_run_wrote_is_not_said_of_a_scan_that_failed(tmp_path, monkeypatch, capfd):
    three_scans(tmp_path / "in")
    assert predict(tmp_path / "in", tmp_path / "out", "--all") == 0
    capfd.readouterr()
    break_second(monkeypatch, KeyError("tag"))
    assert predict(tmp_path / "in", tmp_path / "out", "--all") == 3
    _, *said, last = capfd.readouterr().out.splitlines()
    assert [line.split(": ")[0] for line in said] == [f"{tmp_path}/out/{name}" for name in "ac"]
    assert last == f"{tmp_path}/out: 2 of 3 scans have results, 1 could not be used"


def full_disk(*, as_pydicom: bool) -> OSError:
    error = OSError(28, "No space left on device")
    if not as_pydicom:
        return error
    wrapped = OSError("With tag (7FE0,0010) got exception")  # which has no number
    wrapped.__cause__ = error
    return wrapped


@pytest.mark.parametrize("as_pydicom", [False, True])
def test_a_full_disk_ends_the_run_with_all_that_was_said(as_pydicom, tmp_path, monkeypatch, capfd):
    three_scans(tmp_path / "in")
    (tmp_path / "in/a.nii").write_bytes(b"")
    save_nifti(tmp_path / "in/b2.nii", small_volume())
    break_second(monkeypatch, full_disk(as_pydicom=as_pydicom))
    assert predict(tmp_path / "in", tmp_path / "out", "--all") == 2
    first, second = capfd.readouterr().err.splitlines()
    assert "in/a.nii" in first
    reason = "(No space left on device); make room there and run again with resume"
    assert second == f"bpfl-med: Nothing more can be written to {tmp_path}/out {reason}"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["b"]


def test_a_lost_output_folder_ends_the_run(tmp_path, monkeypatch, capfd):
    three_scans(tmp_path / "in")
    original, scored = VolumeInferer.__call__, []

    def lose_folder(self: VolumeInferer, inputs: ScanVolume, *args: object, **kwargs: object) -> object:
        scored.append(inputs.scan.name)
        if len(scored) == 2:
            (tmp_path / "out").rename(tmp_path / "elsewhere")
            (tmp_path / "out").write_text("no folder")
        return original(self, inputs, *args, **kwargs)

    monkeypatch.setattr(VolumeInferer, "__call__", lose_folder)
    assert predict(tmp_path / "in", tmp_path / "out", "--all") == 2
    assert scored == ["a", "b"], "the third is not scored for nothing"
    assert capfd.readouterr().err.startswith(f"bpfl-med: Nothing can be written to {tmp_path}/out (")


def test_an_interrupted_run_says_so_in_one_line(tmp_path, monkeypatch, capfd):
    three_scans(tmp_path / "in")
    break_second(monkeypatch, KeyboardInterrupt())
    assert predict(tmp_path / "in", tmp_path / "out", "--all") == 130
    assert capfd.readouterr().err == "bpfl-med: interrupted; what was written is whole\n"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a"]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (KeyError("a patient's name"), "cannot be used (KeyError); see --debug\n"),
        (
            MemoryError("not enough"),
            "there is not enough memory in this machine; free some, or take a smaller",
        ),
    ],
    ids=["unforeseen", "memory"],
)
def test_an_error_of_another_library_is_told_without_its_text(error, sentence, tmp_path, monkeypatch, capfd):
    """As one raised inside MONAI's transforms, which wrap it."""
    three_scans(tmp_path / "in")

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("bpfl_med.transforms.load_scan.load_scan", fail)
    assert predict(tmp_path / "in", tmp_path / "out", "--all") == 2
    said = capfd.readouterr().err
    assert said.count(sentence) == 3
    assert "patient's name" not in said


def test_debug_shows_where_an_error_came_from(tmp_path, monkeypatch):
    three_scans(tmp_path / "in")
    break_second(monkeypatch, KeyError("tag"))
    with pytest.raises(KeyError, match="tag"):
        predict(tmp_path / "in", tmp_path / "out", "--all", "--debug")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a"]


def test_a_workflow_of_the_bundle_stops_at_the_first_bad_scan(tmp_path, monkeypatch):
    """Without the command, a scan that cannot be read raises."""
    three_scans(tmp_path / "in")
    (tmp_path / "in/b.nii").write_bytes(b"")

    def workflow(config_file: list[str], **given: object) -> ConfigWorkflow:
        return ConfigWorkflow(config_file=config_file, **{**given, "keep_going": False})

    monkeypatch.setattr("monai.bundle.ConfigWorkflow", workflow)
    assert predict(tmp_path / "in", tmp_path / "out", "--all") == 2
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a"]
    assert not nothing_written(tmp_path / "out")


def test_the_report_holds_the_volume_score(full):
    _, result = full
    (group,) = highdicom.sr.srread(result.folder / "report.sr.dcm").content.get_image_measurement_groups()
    (measurement,) = group.get_measurements()
    assert measurement.value == pytest.approx(result.record["scores"]["volume_score"], abs=1e-6)


def test_the_colour_series_shows_the_mask(full):
    phantom, result = full
    mask = result.array("mask").transpose(2, 1, 0) > 0
    order = load_series(choose_series(phantom.folder)).sop_instance_uids
    pictures = [pydicom.dcmread(file) for file in sorted((result.folder / "overlay_dicom").iterdir())]
    assert len(pictures) == len(order)
    for picture in pictures:
        shown = (picture.pixel_array == DISPLAY_COLOR.to_rgb()).all(-1)
        own = mask[order.index(picture.SourceImageSequence[0].ReferencedSOPInstanceUID)]
        assert not (shown & ~own).any()
        assert shown.any() == own.any()


def test_the_volume_of_the_mask_does_not_depend_on_the_axes(tmp_path):
    affine = np.eye(4)
    affine[:3, :3] = [[0, 0, 1], [2, 0, 0], [0, 3, 0]]
    scan = save_nifti(tmp_path / "a.nii", small_volume(), affine)
    assert predict(scan, tmp_path / "out", "--threshold", 0.5) == 0
    mask = result_of(tmp_path / "out").record["mask"]
    assert mask["n_voxels"] > 0
    assert mask["volume_mm3"] == pytest.approx(6 * mask["n_voxels"])


def test_the_sheet_and_the_console_show_the_most_suspicious_slices_that_lie_apart(tmp_path, monkeypatch, capsys):
    drawn: list[int] = []

    def draw(volume: object, prediction: object, index: int, **_: object) -> Image.Image:
        drawn.append(index)
        return Image.new("RGB", (4, 4))

    monkeypatch.setattr("bpfl_med.handlers.scan_writers.slice_picture", draw)
    brighter_from_slice_to_slice = small_volume((6, 7, 30)) + 100 * np.arange(30, dtype=np.int16)
    scan = save_nifti(tmp_path / "a.nii", brighter_from_slice_to_slice, np.diag([1.0, 1, 4, 1]))
    assert predict(scan, tmp_path / "out") == 0
    ranking = result_of(tmp_path / "out").record["scores"]["most_suspicious_slices"]
    assert len(drawn) == 6
    assert drawn[0] == ranking[0]
    passed_over = set(ranking[: ranking.index(drawn[-1])]) - set(drawn)
    assert all(any(4 * abs(near - shown) < 10 for shown in drawn) for near in passed_over)
    assert 4 * np.diff(sorted(drawn)).min() >= 10
    assert ranking[:3] != drawn[:3]
    assert f"slices to look at (from 0): {drawn[0]}, {drawn[1]}, {drawn[2]}" in capsys.readouterr().out


@pytest.mark.parametrize("plane", ["coronal", "sagittal"])
def test_pictures_one_row_wide_are_drawn(tmp_path, plane):
    write_series(tmp_path / "in", kind="single_slice")
    assert predict(tmp_path / "in", tmp_path / "out", "--plane", plane, "--threshold", 0.3, pictures=True) == 0
    assert "contact_sheet.png" in result_of(tmp_path / "out").files


def test_never_two_scans_are_in_memory(tmp_path, monkeypatch):
    alive: weakref.WeakSet[ScanVolume] = weakref.WeakSet()
    found = []

    def load(*args: Any, **options: Any) -> ScanVolume:
        gc.collect()
        found.append(len(alive))
        volume = load_scan(*args, **options)
        alive.add(volume)
        return volume

    monkeypatch.setattr("bpfl_med.transforms.load_scan.load_scan", load)
    three_scans(tmp_path / "in")
    assert predict(tmp_path / "in", tmp_path / "out", "--all") == 0
    assert found == [0, 0, 0]


def test_a_result_that_is_replaced_by_one_of_other_settings_is_said(tmp_path, capsys):
    path = save_nifti(tmp_path / "a.nii", small_volume())
    for class_name, told in [("brain", False), ("brain", False), ("brian", True)]:
        assert predict(path, tmp_path / "out", class_name=class_name) == 0
        said = capsys.readouterr().out
        assert ("replaces a result of other settings" in said) == told
    assert said.endswith("; replaces a result of other settings (settings.class_name was 'brain', is now 'brian')\n")


def test_a_map_without_uncertainty_has_no_panel_of_it(tmp_path, monkeypatch):
    """The intensity check has none, and an empty panel would be taken for certainty."""
    titles = []

    def draw(panels, **_):
        titles.extend(panel.title for panel in panels)
        return Image.new("RGB", (4, 4))

    monkeypatch.setattr("bpfl_med.figures.slice_picture.panels_picture", draw)
    assert predict(save_nifti(tmp_path / "a.nii", small_volume()), tmp_path / "out", pictures=True) == 0
    assert "scan" in titles
    assert "uncertainty" not in titles
