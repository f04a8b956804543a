"""A series is ordered by position, and what has no true geometry is refused by name."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import highdicom
import nibabel as nib
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from reading import select_series

from bpfl_med.demo.dicom_head import PATIENT_ID, PATIENT_NAME
from bpfl_med.demo.dicom_phantoms import write_series
from bpfl_med.dicom import DicomSeries, SeriesError, find_series, load_series, read_volume
from bpfl_med.dicom.frames import frames_of, is_image

TRUE_ORDER = [
    "axial",
    "sagittal",
    "coronal",
    "oblique",
    "reversed",
    "shuffled",
    "equal_instance_numbers",
    "duplicate_instance",
    "localiser",
    "clutter",
    "tilted",
    "enhanced_ct",
    "enhanced_mr",
    "enhanced_shuffled",
    "implicit_vr",
]

REFUSED = {
    "missing_slice": r"image012\.dcm, \S+image013\.dcm: these neighbours are 12\.00 mm apart, most others 6\.00 mm",
    "enhanced_gap": r"image001\.dcm \(frame 12\), \S+image001\.dcm \(frame 13\): these neighbours are 12\.00 mm apart",
    "two_phases": r"image001\.dcm, \S+image002\.dcm: two images at one slice position \(they differ in Acq",
    "two_echoes": r"two images at one slice position \(they differ in EchoTime\), at 24 positions",
    "enhanced_4d": r"\(frame 1\), \S+ \(frame 2\): two images .*\(they differ in TemporalPositionIndex\).* 4-D series",
    "mixed_orientation": r"image013\.dcm: another ImageOrientationPatient than the other 23 of 24 slices",
    "mixed_matrix": r"image013\.dcm: another matrix \(Rows x Columns\) than the other 23 of 24 slices",
    "mixed_spacing": r"image013\.dcm: another PixelSpacing than the other 23 of 24 slices",
    "mixed_frame_of_reference": r"image013\.dcm: another FrameOfReferenceUID than the other 23 of 24 slices",
    "shifted_slice": r"/image013\.dcm: shifted inside the slice plane",
    "no_position": r"/image013\.dcm: no usable ImagePositionPatient",
    "no_orientation": r"image001\.dcm, .* and 21 more: no usable ImageOrientationPatient",
    "no_spacing": r"no PixelSpacing above zero",
    "zero_spacing": r"no PixelSpacing above zero",
    "rgb": r"not a grey image",
    "truncated": r"image013\.dcm: its pixel data are cut short: 6044 bytes of 6144",
    "truncated_compressed": r"image013\.dcm: its compressed pixel data are cut short",
    "empty_file": r"image013\.dcm: the file is empty",
    "report": r"no image series \(DICOM objects that are no scanned images \(SR\): 1\)",
    "mixed_series": r"2 image series, so choose one by its UID .*: \S+ \(CT, \d+ slices, 64 x 48, axial, 3\.5 x 4\.2",
}


def edit(file: Path, **values: object) -> None:
    """Change attributes of a DICOM file in its place."""
    dataset = pydicom.dcmread(file)
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    dataset.save_as(file)


def lps(affine: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Patient coordinates (LPS, mm) of (column, row, slice) indices ``[n, 3]``."""
    return (indices @ affine[:3, :3].T + affine[:3, 3]) * [-1, -1, 1]


@pytest.mark.parametrize("kind", TRUE_ORDER)
def test_every_voxel_lies_where_the_affine_says(tmp_path, kind):
    phantom = write_series(tmp_path, kind=kind, seed=3)
    series = select_series(tmp_path)
    volume = read_volume(series).values
    assert series.series_uid == phantom.series_uid
    assert series.shape == volume.shape == (24, 64, 48)
    indices = np.indices(series.shape)[::-1].reshape(3, -1).T
    expected = phantom.head.hounsfield(lps(series.affine, indices)).reshape(series.shape)
    np.testing.assert_allclose(volume, expected, atol=0.51)  # stored as whole numbers
    lesion = np.argwhere((volume > 200) & (volume < 600))[:, ::-1]
    assert np.linalg.norm(lps(series.affine, lesion).mean(axis=0) - phantom.lesion_center) < 1.0
    assert (np.diff(series.positions @ np.cross(series.orientation[:3], series.orientation[3:])) > 0).all()


@pytest.mark.parametrize("kind", REFUSED)
def test_what_has_no_true_geometry_is_refused_by_name(tmp_path, kind):
    write_series(tmp_path, kind=kind)
    with pytest.raises(SeriesError, match=REFUSED[kind]) as error:
        select_series(tmp_path)
    text = str(error.value)
    assert "\n" not in text
    assert PATIENT_NAME not in text
    assert PATIENT_ID not in text


def assert_equal_in_space(series: DicomSeries, other: np.ndarray, other_affine: np.ndarray, atol: float = 1e-6) -> None:
    """Voxels of a series have equal ones at the same place (RAS, mm) in another reader's array of the same size."""
    volume = read_volume(series).values.transpose(2, 1, 0)
    indices = np.random.default_rng(0).integers(volume.shape, size=(50_000, 3))
    there = np.linalg.inv(other_affine) @ series.affine
    places = indices @ there[:3, :3].T + there[:3, 3]
    nearest = np.rint(places).astype(int)
    np.testing.assert_allclose(places, nearest, atol=1e-3)  # voxels
    np.testing.assert_allclose(other[tuple(nearest.T)], volume[tuple(indices.T)], rtol=1e-6, atol=atol)
    assert other.shape == tuple(np.array(volume.shape)[np.abs(there[:3, :3]).argmax(axis=1)])


def highdicom_volume(series: DicomSeries) -> tuple[np.ndarray, np.ndarray]:
    if len(set(series.files)) == 1:
        volume = highdicom.imread(series.files[0]).get_volume()
    else:
        volume = highdicom.get_volume_from_series([pydicom.dcmread(file) for file in series.files])
    return volume.array, np.diag([-1, -1, 1, 1]) @ volume.affine


@pytest.mark.parametrize(
    "kind",
    [
        "axial",
        "sagittal",
        "coronal",
        "oblique",
        "shuffled",
        "own_rescale",
        "jpeg_ls",
        "enhanced_shuffled",
        "enhanced_mr",
    ],
)
def test_phantoms_are_as_highdicom_reads_them(tmp_path, kind):
    write_series(tmp_path, kind=kind)
    series = select_series(tmp_path)
    assert_equal_in_space(series, *highdicom_volume(series), atol=1e-3)


@pytest.mark.parametrize("kind", ["axial", "oblique", "coronal"])
@pytest.mark.skipif(shutil.which("dcm2niix") is None, reason="dcm2niix is not installed")
def test_phantoms_are_as_dcm2niix_reads_them(tmp_path, kind):
    write_series(tmp_path / "in", kind=kind)
    (tmp_path / "out").mkdir()
    command = ["dcm2niix", "-m", "y", "-b", "n", "-f", "scan", "-o", str(tmp_path / "out"), str(tmp_path / "in")]
    subprocess.run(command, check=True, capture_output=True)
    image = nib.load(tmp_path / "out" / "scan.nii")
    assert_equal_in_space(select_series(tmp_path / "in"), image.get_fdata(), image.affine, atol=1e-3)


@pytest.mark.parametrize(
    "name", ["dicom_mr_schwannoma", "dicom_seg_liver/ct-3slice", "dicom_seg_liver/24x38x3/multiframe"]
)
def test_real_series_are_as_highdicom_reads_them(shared, name):
    series = select_series(shared / "data" / name)
    array, affine = highdicom_volume(series)
    array = np.where(array < -1500, array[array >= -1500].min(), array)  # the padding of this scanner
    assert_equal_in_space(series, array, affine)


def test_a_real_multi_frame_image_equals_the_single_frames_that_it_was_made_of(shared):
    folder = shared / "data/dicom_seg_liver/23x38x3"
    multi, single = select_series(folder / "multiframe"), select_series(folder / "image")
    np.testing.assert_array_equal(read_volume(multi).values, read_volume(single).values)
    np.testing.assert_allclose(multi.affine, single.affine, atol=1e-6)
    assert multi.frame_numbers == (1, 2, 3) or multi.frame_numbers == (3, 2, 1)


def test_what_is_dropped_is_named(tmp_path):
    scout = pydicom.dcmread(write_series(tmp_path / "a", kind="localiser").files[0])
    write_series(tmp_path / "b", kind="duplicate_instance")
    write_series(tmp_path / "c", kind="clutter")
    assert select_series(tmp_path / "a").notes == (
        f"Localiser images left out: SOPInstanceUID {scout.SOPInstanceUID}.",
    )
    assert select_series(tmp_path / "b").notes == (
        "Images found more than once (same SOPInstanceUID, same contents) and used once: 1.",
    )
    assert select_series(tmp_path / "c").notes == (
        "Passed over under the given path "
        "(DICOM objects that are no scanned images (SR): 1, files that are not DICOM: 1).",
    )


def test_one_instance_in_two_versions_is_refused(tmp_path):
    phantom = write_series(tmp_path)
    dataset = pydicom.dcmread(phantom.files[3])
    dataset.PixelData = bytes(len(dataset.PixelData))
    dataset.save_as(tmp_path / "other.dcm")
    with pytest.raises(
        SeriesError, match=r"image004\.dcm, \S+other\.dcm: the same SOPInstanceUID with different contents"
    ):
        select_series(tmp_path)


def test_a_multi_frame_image_found_twice_is_used_once(tmp_path):
    phantom = write_series(tmp_path, kind="enhanced_ct")
    (tmp_path / "copy.dcm").write_bytes(phantom.files[0].read_bytes())
    series = select_series(tmp_path)
    assert series.shape == (24, 64, 48)
    assert series.notes[0].endswith("used once: 24.")


def test_one_instance_compressed_and_plain_is_used_once(tmp_path):
    phantom = write_series(tmp_path)
    dataset = pydicom.dcmread(phantom.files[3])
    dataset.compress(pydicom.uid.RLELossless, generate_instance_uid=False)
    dataset.save_as(tmp_path / "other.dcm")
    assert len(select_series(tmp_path).files) == 24


def test_a_renumbered_copy_is_the_same_image(tmp_path):
    phantom = write_series(tmp_path)
    shutil.copy(phantom.files[3], tmp_path / "other.dcm")
    edit(tmp_path / "other.dcm", InstanceNumber=99)
    assert len(select_series(tmp_path).files) == 24


def test_one_series_of_several_is_taken_by_its_uid(tmp_path):
    phantom = write_series(tmp_path, kind="mixed_series")
    assert sorted(len(found.frames) for found in find_series(tmp_path)) == [8, 24]
    assert len(select_series(tmp_path, phantom.series_uid).files) == 24
    with pytest.raises(SeriesError, match=r"no image series 1\.2\.3; there are \S+ \(CT, "):
        select_series(tmp_path, "1.2.3")
    assert [len(load_series(found).files) for found in find_series(tmp_path)].count(8) == 1


def test_a_damaged_file_of_another_folder_does_not_stop_a_series(tmp_path):
    write_series(tmp_path / "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x.dcm").write_bytes(b"")
    assert len(select_series(tmp_path).files) == 24
    (tmp_path / "a" / "x.dcm").write_text("no DICOM")
    with pytest.raises(SeriesError, match=r"x\.dcm: the file is not DICOM, though it is named so"):
        select_series(tmp_path)


def test_a_damaged_header_is_named(tmp_path):
    phantom = write_series(tmp_path / "plain")
    raw = phantom.files[5].read_bytes()
    phantom.files[5].write_bytes(raw.replace(b"\x28\x00\x11\x00US", b"\x28\x00\x11\x00U?"))
    with pytest.raises(SeriesError, match=r"image006\.dcm: the file is cut short or its header is damaged"):
        select_series(tmp_path / "plain")
    phantom = write_series(tmp_path / "deflated", kind="deflated")
    phantom.files[5].write_bytes(phantom.files[5].read_bytes()[:-100])
    with pytest.raises(SeriesError, match=r"image006\.dcm: the file is cut short or its header is damaged"):
        select_series(tmp_path / "deflated")


def test_a_link_to_nothing_is_a_damaged_file(tmp_path):
    phantom = write_series(tmp_path)
    phantom.files[-1].unlink()
    phantom.files[-1].symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SeriesError, match=r"image024\.dcm: the file cannot be opened or read \(FileNotFoundError\)"):
        select_series(tmp_path)


def test_nothing_to_read_is_said(tmp_path):
    with pytest.raises(SeriesError, match="nowhere: no such file or folder"):
        find_series(tmp_path / "nowhere")
    with pytest.raises(SeriesError, match=r"no image series \(no files at all\)"):
        find_series(tmp_path)


def test_a_file_without_preamble_is_read(tmp_path):
    phantom = write_series(tmp_path)
    for file in phantom.files:
        dataset = pydicom.dcmread(file)
        dataset.file_meta.clear()
        pydicom.dcmwrite(file, dataset, implicit_vr=True, little_endian=True, force_encoding=True)
    series = select_series(tmp_path)
    assert read_volume(series).values.max() == 900


def test_an_unknown_transfer_syntax_is_refused(tmp_path):
    phantom = write_series(tmp_path)
    dataset = pydicom.dcmread(phantom.files[0])
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.100"
    dataset.PixelData = pydicom.encaps.encapsulate([b"1234"])
    dataset.save_as(phantom.files[0])
    with pytest.raises(
        SeriesError,
        match=r"image001\.dcm: its pixels are MPEG2 .* which no installed decoder reads; export it in another",
    ):
        select_series(tmp_path)


def test_a_whole_colour_file_of_two_samples_a_pixel_is_not_told_to_be_cut_short(tmp_path):
    """Native YBR_FULL_422 stores the colour of two pixels once."""
    for file in write_series(tmp_path).files:
        dataset = pydicom.dcmread(file)
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PlanarConfiguration = 3, "YBR_FULL_422", 0
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
        dataset.PixelData = bytes(2 * dataset.Rows * dataset.Columns)
        dataset.save_as(file)
    with pytest.raises(SeriesError, match="not a grey image"):
        select_series(tmp_path)


def test_an_image_without_samples_per_pixel_is_told(tmp_path):
    file = write_series(tmp_path).files[3]
    dataset = pydicom.dcmread(file)
    del dataset.SamplesPerPixel
    dataset.save_as(file)
    with pytest.raises(SeriesError, match=r"image004\.dcm: the image has no SamplesPerPixel; copy it"):
        select_series(tmp_path)


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="there is no file that opens and cannot be read")
def test_a_file_that_opens_and_cannot_be_read_costs_its_series_alone(tmp_path):
    good, bad = write_series(tmp_path / "good"), write_series(tmp_path / "bad", seed=1)
    bad.files[3].unlink()
    bad.files[3].symlink_to("/proc/self/mem")
    found = {series.series_uid: series for series in find_series(tmp_path)}
    assert len(load_series(found[good.series_uid]).files) == 24
    with pytest.raises(SeriesError, match=r"image004\.dcm: the file cannot be opened or read \(OSError\)"):
        load_series(found[bad.series_uid])


def test_a_missing_decoder_is_told(tmp_path, monkeypatch):
    write_series(tmp_path, kind="jpeg_2000")
    monkeypatch.setattr(type(pydicom.pixels.get_decoder(pydicom.uid.JPEG2000Lossless)), "is_available", False)
    with pytest.raises(
        SeriesError, match=r"pixels are JPEG 2000 .*, which no installed decoder reads .*; export it in another"
    ):
        select_series(tmp_path)


@pytest.mark.parametrize("odd", [0, 5], ids=["the first slice", "another slice"])
def test_slices_of_two_patients_are_no_series(tmp_path, odd):
    phantom = write_series(tmp_path)
    edit(phantom.files[odd], PatientID="SOMEBODY")
    with pytest.raises(SeriesError, match=r"another PatientID than the other 23 of 24 slices") as refusal:
        select_series(tmp_path)
    assert "SOMEBODY" not in str(refusal.value)


@pytest.mark.parametrize("tag", ["RescaleSlope", "RescaleIntercept"])
def test_a_slice_whose_values_are_no_hu_among_others_is_refused(tmp_path, tag):
    phantom = write_series(tmp_path)
    dataset = pydicom.dcmread(phantom.files[7])
    del dataset[tag]
    dataset.save_as(phantom.files[7])
    with pytest.raises(SeriesError, match=r"image008\.dcm: another presence of RescaleSlope and RescaleIntercept"):
        select_series(tmp_path)


def test_slices_of_mr_may_differ_in_having_a_rescale(tmp_path):
    phantom = write_series(tmp_path)
    for file in phantom.files:
        edit(file, Modality="MR", RescaleSlope=1, RescaleIntercept=0)
    dataset = pydicom.dcmread(phantom.files[7])
    del dataset.RescaleSlope, dataset.RescaleIntercept
    dataset.save_as(phantom.files[7])
    assert len(select_series(tmp_path).files) == 24


def test_a_series_that_was_thinned_evenly_is_noted(tmp_path):
    for file in write_series(tmp_path).files[1::2]:
        file.unlink()
    assert select_series(tmp_path).notes == (
        "Instance numbers between the lowest and the highest that no slice has: 11.",
    )


def test_a_damaged_slice_without_an_ending_is_refused_and_a_text_beside_slices_is_not(tmp_path):
    for file in write_series(tmp_path).files:
        file.rename(file.with_suffix(""))
    (tmp_path / "README").write_text("from the archive")
    assert select_series(tmp_path).shape[0] == 24
    slice_file = tmp_path / "image024"
    slice_file.write_bytes(slice_file.read_bytes()[:100])
    with pytest.raises(SeriesError, match=r"image024: the file is not DICOM, though it is named like the slices"):
        select_series(tmp_path)
    slice_file.write_bytes(b"")
    with pytest.raises(SeriesError, match=r"image024: the file is not DICOM, though it is named like the slices"):
        select_series(tmp_path)


@pytest.mark.parametrize("ending", [".dcm", ".DIC", ".dicom", ".IMA"])
def test_a_damaged_slice_with_an_ending_of_dicom_is_refused(tmp_path, ending):
    last = write_series(tmp_path).files[-1]
    last.write_bytes(last.read_bytes()[:100])
    last.rename(last.with_suffix(ending))
    with pytest.raises(SeriesError, match=rf"image024{ending}: the file is not DICOM, though it is named so"):
        select_series(tmp_path)


def test_a_damaged_slice_with_a_number_for_an_ending_is_refused(tmp_path):
    files = [file.rename(tmp_path / f"ct.{i:03}") for i, file in enumerate(write_series(tmp_path).files)]
    files[-1].write_bytes(files[-1].read_bytes()[:100])
    with pytest.raises(SeriesError, match=r"ct\.023: the file is not DICOM, though it is named like the slices"):
        select_series(tmp_path)


def test_an_image_without_a_size_is_damaged(tmp_path):
    edit(write_series(tmp_path).files[-1], Rows=0)
    with pytest.raises(SeriesError, match=r"image024\.dcm: the image has no Rows and Columns"):
        select_series(tmp_path)


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_a_series_is_described_by_its_plane(tmp_path, plane):
    write_series(tmp_path, kind=plane)
    assert f"64 x 48, {plane}, " in find_series(tmp_path)[0].description


def test_folders_behind_links_are_read_and_a_loop_ends(tmp_path):
    write_series(tmp_path / "elsewhere")
    (tmp_path / "study").mkdir()
    (tmp_path / "study/ct").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/loop").symlink_to(tmp_path / "study")
    assert select_series(tmp_path / "study").shape[0] == 24


def test_one_instance_at_two_places_is_refused(tmp_path):
    phantom = write_series(tmp_path)
    dataset = pydicom.dcmread(phantom.files[4])
    dataset.ImagePositionPatient = [*dataset.ImagePositionPatient[:2], dataset.ImagePositionPatient[2] + 600]
    dataset.save_as(tmp_path / "image999.dcm")
    with pytest.raises(SeriesError, match="the same SOPInstanceUID with different contents"):
        select_series(tmp_path)


TURNED = np.radians(0.4)
TURNED_AXES = [float(x) for x in (np.cos(TURNED), np.sin(TURNED), 0, -np.sin(TURNED), np.cos(TURNED), 0)]


@pytest.mark.parametrize(
    ("keyword", "value"),
    [("StudyInstanceUID", "1.2.3.4"), ("Modality", "MR"), ("ImageOrientationPatient", TURNED_AXES)],
)
def test_one_slice_that_differs_a_little_is_told(tmp_path, keyword, value):
    phantom = write_series(tmp_path)
    edit(phantom.files[4], **{keyword: value})
    with pytest.raises(SeriesError, match=rf"image005\.dcm: another {keyword} than the other 23 of 24"):
        select_series(tmp_path)


@pytest.mark.parametrize("factor", [1.005, 1.0005])
def test_half_a_percent_or_permille_is_another_spacing(tmp_path, factor):
    phantom = write_series(tmp_path)
    rows, columns = pydicom.dcmread(phantom.files[4]).PixelSpacing
    edit(phantom.files[4], PixelSpacing=[rows * factor, columns])
    with pytest.raises(SeriesError, match=r"image005\.dcm: another PixelSpacing"):
        select_series(tmp_path)


def test_axes_that_are_not_at_right_angles_are_refused(tmp_path):
    for file in write_series(tmp_path).files:
        edit(file, ImageOrientationPatient=[1, 0, 0, 0.05, 1, 0])
    with pytest.raises(SeriesError, match="no usable ImageOrientationPatient"):
        select_series(tmp_path)


@pytest.mark.parametrize("kind", ["LOCALIZER", "SCOUT"])
def test_overview_images_are_left_out(tmp_path, kind):
    write_series(tmp_path, kind="localiser")
    localisers = [file for file in tmp_path.rglob("*.dcm") if "LOCALIZER" in pydicom.dcmread(file).ImageType]
    assert localisers
    for file in localisers:
        edit(file, ImageType=["ORIGINAL", "PRIMARY", kind])
    assert select_series(tmp_path).shape == (24, 64, 48)


def test_a_series_of_nothing_but_overviews_is_read(tmp_path):
    for file in write_series(tmp_path).files:
        edit(file, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    assert select_series(tmp_path).shape == (24, 64, 48)


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
@pytest.mark.parametrize("value", ["", "1.2.x", "1" * 65])
def test_a_series_of_no_study_is_refused(tmp_path, value):
    for file in write_series(tmp_path).files:
        edit(file, StudyInstanceUID=value)
    with pytest.raises(SeriesError, match="no valid StudyInstanceUID, so results could not be filed with the study"):
        select_series(tmp_path)


def test_an_image_without_a_class_is_refused(tmp_path):
    phantom = write_series(tmp_path)
    dataset = pydicom.dcmread(phantom.files[2])
    del dataset.SOPClassUID
    dataset.save_as(phantom.files[2], enforce_file_format=False)
    with pytest.raises(SeriesError, match=r"image003\.dcm: the image has no SOPClassUID"):
        select_series(tmp_path)


def test_slices_without_an_identity_are_told_as_such(tmp_path):
    for file in write_series(tmp_path).files:
        edit(file, SOPInstanceUID="")
    with pytest.raises(SeriesError, match=r"image001\.dcm, .* and 21 more: no valid SOPInstanceUID"):
        select_series(tmp_path)


@pytest.mark.parametrize(
    "uid",
    [
        pydicom.uid.ParametricMapStorage,
        pydicom.uid.SegmentationStorage,
        pydicom.uid.RTDoseStorage,
        pydicom.uid.GrayscaleSoftcopyPresentationStateStorage,
    ],
)
def test_what_is_made_from_scans_is_no_scan(uid):
    dataset = Dataset()
    dataset.SOPClassUID = uid
    assert not is_image(dataset, has_pixels=True)


def test_frames_without_functional_groups_of_their_own_are_refused(tmp_path):
    (file,) = write_series(tmp_path, kind="enhanced_ct").files
    dataset = pydicom.dcmread(file)
    dataset.PerFrameFunctionalGroupsSequence.append(dataset.PerFrameFunctionalGroupsSequence[0])
    with pytest.raises(ValueError, match="24 frames but 25 functional groups"):
        list(frames_of(dataset, file))


def test_other_pixels_of_the_same_length_and_time_are_told(tmp_path):
    phantom = write_series(tmp_path)
    dataset = pydicom.dcmread(phantom.files[3])
    dataset.PixelData = dataset.PixelData[::-1]
    dataset.save_as(tmp_path / "other.dcm")
    for file in (phantom.files[3], tmp_path / "other.dcm"):
        os.utime(file, (10**9, 10**9))
    assert phantom.files[3].stat().st_size == (tmp_path / "other.dcm").stat().st_size
    with pytest.raises(SeriesError, match="the same SOPInstanceUID with different contents"):
        select_series(tmp_path)
