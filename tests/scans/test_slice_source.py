"""A slice is named as a viewer names it, and a picture says which side of the patient is where."""

from __future__ import annotations

import nibabel as nib
import pydicom
import pytest
from scan_runs import predict, result_of, save_nifti, small_volume

from bpfl_med.data.scan_volume import load_scan
from bpfl_med.data.scans import find_scans
from bpfl_med.demo.dicom_phantoms import write_series
from bpfl_med.figures import slice_picture
from bpfl_med.inferers import VolumeInferer
from bpfl_med.networks import IntensityNetwork
from bpfl_med.slice_plane import SlicePlane
from bpfl_med.slice_source import describe_source, slice_source
from bpfl_med.transforms import WindowIntensity


@pytest.mark.parametrize("kind", ["reversed", "shuffled"])
def test_instance_numbers_are_those_of_the_files(tmp_path, capsys, kind):
    phantom = write_series(tmp_path / "in", kind=kind)
    numbers = {}
    for file in phantom.files:
        header = pydicom.dcmread(file, stop_before_pixels=True)
        numbers[header.SOPInstanceUID] = header.InstanceNumber
    assert predict(tmp_path / "in", tmp_path / "out", "--plane", "acquired") == 0
    record = result_of(tmp_path / "out").record
    rows = record["scores"]["slices"]
    assert {row["sop_instance_uid"]: row["instance_number"] for row in rows} == numbers
    first = record["scores"]["most_suspicious_slices"][0]
    named = f"slices to look at (from 0): {first} (instance number {rows[first]['instance_number']}), "
    assert named in capsys.readouterr().out


def test_a_frame_is_named_by_its_number_in_the_file(tmp_path):
    write_series(tmp_path / "in", kind="enhanced_ct")
    volume = load_scan(*find_scans(tmp_path / "in"))
    plane = SlicePlane.of_plane("acquired", volume.affine)
    assert volume.series is not None
    assert describe_source(volume, plane, 7) == f"frame {volume.series.frame_numbers[7]}"


@pytest.mark.parametrize("number", [None, "", "1\\2"])
def test_a_series_without_numbers_is_read_and_its_slices_have_none(tmp_path, number):
    phantom = write_series(tmp_path / "in")
    for file in phantom.files:
        dataset = pydicom.dcmread(file)
        if number is None:
            del dataset.InstanceNumber
        else:
            dataset.InstanceNumber = number
        dataset.save_as(file)
    volume = load_scan(*find_scans(tmp_path / "in"))
    plane = SlicePlane.of_plane("acquired", volume.affine)
    assert slice_source(volume, plane, 3)["instance_number"] is None
    assert describe_source(volume, plane, 3) == ""


def test_other_planes_and_volume_files_have_no_stored_images(tmp_path):
    write_series(tmp_path / "in", kind="axial")
    volume = load_scan(*find_scans(tmp_path / "in"))
    assert slice_source(volume, SlicePlane.of_plane("coronal", volume.affine), 3) == {}
    nifti = load_scan(*find_scans(save_nifti(tmp_path / "a.nii", small_volume())))
    assert describe_source(nifti, SlicePlane.of_plane("axial", nifti.affine), 1) == ""


def test_the_picture_tells_number_and_sides_where_they_are_known(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(slice_picture, "panels_picture", lambda *_, **told: drawn.append(told))
    write_series(tmp_path / "in", kind="axial")
    scans = [tmp_path / "in", save_nifti(tmp_path / "a.nii", small_volume()), tmp_path / "unknown.nii"]
    nib.save(nib.Nifti1Image(small_volume(), None), tmp_path / "unknown.nii")  # neither sform nor qform
    for scan in scans:
        volume = load_scan(*find_scans(scan))
        inferer = VolumeInferer(WindowIntensity([(40, 80)]), plane="axial", batch_size=4, device="cpu")
        prediction = inferer(volume, IntensityNetwork(), class_name="brain")
        slice_picture.slice_picture(volume, prediction, 2, threshold=0.5, class_name="brain", notice=None)
    series, known, unknown = drawn
    assert "slice 2 (of 24, from 0; instance number " in series["title"]
    assert series["edges"] == known["edges"] == "RLAP"
    assert "slice 2 (of 4, from 0), slice score" in known["title"]
    assert unknown["edges"] is None
