from __future__ import annotations

from pathlib import Path

import highdicom
import nibabel
import numpy as np
import pydicom
import pytest
from result_phantoms import (
    ALGORITHM,
    CREATED,
    dciodvfy,
    grid_points,
    lesion_scores,
    phantom_series,
    run,
    slices_of_frames,
    tool,
)

from bpfl_med.dicom.parametric_map import write_parametric_map
from bpfl_med.dicom.terms import ANATOMIC_REGIONS

# dicom3tools of 2022 does not know QUANTITY (PS3.3 C.8.16.1.4); the side of a paired part may be empty if unknown (2C).
ALLOWED = ("Unrecognized defined term <QUANTITY>", "is only permitted to be empty when actually unknown")


def findings(path: Path) -> list[str]:
    return [line for line in dciodvfy(path) if not any(allowed in line for allowed in ALLOWED)]


@pytest.mark.parametrize("kind", ["axial", "sagittal", "oblique", "reversed", "tilted", "uneven", "enhanced_shuffled"])
def test_every_score_lies_on_its_source_image(kind: str, tmp_path: Path) -> None:
    phantom, series = phantom_series(tmp_path / "series", kind)
    scores = lesion_scores(phantom, series)
    path = tmp_path / "map.dcm"
    write_parametric_map(path, scores, series, ALGORITHM, body_part="brain")

    parametric_map = pydicom.dcmread(path)
    slices = slices_of_frames(parametric_map, series)
    assert sorted(slices) == list(range(series.shape[0]))
    np.testing.assert_array_equal(parametric_map.pixel_array, scores[slices])
    assert parametric_map.pixel_array.dtype == np.float32
    assert parametric_map.FrameOfReferenceUID == series.frame_of_reference_uid
    assert parametric_map.BodyPartExamined == "BRAIN"
    np.testing.assert_array_equal(highdicom.imread(path).get_frames(), scores[slices])
    normal = np.cross(series.orientation[:3], series.orientation[3:])
    assert (np.diff(series.positions[slices] @ normal) > 0).all()
    assert findings(path) == []


@pytest.mark.parametrize("kind", ["axial", "coronal", "oblique", "enhanced_ct"])
def test_dcmqi_reads_the_same_scores_at_the_same_place(kind: str, tmp_path: Path) -> None:
    program = tool("paramap2itkimage")
    phantom, series = phantom_series(tmp_path / "series", kind)
    scores = lesion_scores(phantom, series)
    write_parametric_map(tmp_path / "map.dcm", scores, series, ALGORITHM)
    said = run(program, "--inputDICOM", tmp_path / "map.dcm", "--outputDirectory", tmp_path, "-t", "nii")
    assert (tmp_path / "pmap.nii.gz").is_file(), said

    image = nibabel.load(tmp_path / "pmap.nii.gz")
    read = np.asarray(image.dataobj)
    ras = nibabel.affines.apply_affine(image.affine, np.argwhere(np.ones(read.shape, bool)))
    lps = ras * [-1, -1, 1]
    distance = np.linalg.norm(lps - phantom.lesion_center, axis=-1)
    expected = np.exp(-((distance / phantom.lesion_radius) ** 2))
    assert read.size == scores.size
    np.testing.assert_allclose(read.ravel(), expected, atol=1e-4)
    corner = grid_points(series).reshape(-1, 3).min(axis=0)
    np.testing.assert_allclose(lps.min(axis=0), corner, atol=1e-3)


@pytest.mark.parametrize("body_part", [None, *ANATOMIC_REGIONS])
def test_every_body_part_gives_a_valid_object(body_part: str | None, tmp_path: Path) -> None:
    phantom, series = phantom_series(tmp_path / "series", "single_slice")
    write_parametric_map(
        tmp_path / "map.dcm",
        lesion_scores(phantom, series),
        series,
        ALGORITHM,
        body_part=body_part,
        label="Uncertainty",
    )
    assert findings(tmp_path / "map.dcm") == []


@pytest.mark.parametrize(("told", "expected"), [("NO", "NO"), ("YES", "YES"), (None, "YES")])
def test_a_map_may_show_the_patient_unless_the_source_does_not(told: str | None, expected: str, tmp_path: Path) -> None:
    phantom, series = phantom_series(tmp_path / "series", "single_slice")
    if told:
        image = pydicom.dcmread(series.files[0])
        image.RecognizableVisualFeatures = told
        image.save_as(series.files[0])
    write_parametric_map(tmp_path / "map.dcm", lesion_scores(phantom, series), series, ALGORITHM)
    assert pydicom.dcmread(tmp_path / "map.dcm").RecognizableVisualFeatures == expected
    assert findings(tmp_path / "map.dcm") == []


def test_same_input_and_time_give_the_same_bytes(tmp_path: Path) -> None:
    phantom, series = phantom_series(tmp_path / "series", "axial")
    scores = lesion_scores(phantom, series)
    for name, label in (("first", "Anomaly score"), ("second", "Anomaly score"), ("other", "Uncertainty")):
        write_parametric_map(tmp_path / name, scores, series, ALGORITHM, label=label, created=CREATED)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()
    assert pydicom.dcmread(tmp_path / "first").SOPInstanceUID != pydicom.dcmread(tmp_path / "other").SOPInstanceUID


def test_scores_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    phantom, series = phantom_series(tmp_path / "series", "axial")
    scores = lesion_scores(phantom, series)
    with pytest.raises(ValueError, match=r"on the grid of the series, \(24, 64, 48\), got \(23, 64, 48\)"):
        write_parametric_map(tmp_path / "map.dcm", scores[1:], series, ALGORITHM)
    with pytest.raises(ValueError, match=r"scores must be finite and in \[0, 1\], got 0.* to 2"):
        write_parametric_map(tmp_path / "map.dcm", scores * 2 / scores.max(), series, ALGORITHM)
    with pytest.raises(ValueError, match="no SNOMED code is known"):
        write_parametric_map(tmp_path / "map.dcm", scores, series, ALGORITHM, body_part="bolt")
    assert not (tmp_path / "map.dcm").exists()


def test_frames_count_up_in_their_dimension(tmp_path):
    phantom, series = phantom_series(tmp_path / "series", "axial")
    written = write_parametric_map(tmp_path / "map.dcm", lesion_scores(phantom, series), series, ALGORITHM)
    places = [g.FrameContentSequence[0].DimensionIndexValues for g in written.PerFrameFunctionalGroupsSequence]
    assert places == list(range(1, series.shape[0] + 1))
