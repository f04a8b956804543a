from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from result_phantoms import ALGORITHM, CREATED, dciodvfy, lesion_mask, lesion_scores, phantom_series

from bpfl_med.dicom.secondary_capture import render, write_secondary_capture
from bpfl_med.dicom.terms import DISPLAY_COLOR


@pytest.mark.parametrize(
    ("kind", "along_row_and_column"),
    [
        ("axial", ["L", "P"]),
        ("coronal", ["L", "F"]),
        ("sagittal", ["P", "F"]),
        ("tilted", ["L", "P"]),
        ("enhanced_ct", None),
    ],
)
def test_one_picture_per_slice(kind: str, along_row_and_column: list[str] | None, tmp_path: Path) -> None:
    phantom, series = phantom_series(tmp_path / "series", kind)
    scores, mask = lesion_scores(phantom, series), lesion_mask(phantom, series)
    grey = np.full(series.shape, 0.25, np.float32)
    files = write_secondary_capture(tmp_path / "overlay", grey, scores, mask, series, ALGORITHM, body_part="brain")

    pictures = [pydicom.dcmread(file) for file in files]
    assert [picture.InstanceNumber for picture in pictures] == list(range(1, series.shape[0] + 1))
    assert len({picture.SeriesInstanceUID for picture in pictures}) == 1
    assert len({picture.SOPInstanceUID for picture in pictures}) == series.shape[0]
    for index, picture in enumerate(pictures):
        np.testing.assert_array_equal(picture.pixel_array, render(grey[index], scores[index], mask[index]))
        (source,) = picture.SourceImageSequence
        assert source.ReferencedSOPInstanceUID == series.sop_instance_uids[index]
        if kind == "enhanced_ct":
            assert source.ReferencedFrameNumber == series.frame_numbers[index]
        assert picture.PatientID == pydicom.dcmread(series.files[index]).PatientID
    if along_row_and_column:
        assert list(pictures[0].PatientOrientation) == along_row_and_column
    assert dciodvfy(files[0]) == []


def test_lossy_history_is_kept(tmp_path: Path) -> None:
    phantom, series = phantom_series(tmp_path / "series", "single_slice")
    image = pydicom.dcmread(series.files[0])
    image.LossyImageCompression, image.LossyImageCompressionRatio = "01", "12.5"
    image.LossyImageCompressionMethod = "ISO_10918_1"
    image.save_as(series.files[0])
    scores = lesion_scores(phantom, series)
    files = write_secondary_capture(tmp_path / "overlay", scores, scores, scores > 0.5, series, ALGORITHM)
    assert pydicom.dcmread(files[0]).LossyImageCompression == "01"
    assert dciodvfy(files[0]) == []


@pytest.mark.parametrize("burned_in", ["YES", "NO", None])
def test_a_name_that_is_burnt_into_the_source_is_not_denied(burned_in: str | None, tmp_path: Path) -> None:
    phantom, series = phantom_series(tmp_path / "series", "single_slice")
    if burned_in:
        image = pydicom.dcmread(series.files[0])
        image.BurnedInAnnotation = burned_in
        image.save_as(series.files[0])
    scores = lesion_scores(phantom, series)
    files = write_secondary_capture(tmp_path / "overlay", scores, scores, scores > 0.5, series, ALGORITHM)
    assert pydicom.dcmread(files[0]).get("BurnedInAnnotation") == burned_in
    assert dciodvfy(files[0]) == []


def test_colours() -> None:
    image = np.full((9, 9), 0.5)
    mask = np.zeros((9, 9), bool)
    mask[2:7, 2:7] = True
    picture = render(image, np.zeros((9, 9)), mask)
    assert (picture[0, 0] == 128).all(), "a score of 0 leaves the image as it was"
    assert (picture[4, 4] == 128).all(), "the mask is drawn as an outline"
    assert tuple(picture[2, 4]) == DISPLAY_COLOR.to_rgb()
    hot, cold = (
        render(image, np.full((9, 9), 0.9), ~mask & False)[4, 4],
        render(image, np.full((9, 9), 0.3), mask)[4, 4],
    )
    assert hot[0] > hot[2]
    assert cold[0] < cold[2]


def test_folder_is_replaced_whole_and_bytes_are_the_same(tmp_path: Path) -> None:
    phantom, series = phantom_series(tmp_path / "series", "axial")
    scores, mask = lesion_scores(phantom, series), lesion_mask(phantom, series)
    folder = tmp_path / "overlay"
    written = []
    for _ in range(2):
        files = write_secondary_capture(folder, scores, scores, mask, series, ALGORITHM, created=CREATED)
        written.append([file.read_bytes() for file in files])
        (folder / "9999.dcm").touch()
    assert written[0] == written[1]
    write_secondary_capture(folder, scores, scores, mask, series, ALGORITHM)
    assert not (folder / "9999.dcm").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["overlay", "series"]


def test_failed_write_leaves_the_old_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    phantom, series = phantom_series(tmp_path / "series", "axial")
    scores, mask = lesion_scores(phantom, series), lesion_mask(phantom, series)
    folder = tmp_path / "overlay"
    write_secondary_capture(folder, scores, scores, mask, series, ALGORITHM, created=CREATED)
    before = {file.name: file.read_bytes() for file in folder.iterdir()}

    def fail(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(pydicom.Dataset, "save_as", fail)
    with pytest.raises(OSError, match="disk full"):
        write_secondary_capture(folder, scores, scores, mask, series, ALGORITHM)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["overlay", "series"]


def test_arrays_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    phantom, series = phantom_series(tmp_path / "series", "axial")
    scores, mask = lesion_scores(phantom, series), lesion_mask(phantom, series)
    with pytest.raises(ValueError, match=r"scores must be finite and in \[0, 1\]"):
        write_secondary_capture(tmp_path / "overlay", scores - 1, scores, mask, series, ALGORITHM)
    assert not (tmp_path / "overlay").exists()


def test_pixels_have_the_size_of_the_scans(tmp_path: Path) -> None:
    phantom, series = phantom_series(tmp_path / "series", "axial")
    assert series.pixel_spacing[0] != series.pixel_spacing[1]
    scores, mask = lesion_scores(phantom, series), lesion_mask(phantom, series)
    first, *_ = write_secondary_capture(tmp_path / "overlay", scores, scores, mask, series, ALGORITHM)
    assert list(pydicom.dcmread(first).PixelSpacing) == pytest.approx(series.pixel_spacing)


def test_a_picture_refers_to_its_own_frame(tmp_path):
    phantom, series = phantom_series(tmp_path / "series", "enhanced_shuffled")
    scores = lesion_scores(phantom, series)
    files = write_secondary_capture(tmp_path / "o", scores, scores, scores > 0.5, series, ALGORITHM)
    told = [pydicom.dcmread(file).SourceImageSequence[0].ReferencedFrameNumber for file in files]
    assert told == list(series.frame_numbers) != list(range(1, len(files) + 1))
