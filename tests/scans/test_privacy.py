"""What identifies a patient is in the DICOM objects, where the standard wants it, and nowhere else."""

from __future__ import annotations

import gzip
import logging
from pathlib import Path

import nibabel as nib
import pydicom
import pytest
from PIL import Image
from scan_runs import predict, result_of, small_volume

from bpfl_med.demo.dicom_head import PATIENT_ID, PATIENT_NAME
from bpfl_med.demo.dicom_phantoms import write_series

SECRETS = [PATIENT_NAME, PATIENT_ID, "Doe", "20250102"]


def assert_no_secret(data: bytes, where: object) -> None:
    for secret in SECRETS:
        assert secret.encode() not in data, (secret, where)


def everything_in(path: Path) -> bytes:
    data = path.read_bytes()
    if path.suffix == ".gz":
        data += gzip.decompress(data)
    if path.suffix == ".png":
        data += repr(Image.open(path).info).encode()
    return data


@pytest.mark.parametrize("kind", ["single_slice", "enhanced_ct"])
def test_results_name_the_patient_in_dicom_objects_alone(tmp_path, capfd, caplog, kind):
    write_series(tmp_path / "in", kind=kind)
    with caplog.at_level(logging.DEBUG):
        assert predict(tmp_path / "in", tmp_path / "out", pictures=kind == "single_slice") == 0
    said = capfd.readouterr()
    assert_no_secret((said.out + said.err + caplog.text).encode(), "output")
    result = result_of(tmp_path / "out")
    for name in result.files:
        assert_no_secret(name.encode(), "file name")
        if name.endswith(".dcm"):
            dataset = pydicom.dcmread(result.folder / name)
            assert (dataset.PatientName, dataset.PatientID) == (PATIENT_NAME, PATIENT_ID)
        else:
            assert_no_secret(everything_in(result.folder / name), name)
    assert str(tmp_path) not in (result.folder / "result.json").read_text(), "a path may name a patient"


@pytest.mark.parametrize("kind", ["two_phases", "mixed_series", "truncated_compressed", "no_spacing", "report"])
def test_error_lines_do_not_name_the_patient(tmp_path, capfd, kind):
    write_series(tmp_path / "in", kind=kind)
    assert predict(tmp_path / "in", tmp_path / "out") == 2
    assert_no_secret(capfd.readouterr().err.encode(), "error")


def test_what_is_left_out_is_not_named_after_its_file(tmp_path):
    phantom = write_series(tmp_path / "in", kind="localiser")
    for number, file in enumerate(phantom.files):
        file.rename(file.with_name(f"{PATIENT_ID} {number:03d}.dcm"))
    assert predict(tmp_path / "in", tmp_path / "out") == 0
    record = (result_of(tmp_path / "out").folder / "result.json").read_text()
    assert "Localiser images left out" in record
    assert_no_secret(record.encode(), "result.json")


def test_free_text_of_nifti_is_not_passed_on(tmp_path):
    image = nib.Nifti1Image(small_volume(), None)
    image.header["descrip"] = f"{PATIENT_NAME} {PATIENT_ID}".encode()
    image.header["aux_file"] = b"Doe.mat"
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", PATIENT_NAME.encode()))
    nib.save(image, tmp_path / "a.nii.gz")
    assert predict(tmp_path / "a.nii.gz", tmp_path / "out") == 0
    result = result_of(tmp_path / "out")
    for name in result.files:
        assert_no_secret(everything_in(result.folder / name), name)
