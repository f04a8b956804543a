from __future__ import annotations

import dataclasses
import logging
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import highdicom
import nibabel
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from reading import select_series
from result_phantoms import (
    ALGORITHM,
    CREATED,
    SHARED,
    dciodvfy,
    frames,
    grid_points,
    lesion_mask,
    lesion_scores,
    needs_shared,
    phantom_series,
    run,
    slices_of_frames,
    tool,
)

from bpfl_med.dicom import DicomSeries, SeriesError, find_series, load_series
from bpfl_med.dicom.algorithm import Algorithm
from bpfl_med.dicom.derived_object import tracking_identifiers
from bpfl_med.dicom.segmentation import write_segmentation
from bpfl_med.dicom.source_images import read_source_images
from bpfl_med.dicom.terms import ANATOMIC_REGIONS, anatomic_region

VOLUMES = [
    "axial",
    "coronal",
    "sagittal",
    "oblique",
    "reversed",
    "shuffled",
    "enhanced_ct",
    "enhanced_mr",
    "enhanced_shuffled",
]
NO_VOLUMES = ["tilted", "uneven", "single_slice"]


def points_of(segmentation: Dataset, series: DicomSeries) -> np.ndarray:
    """``[voxels, 3]``, the marked voxels in patient space (LPS, mm)."""
    marked = np.zeros(series.shape, bool)
    marked[slices_of_frames(segmentation, series)] = frames(segmentation) > 0
    return grid_points(series)[marked]


@pytest.mark.parametrize("kind", [*VOLUMES, *NO_VOLUMES])
def test_frames_lie_on_their_source_images(kind: str, tmp_path: Path) -> None:
    phantom, series = phantom_series(tmp_path / "series", kind)
    mask = lesion_mask(phantom, series)
    path = tmp_path / "mask.seg.dcm"
    write_segmentation(path, mask, series, ALGORITHM, body_part="brain")

    segmentation = pydicom.dcmread(path)
    slices = slices_of_frames(segmentation, series)
    assert sorted(slices) == np.flatnonzero(mask.any(axis=(1, 2))).tolist(), "only the slices with something on them"
    np.testing.assert_array_equal(frames(segmentation), mask[slices])
    assert segmentation.FrameOfReferenceUID == series.frame_of_reference_uid
    (referenced,) = segmentation.ReferencedSeriesSequence
    assert referenced.SeriesInstanceUID == series.series_uid
    assert {i.ReferencedSOPInstanceUID for i in referenced.ReferencedInstanceSequence} == set(series.sop_instance_uids)
    if kind != "single_slice":
        assert np.linalg.norm(points_of(segmentation, series).mean(axis=0) - phantom.lesion_center) < 3.0
    assert dciodvfy(path) == []


@pytest.mark.parametrize("kind", [*VOLUMES, *NO_VOLUMES])
def test_highdicom_reads_it_back(kind: str, tmp_path: Path) -> None:
    phantom, series = phantom_series(tmp_path / "series", kind)
    mask = lesion_mask(phantom, series)
    write_segmentation(tmp_path / "mask.seg.dcm", mask, series, ALGORITHM)
    segmentation = highdicom.seg.segread(tmp_path / "mask.seg.dcm")
    if len(set(series.files)) == 1 and series.shape[0] > 1:
        read = segmentation.get_pixels_by_source_frame(
            series.sop_instance_uids[0],
            series.frame_numbers,
            combine_segments=True,
            assert_missing_frames_are_empty=True,
        )
    else:
        read = segmentation.get_pixels_by_source_instance(
            series.sop_instance_uids, combine_segments=True, assert_missing_frames_are_empty=True
        )
    np.testing.assert_array_equal(read, mask)


@pytest.mark.parametrize("kind", VOLUMES)
def test_dcmqi_reads_the_same_voxels_at_the_same_place(kind: str, tmp_path: Path) -> None:
    program = tool("segimage2itkimage")
    phantom, series = phantom_series(tmp_path / "series", kind)
    mask = lesion_mask(phantom, series)
    write_segmentation(tmp_path / "mask.seg.dcm", mask, series, ALGORITHM)
    said = run(program, "--inputDICOM", tmp_path / "mask.seg.dcm", "--outputDirectory", tmp_path, "-t", "nii")
    assert (tmp_path / "1.nii.gz").is_file(), said  # dcmqi leaves with 0 and no file where it does not like a geometry

    image = nibabel.load(tmp_path / "1.nii.gz")
    marked = np.argwhere(np.asarray(image.dataobj) > 0)
    ras = nibabel.affines.apply_affine(image.affine, marked)
    expected = grid_points(series)[mask] * [-1, -1, 1]
    assert len(ras) == len(expected)
    np.testing.assert_allclose(_sorted(ras), _sorted(expected), atol=1e-3)
    voxel_of = np.linalg.inv(series.affine)  # dcmqi crops the stack to the frames, so compare steps of the grid
    steps = np.abs((voxel_of @ image.affine)[:3, :3])
    np.testing.assert_allclose(np.sort(steps, axis=0), [[0, 0, 0], [0, 0, 0], [1, 1, 1]], atol=1e-4)


def _sorted(points: np.ndarray) -> np.ndarray:
    return points[np.lexsort(np.round(points, 2).T)]


@needs_shared
@pytest.mark.parametrize("segmentation_type", ["BINARY", "LABELMAP", "FRACTIONAL"])
@pytest.mark.parametrize("kind", ["oblique", "reversed", "enhanced_ct"])
def test_shared_checker_passes(kind: str, segmentation_type: str, tmp_path: Path) -> None:
    phantom, series = phantom_series(tmp_path / "series", kind)
    mask = lesion_mask(phantom, series)
    voxels = mask.astype(np.float32) * np.float32(0.8) if segmentation_type == "FRACTIONAL" else mask
    write_segmentation(tmp_path / "mask.seg.dcm", voxels, series, ALGORITHM, segmentation_type=segmentation_type)
    _check_seg(tmp_path, series, mask)


def _check_seg(tmp_path: Path, series: DicomSeries, mask: np.ndarray) -> None:
    """Run ../shared/tools/check_seg.py on ``mask.seg.dcm``."""
    index_to_ras = series.affine @ np.eye(4)[:, [2, 1, 0, 3]]  # of (slice, row, column)
    np.savez(tmp_path / "expected.npz", mask=mask, affine_ras=index_to_ras)
    folder = os.path.commonpath([file.parent for file in series.files])
    checker = SHARED / "tools" / "check_seg.py"
    command = [sys.executable, checker, folder, tmp_path / "mask.seg.dcm", "--mask", tmp_path / "expected.npz", "-v"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_shared
@pytest.mark.parametrize("segmentation_type", ["BINARY", "LABELMAP"])
def test_real_mr_series(segmentation_type: str, tmp_path: Path) -> None:
    (found,) = find_series(SHARED / "data" / "dicom_mr_schwannoma")
    series = load_series(found)
    mask = np.zeros(series.shape, bool)
    mask[28:33, 260:300, 310:345] = True
    mask[30, 250:260, 310:320] = True  # an asymmetric shape
    path = tmp_path / "mask.seg.dcm"
    write_segmentation(path, mask, series, ALGORITHM, body_part="brain", segmentation_type=segmentation_type)
    _check_seg(tmp_path, series, mask)
    assert [line for line in _known(dciodvfy(path), segmentation_type) if line.startswith("Error")] == []


@needs_shared
def test_real_segmentation_survives_the_way_through_our_writer(tmp_path: Path) -> None:
    data = SHARED / "data" / "dicom_seg_liver"
    (found,) = find_series(data / "ct-3slice")
    series = load_series(found)
    published = highdicom.seg.segread(data / "liver.dcm")
    mask = published.get_pixels_by_source_instance(
        series.sop_instance_uids, combine_segments=True, ignore_spatial_locations=True
    ).astype(bool)
    assert mask.any()
    write_segmentation(tmp_path / "mask.seg.dcm", mask, series, ALGORITHM, body_part="liver")
    _check_seg(tmp_path, series, mask)


def _known(lines: list[str], segmentation_type: str) -> list[str]:
    """Findings less those of a dicom3tools that does not know LABELMAP (SOP class 66.7, of 2024)."""
    unknown = ("SegmentNumber not monotonically increasing", "Information Object Not found")
    return [line for line in lines if segmentation_type != "LABELMAP" or not any(u in line for u in unknown)]


def test_labelmap_holds_the_mask(tmp_path: Path) -> None:
    phantom, series = phantom_series(tmp_path / "series", "oblique")
    mask = lesion_mask(phantom, series)
    write_segmentation(tmp_path / "mask.seg.dcm", mask, series, ALGORITHM, segmentation_type="LABELMAP")
    segmentation = pydicom.dcmread(tmp_path / "mask.seg.dcm")
    assert segmentation.SOPClassUID == "1.2.840.10008.5.1.4.1.1.66.7"
    np.testing.assert_array_equal(frames(segmentation), mask[slices_of_frames(segmentation, series)])
    assert _known(dciodvfy(tmp_path / "mask.seg.dcm"), "LABELMAP") == []


def test_fractional_holds_the_scores(tmp_path: Path) -> None:
    phantom, series = phantom_series(tmp_path / "series", "tilted")
    scores = lesion_scores(phantom, series)
    write_segmentation(tmp_path / "mask.seg.dcm", scores, series, ALGORITHM, segmentation_type="FRACTIONAL")
    segmentation = pydicom.dcmread(tmp_path / "mask.seg.dcm")
    slices = slices_of_frames(segmentation, series)
    stored = frames(segmentation)
    np.testing.assert_allclose(stored / 255, scores[slices], atol=0.5 / 255 + 1e-6)
    assert stored.any(axis=(1, 2)).all()
    assert np.delete(scores, slices, axis=0).max() * 255 <= 0.5 + 1e-4
    assert dciodvfy(tmp_path / "mask.seg.dcm") == []


@pytest.mark.parametrize("segmentation_type", ["BINARY", "LABELMAP", "FRACTIONAL"])
@pytest.mark.parametrize("kind", ["axial", "tilted", "enhanced_ct"])
def test_empty_mask_is_one_empty_frame(kind: str, segmentation_type: str, tmp_path: Path) -> None:
    _, series = phantom_series(tmp_path / "series", kind)
    voxels = np.zeros(series.shape, np.float32 if segmentation_type == "FRACTIONAL" else np.uint8)
    path = tmp_path / "mask.seg.dcm"
    write_segmentation(path, voxels, series, ALGORITHM, segmentation_type=segmentation_type)
    segmentation = pydicom.dcmread(path)
    assert slices_of_frames(segmentation, series) == [series.shape[0] // 2]
    assert not frames(segmentation).any()
    assert highdicom.seg.segread(path).segment_numbers == [1]
    assert _known(dciodvfy(path), segmentation_type) == []


@pytest.mark.parametrize(
    ("kind", "spacing"), [("axial", 6.0), ("tilted", None), ("uneven", None), ("enhanced_ct", 6.0)]
)
@pytest.mark.parametrize("empty", [True, False])
def test_spacing_between_slices_is_told_only_where_it_is_true(
    kind: str, spacing: float | None, empty: bool, tmp_path: Path
) -> None:
    phantom, series = phantom_series(tmp_path / "series", kind)
    mask = lesion_mask(phantom, series) & (not empty)
    write_segmentation(tmp_path / "mask.seg.dcm", mask, series, ALGORITHM)
    (measures,) = pydicom.dcmread(tmp_path / "mask.seg.dcm").SharedFunctionalGroupsSequence[0].PixelMeasuresSequence
    assert measures.get("SpacingBetweenSlices") == spacing


def test_segment_says_what_and_by_whom(tmp_path: Path) -> None:
    phantom, series = phantom_series(tmp_path / "series", "axial")
    mask = lesion_mask(phantom, series)
    segmentation = write_segmentation(
        tmp_path / "a.dcm", mask, series, ALGORITHM, body_part="brain", label="Suspicious"
    )
    (segment,) = segmentation.SegmentSequence
    assert segment.SegmentLabel == "Suspicious"
    assert segment.SegmentedPropertyCategoryCodeSequence[0].CodeValue == "49755003"
    assert segment.SegmentedPropertyTypeCodeSequence[0].CodeValue == "52988006"
    assert segment.AnatomicRegionSequence[0].CodeValue == "12738006"
    assert segment.SegmentAlgorithmType == "AUTOMATIC"
    (algorithm,) = segment.SegmentationAlgorithmIdentificationSequence
    assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("Bayes-PFL", "0.1.0")
    assert algorithm.AlgorithmFamilyCodeSequence[0].CodeValue == "123110"
    assert algorithm.AlgorithmParameters == "threshold=0.5,seed=7,checkpoint_sha256=" + "9f" * 32
    assert segment.TrackingID
    assert pydicom.uid.UID(segment.TrackingUID).is_valid
    assert len(segment.RecommendedDisplayCIELabValue) == 3


@pytest.mark.parametrize("body_part", [None, *ANATOMIC_REGIONS])
def test_every_body_part_gives_a_valid_object(body_part: str | None, tmp_path: Path) -> None:
    phantom, series = phantom_series(tmp_path / "series", "single_slice")
    mask = lesion_mask(phantom, series)
    write_segmentation(tmp_path / "mask.seg.dcm", mask, series, ALGORITHM, body_part=body_part)
    assert dciodvfy(tmp_path / "mask.seg.dcm") == []


def test_body_part_is_found_by_name() -> None:
    assert anatomic_region("Lumbar_Spine").body_part_examined == "LSPINE"
    assert anatomic_region(None).code.value == "38266002"
    with pytest.raises(ValueError, match=r"no SNOMED code is known.*use None or one of: abdomen, bladder, brain"):
        anatomic_region("bolt")


def test_same_input_and_time_give_the_same_bytes(tmp_path: Path) -> None:
    phantom, series = phantom_series(tmp_path / "series", "axial")
    mask = lesion_mask(phantom, series)
    first, second, later, other = (tmp_path / name for name in ("first", "second", "later", "other"))
    for path, created in ((first, CREATED), (second, CREATED), (later, datetime(2026, 3, 4, 5, 6, 8))):
        write_segmentation(path, mask, series, ALGORITHM, created=created)
    write_segmentation(
        other, mask, series, dataclasses.replace(ALGORITHM, checkpoint_sha256="00" * 32), created=CREATED
    )
    assert first.read_bytes() == second.read_bytes()
    uids = {pydicom.dcmread(path).SOPInstanceUID for path in (first, later, other)}
    assert len(uids) == 3
    tracking = [pydicom.dcmread(path).SegmentSequence[0].TrackingUID for path in (first, later, other)]
    assert tracking[0] == tracking[1] != tracking[2]


# ---- what the source says of the patient ----


def _edit(series: DicomSeries, change: Callable[[Dataset], None]) -> None:
    """Change the header of every file of a series, however wrong the new values are."""
    with pydicom.config.disable_value_validation(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for file in series.files:
            image = pydicom.dcmread(file)
            change(image)
            image.save_as(file)


def _untold(image: Dataset) -> None:
    for keyword in ("PatientSex", "PatientBirthDate", "StudyID", "AccessionNumber", "ReferringPhysicianName"):
        image.pop(keyword, None)


def _overlong(image: Dataset) -> None:
    image.AccessionNumber, image.StudyDescription, image.StudyID = "A" * 20, "d" * 80, "i" * 17


def _malformed(image: Dataset) -> None:
    image.PatientSex, image.PatientAge, image.PatientBirthDate, image.StudyTime = "W", "60Y", "2.1.1960", "10:11:12"
    image.AccessionNumber = ["1", "2"]
    image.PatientIdentityRemoved = "YES"


def _japanese(image: Dataset) -> None:
    image.SpecificCharacterSet = ["", "ISO 2022 IR 87"]
    image.PatientName = "Yamada^Tarou=山田^太郎=やまだ^たろう"


def _latin(image: Dataset) -> None:
    image.SpecificCharacterSet, image.PatientName = "ISO_IR 100", "Müller^Jörg"


def _no_thickness(image: Dataset) -> None:
    del image.SliceThickness
    image.SpacingBetweenSlices = "-1"


def _lossy(image: Dataset) -> None:
    image.LossyImageCompression, image.LossyImageCompressionRatio = "01", "12.5"
    image.LossyImageCompressionMethod = "ISO_10918_1"


@pytest.mark.parametrize("change", [_untold, _overlong, _malformed, _japanese, _latin, _no_thickness, _lossy])
def test_strange_sources_give_valid_objects(change: Callable[[Dataset], None], tmp_path: Path) -> None:
    phantom, series = phantom_series(tmp_path / "series", "axial")
    _edit(series, change)
    path = tmp_path / "mask.seg.dcm"
    write_segmentation(path, lesion_mask(phantom, series), series, ALGORITHM)
    findings = [line for line in dciodvfy(path) if "would be needed to build DICOMDIR" not in line]  # empty is allowed
    assert findings == []
    source, derived = pydicom.dcmread(series.files[0]), pydicom.dcmread(path)
    assert derived.PatientName == source.PatientName
    assert derived.PatientID == source.PatientID


@pytest.mark.parametrize("method", [None, "by hand"])
def test_a_removed_identity_that_cannot_be_taken_over_is_told(method: str | None, tmp_path: Path) -> None:
    """The standard asks how it was removed wherever it says that it was."""

    def remove(image: Dataset) -> None:
        image.PatientIdentityRemoved = "YES"
        if method:
            image.DeidentificationMethod = method

    _, series = phantom_series(tmp_path / "series", "single_slice")
    _edit(series, remove)
    patient_study = read_source_images(series).patient_study
    assert patient_study.left_out == (() if method else ("PatientIdentityRemoved",))
    assert ("PatientIdentityRemoved" in patient_study.attributes) == bool(method)


def test_source_without_frame_of_reference(tmp_path: Path) -> None:
    phantom, _ = phantom_series(tmp_path / "series", "axial")
    for file in phantom.files:
        image = pydicom.dcmread(file)
        del image.FrameOfReferenceUID
        image.save_as(file)
    (found,) = find_series(tmp_path / "series")
    series = load_series(found)
    mask = lesion_mask(phantom, series)
    for name in ("first", "second"):
        write_segmentation(tmp_path / name, mask, series, ALGORITHM)
    first, second = (pydicom.dcmread(tmp_path / name) for name in ("first", "second"))
    assert first.FrameOfReferenceUID == second.FrameOfReferenceUID
    assert first.FrameOfReferenceUID.is_valid
    np.testing.assert_array_equal(frames(first), mask[slices_of_frames(first, series)])
    assert dciodvfy(tmp_path / "first") == []


def test_undeclared_character_set(tmp_path: Path) -> None:
    phantom, series = phantom_series(tmp_path / "series", "axial")
    _edit(series, _latin)
    for file in series.files:
        file.write_bytes(file.read_bytes().replace(b"ISO_IR 100", b" " * 10, 1))
    write_segmentation(tmp_path / "mask.seg.dcm", lesion_mask(phantom, series), series, ALGORITHM)
    assert pydicom.dcmread(tmp_path / "mask.seg.dcm").PatientName == "Müller^Jörg"
    assert dciodvfy(tmp_path / "mask.seg.dcm") == []


def test_values_against_the_standard_are_left_empty_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    phantom, series = phantom_series(tmp_path / "series", "axial")
    _edit(series, _overlong)
    segmentation = write_segmentation(tmp_path / "mask.seg.dcm", lesion_mask(phantom, series), series, ALGORITHM)
    assert segmentation.AccessionNumber == ""
    assert "StudyDescription" not in segmentation
    assert "against the standard: AccessionNumber, StudyID, StudyDescription" in caplog.text


def test_nothing_of_the_patient_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    phantom, series = phantom_series(tmp_path / "series", "axial")

    def name(image: Dataset) -> None:
        image.PatientName, image.PatientID, image.PatientBirthDate = "Quux", "QUUX" * 20, "Quux-day"  # all wrong or odd

    _edit(series, name)
    with warnings.catch_warnings(record=True) as caught, caplog.at_level(logging.DEBUG):
        warnings.simplefilter("always")
        write_segmentation(tmp_path / "mask.seg.dcm", lesion_mask(phantom, series), series, ALGORITHM)
    out, err = capfd.readouterr()
    said = " ".join([caplog.text, out, err, *(str(w.message) for w in caught), *(p.name for p in tmp_path.rglob("*"))])
    assert not re.search("quux", said, re.IGNORECASE)
    assert pydicom.dcmread(tmp_path / "mask.seg.dcm").PatientName == "Quux"


# ---- refusals ----


def test_arrays_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    phantom, series = phantom_series(tmp_path / "series", "axial")
    mask, scores = lesion_mask(phantom, series), lesion_scores(phantom, series)
    path = tmp_path / "mask.seg.dcm"
    with pytest.raises(ValueError, match=r"on the grid of the series, \(24, 64, 48\), got \(24, 48, 64\)"):
        write_segmentation(path, mask.transpose(0, 2, 1), series, ALGORITHM)
    with pytest.raises(ValueError, match="a mask must be bool, or uint8 of 0 and 1, got int64 up to 1"):
        write_segmentation(path, mask.astype(np.int64), series, ALGORITHM)
    with pytest.raises(ValueError, match="a mask must be bool, or uint8 of 0 and 1, got uint8 up to 2"):
        write_segmentation(path, mask.astype(np.uint8) * 2, series, ALGORITHM)
    with pytest.raises(ValueError, match="scores must be float32, got bool"):
        write_segmentation(path, mask, series, ALGORITHM, segmentation_type="FRACTIONAL")
    scores[3, 4, 5] = np.nan
    with pytest.raises(ValueError, match=r"finite and in \[0, 1\], got nan to nan"):
        write_segmentation(path, scores, series, ALGORITHM, segmentation_type="FRACTIONAL")
    with pytest.raises(ValueError, match="must be BINARY, LABELMAP or FRACTIONAL, got 'binary'"):
        write_segmentation(path, mask, series, ALGORITHM, segmentation_type="binary")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="the label must be 1 to 64 printable ASCII characters without backslash"):
        write_segmentation(path, mask, series, ALGORITHM, label="a\\b")
    assert not path.exists()


def test_source_that_changed_meanwhile_is_refused(tmp_path: Path) -> None:
    phantom, series = phantom_series(tmp_path / "series", "axial")
    series.files[3].write_bytes(series.files[4].read_bytes())
    with pytest.raises(SeriesError, match="holds another object than when the series was read; run again"):
        write_segmentation(tmp_path / "mask.seg.dcm", lesion_mask(phantom, series), series, ALGORITHM)


def test_several_multi_frame_files_are_refused(tmp_path: Path) -> None:
    phantom, series = phantom_series(tmp_path / "series", "enhanced_ct")
    other = tmp_path / "other.dcm"
    image = pydicom.dcmread(series.files[0])
    image.SOPInstanceUID = "1.2.3"
    image.save_as(other)
    half = series.shape[0] // 2
    series = dataclasses.replace(
        series,
        files=series.files[:half] + (other,) * half,
        sop_instance_uids=series.sop_instance_uids[:half] + ("1.2.3",) * half,
    )
    with pytest.raises(SeriesError, match="24 slices lie in 2 multi-frame files"):
        write_segmentation(tmp_path / "mask.seg.dcm", lesion_mask(phantom, series), series, ALGORITHM)


def test_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    phantom, series = phantom_series(tmp_path / "series", "axial")

    def fail(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Dataset, "save_as", fail)
    with pytest.raises(OSError, match="disk full"):
        write_segmentation(tmp_path / "out" / "mask.seg.dcm", lesion_mask(phantom, series), series, ALGORITHM)
    assert list((tmp_path / "out").iterdir()) == []


def test_algorithm_must_fit_into_dicom() -> None:
    with pytest.raises(ValueError, match="the name of the algorithm must be 1 to 64 printable ASCII characters"):
        Algorithm("n" * 65, "1")
    with pytest.raises(ValueError, match="the version of the algorithm must be 1 to 64 printable ASCII characters"):
        Algorithm("Bayes-PFL", "")


def test_a_label_map_beside_its_series_is_no_scan(tmp_path: Path) -> None:
    phantom, series = phantom_series(tmp_path, "axial")
    write_segmentation(
        tmp_path / "mask.dcm", lesion_mask(phantom, series), series, ALGORITHM, segmentation_type="LABELMAP"
    )
    (found,) = find_series(tmp_path)
    assert (found.modality, len(found.frames)) == ("CT", series.shape[0])


def test_other_pixels_or_options_are_other_objects(tmp_path: Path) -> None:
    phantom, series = phantom_series(tmp_path / "series", "axial")
    mask = lesion_mask(phantom, series)
    larger = mask.copy()
    larger[0, 0, 0] = True
    options = [{}, {"label": "b"}, {"body_part": "brain"}, {"segmentation_type": "LABELMAP"}]
    uids = {
        write_segmentation(tmp_path / "s.dcm", voxels, series, ALGORITHM, created=CREATED, **option).SOPInstanceUID
        for voxels, option in [(larger, {}), *((mask, option) for option in options)]
    }
    assert len(uids) == 5


@pytest.mark.parametrize("name", ANATOMIC_REGIONS)
def test_codes_are_of_the_part_that_the_name_says(name: str) -> None:
    region = ANATOMIC_REGIONS[name]
    words = region.code.meaning.lower().replace("entire ", "whole ").split()
    assert set(name.split()) <= set(words)
    short = {"cervical spine": "CSPINE", "lumbar spine": "LSPINE", "thoracic spine": "TSPINE"}
    assert region.body_part_examined == short.get(name, name.replace(" ", "").upper())


def test_one_image_that_may_show_the_patient_is_enough(tmp_path):
    _, series = phantom_series(tmp_path, "axial")
    for file in series.files[1:]:
        image = pydicom.dcmread(file)
        image.RecognizableVisualFeatures = "NO"
        image.save_as(file)
    assert read_source_images(series).show_patient


def test_findings_of_two_series_are_two(tmp_path):
    one, other = (phantom_series(tmp_path / kind, kind)[1] for kind in ("axial", "oblique"))
    assert one.series_uid != other.series_uid
    assert tracking_identifiers(one, ALGORITHM) != tracking_identifiers(other, ALGORITHM)


def test_two_series_without_frame_of_reference_share_none(tmp_path):
    uids = set()
    for kind in ("axial", "oblique"):
        phantom, _ = phantom_series(tmp_path / kind, kind)
        for file in phantom.files:
            image = pydicom.dcmread(file)
            del image.FrameOfReferenceUID
            image.save_as(file)
        uids.add(read_source_images(select_series(tmp_path / kind)).datasets[0].FrameOfReferenceUID)
    assert len(uids) == 2
