"""From a file to its overlays: with the intensity backbone the map must be the scan, voxel for voxel, in its place."""

from __future__ import annotations

import subprocess
import sys
from itertools import permutations, product
from pathlib import Path

import highdicom
import nibabel as nib
import numpy as np
import pydicom
import pytest
from scan_runs import (
    BRAIN,
    NIFTI_FILES,
    Result,
    in_order,
    lps_points,
    predict,
    result_of,
    save_nifti,
    seg_points,
    small_volume,
    windowed,
)
from scipy.spatial.transform import Rotation

from bpfl_med.demo.dicom_head import pixel_points
from bpfl_med.demo.dicom_phantoms import DicomPhantom, write_series
from bpfl_med.slice_plane import SlicePlane

# Kinds whose slices were acquired in another plane are cut across their slices by the default plane, axial.
DEFAULT_PLANE = [
    *("axial", "coronal", "sagittal", "oblique", "tilted", "reversed", "shuffled", "equal_instance_numbers"),
    *("duplicate_instance", "localiser", "clutter", "single_slice", "monochrome1", "own_rescale", "padding"),
    *("undeclared_padding", "enhanced_ct", "enhanced_shuffled", "enhanced_mr", "implicit_vr", "deflated", "rle"),
    *("jpeg_ls", "jpeg_2000", "jpeg_lossless"),
]
RUNS = [(kind, None) for kind in DEFAULT_PLANE] + [
    (kind, plane)
    for kind in ("axial", "coronal", "oblique", "tilted", "reversed")
    for plane in ("coronal", "sagittal", "acquired")
]
BONE_WINDOW = (600 - 2800 / 2, 600 + 2800 / 2)
LESION = (160.0, 600.0)  # HU; brain is below, skull above


def run(kind: str, plane: str | None, folder: Path) -> tuple[DicomPhantom, Result]:
    phantom = write_series(folder / "in", kind=kind, seed=5)
    plane_option = ["--plane", plane] if plane else []
    if kind == "enhanced_mr":  # its range is that of the foreground, in which the lesion is brighter than the brain
        options, modality = ("--threshold", 0.15, *plane_option), "mr"
    else:
        low, high = BONE_WINDOW
        options, modality = ("--threshold", (LESION[0] - low) / (high - low), *plane_option), "ct-bone"
    assert predict(folder / "in", folder / "out", *options, modality=modality) == 0
    result = result_of(folder / "out")
    if modality == "ct-bone":
        np.testing.assert_allclose(result.record["settings"]["black_and_white"], [BONE_WINDOW] * 3)
    return phantom, result


@pytest.mark.parametrize(("kind", "plane"), RUNS)
def test_dicom_overlays_lie_on_the_scan(kind, plane, tmp_path):
    phantom, result = run(kind, plane, tmp_path)
    assert result.folder.name == phantom.series_uid
    anomaly_map, mask = result.array("anomaly_map"), result.array("mask")
    points = lps_points(result.image("anomaly_map").affine, anomaly_map.shape)
    ((low, high), *_) = result.record["settings"]["black_and_white"]
    expected = windowed(phantom.head.hounsfield(points), low, high)
    slices = SlicePlane.of_plane(result.record["settings"]["plane"], result.image("anomaly_map").affine).pictures
    for row in result.record["scores"]["slices"]:  # an empty one is 0, whatever it holds
        slices(expected)[row["index"]] *= not row["empty"]
    np.testing.assert_allclose(anomaly_map, expected, atol=1.5 / (high - low))  # values are stored as whole numbers
    np.testing.assert_array_equal(mask, anomaly_map >= result.record["mask"]["threshold"])

    np.testing.assert_allclose(seg_points(result.folder / "mask.seg.dcm"), in_order(points[mask > 0]), atol=2e-3)
    if kind != "single_slice":
        lesion = points[(mask > 0) & (anomaly_map < (LESION[1] - low) / (high - low))]
        assert np.linalg.norm(lesion.mean(axis=0) - phantom.lesion_center) < 1.0
    assert result.image("mask").get_data_dtype() == np.uint8
    assert result.image("anomaly_map").get_data_dtype() == np.float32


def test_uneven_slices_have_a_seg_and_no_nifti(tmp_path):
    phantom, result = run("uneven", None, tmp_path)
    assert result.record["omitted"].keys() == set(NIFTI_FILES)
    assert "no single affine would be true" in result.record["omitted"]["mask.nii.gz"]
    assert not [name for name in result.files if name.endswith(".nii.gz")]
    assert result.record["input"]["affine_ras_mm"] is None
    assert result.record["mask"]["volume_mm3"] is None
    expected = []
    for file in phantom.files:
        header = pydicom.dcmread(file)
        points = pixel_points(np.array(header.ImagePositionPatient), np.array(header.ImageOrientationPatient))
        expected.append(points[phantom.head.hounsfield(points) > LESION[0]])
    np.testing.assert_allclose(
        seg_points(result.folder / "mask.seg.dcm"), in_order(np.concatenate(expected)), atol=2e-3
    )
    result.check_listing()


def test_uneven_slices_are_not_cut_across(tmp_path, capfd):
    write_series(tmp_path / "in", kind="uneven")
    assert predict(tmp_path / "in", tmp_path / "out", "--plane", "coronal") == 2
    assert "unevenly spaced" in capfd.readouterr().err


@pytest.mark.parametrize("kind", ["axial", "oblique", "coronal", "reversed"])
def test_the_shared_checker_accepts_the_seg(kind, tmp_path, shared):
    _, result = run(kind, None, tmp_path)
    check_seg(shared, tmp_path / "in", result)


def test_the_schwannoma_series(tmp_path, shared):
    source = shared / "data/dicom_mr_schwannoma"
    assert predict(source, tmp_path / "out", "--threshold", "p99.5", modality="mr") == 0
    result = result_of(tmp_path / "out")
    check_seg(shared, source, result)
    mask = result.array("mask")
    np.testing.assert_array_equal(mask, result.array("anomaly_map") >= np.float32(result.record["mask"]["threshold"]))
    assert 0.003 < mask.mean() < 0.01

    segmentation = highdicom.seg.segread(result.folder / "mask.seg.dcm")
    volume = segmentation.get_volume(combine_segments=True)
    indices = np.argwhere(volume.array > 0)
    theirs = nib.affines.apply_affine(volume.affine, indices)
    ours = lps_points(result.image("mask").affine, mask.shape)[mask > 0]
    np.testing.assert_allclose(in_order(theirs), in_order(ours), atol=2e-3)


def check_seg(shared: Path, source: Path, result: Result) -> None:
    """Run the checker that is not ours."""
    checker = shared / "tools/check_seg.py"
    if not checker.is_file():
        pytest.skip("../shared/tools/check_seg.py is not beside the checkout")
    seg, mask = result.folder / "mask.seg.dcm", result.folder / "mask.nii.gz"
    command = [sys.executable, checker, source, seg, "--mask", mask, "--require", "hd", "-v"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


# A volume in RAS with a bright block left, in front and above the middle, at a known place.
PATIENT = np.full((8, 9, 7), 10, np.int16) + np.arange(8 * 9 * 7, dtype=np.int16).reshape(8, 9, 7) % 11
PATIENT[1:3, 6:8, 4:6] = 75
PATIENT[:, :, 0] = -1000
PATIENT_AFFINE = nib.affines.from_matvec(np.diag([1.5, 2.0, 3.0]), [-10.0, 20.0, 30.0])
BLOCK_CENTER = nib.affines.apply_affine(PATIENT_AFFINE, [1.5, 6.5, 4.5])
ORIENTATIONS = [
    np.column_stack([order, signs]) for order in permutations(range(3)) for signs in product([1, -1], repeat=3)
]


@pytest.fixture(scope="module")
def oriented(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same patient in all 48 orders and directions of the voxel axes, int16 and float32, packed or not; scored."""
    root = tmp_path_factory.mktemp("oriented")
    turn = nib.affines.from_matvec(Rotation.from_euler("xyz", [8, -11, 14], degrees=True).as_matrix())
    image = nib.Nifti1Image(PATIENT, PATIENT_AFFINE)
    for number, orientation in enumerate(ORIENTATIONS):
        turned = image.as_reoriented(orientation)
        values = np.asarray(turned.dataobj).astype([np.int16, np.float32][number % 2])
        suffix = ["nii", "nii.gz"][number // 2 % 2]
        save_nifti(root / f"in/straight{number:02d}.{suffix}", values, turned.affine)
        save_nifti(root / f"in/oblique{number:02d}.{suffix}", values, turn @ turned.affine)
    assert predict(root / "in", root / "out", "--all") == 0
    return root


@pytest.mark.parametrize("kind", ["straight", "oblique"])
def test_nifti_in_all_48_orientations(oriented, kind):
    turn = nib.affines.from_matvec(Rotation.from_euler("xyz", [8, -11, 14], degrees=True).as_matrix())
    center = BLOCK_CENTER if kind == "straight" else nib.affines.apply_affine(turn, BLOCK_CENTER)
    for number in range(48):
        (source,) = (oriented / "in").glob(f"{kind}{number:02d}.*")
        result = Result(oriented / f"out/{kind}{number:02d}")
        scan = nib.load(source)
        check_on_grid(result, scan)
        expected = windowed(np.asarray(scan.dataobj), *BRAIN)
        anomaly_map, mask = result.array("anomaly_map"), result.array("mask")
        np.testing.assert_allclose(anomaly_map, expected, atol=1e-6)
        assert (anomaly_map[expected == 0] == 0).all()
        assert sum(row["empty"] for row in result.record["scores"]["slices"]) == 1
        np.testing.assert_array_equal(mask, anomaly_map >= 0.5)
        found = nib.affines.apply_affine(result.image("mask").affine, np.argwhere(mask)).mean(axis=0)
        np.testing.assert_allclose(found, center, atol=1e-4)


def check_on_grid(result: Result, scan: nib.Nifti1Image) -> None:
    """Every overlay has the shape, affine, codes and units of the scan."""
    for name in ("anomaly_map", "mask", "uncertainty"):
        image = result.image(name)
        assert type(image) is type(scan)
        assert image.shape == scan.shape[:3]
        np.testing.assert_array_equal(image.affine, scan.affine)
        np.testing.assert_array_equal(image.get_sform(), scan.get_sform())
        np.testing.assert_array_equal(image.get_qform(), scan.get_qform())
        for field in ("sform_code", "qform_code", "xyzt_units"):
            assert image.header[field] == scan.header[field], field


HEADERS = {
    "sform_only": ("sform", 2),
    "qform_only": ("qform", 1),
    "standard_space": ("both", 4),
    "no_code": ("none", 0),
    "metres": ("metres", 1),
    "sheared": ("sheared", 1),
}


@pytest.fixture(scope="module")
def awkward(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """NIfTI files whose headers or shapes are unusual; scored."""
    root = tmp_path_factory.mktemp("awkward")
    values = small_volume()
    for name, (form, code) in HEADERS.items():
        affine = PATIENT_AFFINE.copy()
        if form == "sheared":
            affine[0, 2] += 0.8
        if form == "metres":
            affine[:3] /= 1000
        image = nib.Nifti1Image(values, affine)
        image.header.set_xyzt_units("meter" if form == "metres" else "mm", "sec")
        image.set_sform(affine, code=code if form in ("sform", "both", "metres", "sheared") else 0)
        image.set_qform(affine if form != "sheared" else None, code=code if form in ("qform", "both") else 0)
        (root / "in").mkdir(exist_ok=True)
        nib.save(image, root / f"in/{name}.nii.gz")
    save_nifti(root / "in/flat.nii.gz", values[:, :, 0])
    save_nifti(root / "in/trailing.nii", values[..., None])
    nib.save(nib.Nifti2Image(values, PATIENT_AFFINE), root / "in/nifti2.nii.gz")
    scaled = nib.Nifti1Image(values.astype(np.int16), PATIENT_AFFINE)
    scaled.header.set_slope_inter(0.5, 7)
    nib.save(scaled, root / "in/scaled.nii.gz")
    assert predict(root / "in", root / "out", "--all") == 0
    return root


@pytest.mark.parametrize("name", [*HEADERS, "flat", "trailing", "nifti2", "scaled"])
def test_unusual_nifti_headers(awkward, name):
    (source,) = (awkward / "in").glob(f"{name}.*")
    scan, result = nib.load(source), Result(awkward / "out" / name)
    check_on_grid(result, scan)
    expected = windowed(scan.get_fdata(), *BRAIN).reshape(result.array("anomaly_map").shape)
    np.testing.assert_allclose(result.array("anomaly_map"), expected, atol=1e-6)
    notes = {"no_code": "left and right cannot", "metres": "metre", "sheared": "sheared", "flat": "2-D"}
    assert notes.get(name, "") in " ".join(result.record["input"]["notes"])


def test_one_volume_of_a_4d_file(tmp_path):
    values = np.stack([small_volume(seed=seed) for seed in range(3)], axis=-1)
    save_nifti(tmp_path / "in.nii.gz", values, PATIENT_AFFINE)
    assert predict(tmp_path / "in.nii.gz", tmp_path / "out", "--volume", 2) == 0
    result = result_of(tmp_path / "out")
    check_on_grid(result, nib.load(tmp_path / "in.nii.gz"))
    np.testing.assert_allclose(result.array("anomaly_map"), windowed(values[..., 2], *BRAIN), atol=1e-6)
    assert result.record["input"]["notes"] == ["Volume 2 of 3 was taken (counted from 0)."]


def test_nrrd_lies_where_its_header_says(tmp_path):
    itk = pytest.importorskip("itk")
    direction = Rotation.from_euler("zyx", [25, -10, 15], degrees=True).as_matrix() @ np.diag([1, -1, 1])
    image = itk.image_from_array(np.ascontiguousarray(PATIENT.T))
    image.SetSpacing([1.5, 2.0, 3.0])
    image.SetOrigin([4.0, 5.0, -6.0])
    image.SetDirection(itk.matrix_from_array(direction))
    itk.imwrite(image, str(tmp_path / "scan.nrrd"))
    assert predict(tmp_path / "scan.nrrd", tmp_path / "out") == 0
    result = result_of(tmp_path / "out")
    lps = nib.affines.from_matvec(direction * [1.5, 2.0, 3.0], [4.0, 5.0, -6.0])
    np.testing.assert_allclose(result.image("mask").affine, np.diag([-1, -1, 1, 1]) @ lps, atol=1e-5)
    np.testing.assert_allclose(result.array("anomaly_map"), windowed(PATIENT, *BRAIN), atol=1e-6)
    result.check_listing()
