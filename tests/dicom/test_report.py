from __future__ import annotations

import json
import os
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
from pydicom.sr.codedict import codes
from result_phantoms import ALGORITHM, CREATED, dciodvfy, lesion_mask, phantom_series, run, tool

from bpfl_med.dicom.report import write_report
from bpfl_med.dicom.segmentation import write_segmentation


@pytest.mark.parametrize("kind", ["axial", "tilted", "enhanced_mr", "single_slice"])
def test_report_holds_the_score_and_validates(kind: str, tmp_path: Path) -> None:
    _, series = phantom_series(tmp_path / "series", kind)
    path = tmp_path / "report.dcm"
    write_report(path, 0.73125, series, ALGORITHM, body_part="brain")

    report = highdicom.sr.srread(path)
    (group,) = report.content.get_image_measurement_groups()
    (measurement,) = group.get_measurements()
    assert measurement.name == codes.SCT.Score
    assert measurement.value == 0.73125
    assert group.finding_sites[0].value == codes.SCT.Brain
    assert {image.referenced_sop_instance_uid for image in group.source_images} == set(series.sop_instance_uids)
    assert (report.PreliminaryFlag, report.VerificationFlag) == ("PRELIMINARY", "UNVERIFIED")
    assert dciodvfy(path) == []


def test_pixelmed_finds_the_template_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tool("DicomSRValidator")
    limits = (
        "xpathTotalOpLimit",
        "xpathExprOpLimit",
        "xpathExprGrpLimit",
    )  # of newer Java, too low for its style sheet
    monkeypatch.setitem(os.environ, "JAVA_TOOL_OPTIONS", " ".join(f"-Djdk.xml.{limit}=0" for limit in limits))
    _, series = phantom_series(tmp_path / "series", "axial")
    write_report(tmp_path / "report.dcm", 0.5, series, ALGORITHM, body_part="brain")
    said = run(program, tmp_path / "report.dcm")
    assert "Found Root Template TID_1500 (MeasurementReport)" in said
    assert "Root Template Validation Complete" in said
    assert not [line for line in said.splitlines() if line.startswith(("Error", "Warning"))]


def test_dcmqi_reads_it(tmp_path: Path) -> None:
    program = tool("tid1500reader")
    _, series = phantom_series(tmp_path / "series", "axial")
    write_report(tmp_path / "report.dcm", 0.25, series, ALGORITHM, body_part="brain")
    said = run(program, "--inputDICOM", tmp_path / "report.dcm", "--outputMetadata", tmp_path / "report.json")
    assert (tmp_path / "report.json").is_file(), said
    (group,) = json.loads((tmp_path / "report.json").read_text())["Measurements"]
    (item,) = group["measurementItems"]
    assert item["value"] == "0.25"
    assert item["quantity"]["CodeValue"] == "246262008"


def test_finding_is_the_one_of_the_segmentation(tmp_path: Path) -> None:
    phantom, series = phantom_series(tmp_path / "series", "axial")
    write_report(tmp_path / "report.dcm", 0.5, series, ALGORITHM)
    segmentation = write_segmentation(tmp_path / "mask.seg.dcm", lesion_mask(phantom, series), series, ALGORITHM)
    (group,) = highdicom.sr.srread(tmp_path / "report.dcm").content.get_image_measurement_groups()
    assert group.tracking_uid == segmentation.SegmentSequence[0].TrackingUID


def test_same_input_and_time_give_the_same_bytes(tmp_path: Path) -> None:
    _, series = phantom_series(tmp_path / "series", "axial")
    for name, score in (("first", 0.5), ("second", np.float32(0.5)), ("other", 0.6)):
        write_report(tmp_path / name, score, series, ALGORITHM, created=CREATED)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()
    assert pydicom.dcmread(tmp_path / "first").SOPInstanceUID != pydicom.dcmread(tmp_path / "other").SOPInstanceUID


@pytest.mark.parametrize("score", [-0.1, 1.1, float("nan")])
def test_score_out_of_range_is_refused(score: float, tmp_path: Path) -> None:
    _, series = phantom_series(tmp_path / "series", "axial")
    with pytest.raises(ValueError, match=rf"the score must be in \[0, 1\], got {score}"):
        write_report(tmp_path / "report.dcm", score, series, ALGORITHM)
    assert not (tmp_path / "report.dcm").exists()
