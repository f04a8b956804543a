"""The phantoms are the same for the same seed, valid, and hold the awkward form that they are named after."""

from __future__ import annotations

import shutil
import subprocess

import numpy as np
import pydicom
import pytest

from bpfl_med.demo.dicom_head import Head
from bpfl_med.demo.dicom_phantoms import KINDS, write_series


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_the_same_for_the_same_seed(tmp_path, kind):
    one, two = write_series(tmp_path / "1", kind=kind, seed=4), write_series(tmp_path / "2", kind=kind, seed=4)
    assert [f.read_bytes() for f in one.files] == [f.read_bytes() for f in two.files]
    assert one.series_uid == two.series_uid


def test_another_seed_is_another_patient(tmp_path):
    one, two = write_series(tmp_path / "1", seed=1), write_series(tmp_path / "2", seed=2)
    assert one.series_uid != two.series_uid
    assert np.linalg.norm(one.lesion_center - two.lesion_center) > 0.5


def test_the_lesion_is_off_every_middle_plane_and_inside_the_brain():
    for seed in range(20):
        head = Head.from_seed(seed)
        away = head.lesion_center - [4.0, -12.0, 35.0]
        assert (np.abs(away) > 10).all()
        rim = head.lesion_center + head.lesion_radius * np.vstack([np.eye(3), -np.eye(3)])
        assert (head.hounsfield(rim * 0.999 + head.lesion_center * 0.001) == 300).all()


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (Debian package dicom3tools) is not installed")
@pytest.mark.parametrize("kind", ["axial", "oblique", "tilted", "uneven", "monochrome1", "padding", "jpeg_lossless"])
def test_a_strict_validator_accepts_the_plain_ones(tmp_path, kind):
    phantom = write_series(tmp_path, kind=kind)
    report = subprocess.run(["dciodvfy", "-new", str(phantom.files[0])], check=True, capture_output=True, text=True)
    assert "Error" not in report.stdout + report.stderr


def test_frames_of_the_shuffled_enhanced_image_are_out_of_order(tmp_path):
    dataset = pydicom.dcmread(write_series(tmp_path, kind="enhanced_shuffled").files[0])
    groups = dataset.PerFrameFunctionalGroupsSequence
    heights = [float(g.PlanePositionSequence[0].ImagePositionPatient[2]) for g in groups]
    assert heights != sorted(heights)
    assert len(set(heights)) == dataset.NumberOfFrames == 24


def test_unknown_kinds_and_planes_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"kind must be one of axial, .*, got 'odd'"):
        write_series(tmp_path, kind="odd")
    with pytest.raises(ValueError, match=r"plane must be one of axial, .*, got 'odd'"):
        write_series(tmp_path, plane="odd")
