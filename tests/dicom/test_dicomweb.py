"""A DICOM server that is not ours: what we write is stored, found and retrieved with DICOMweb, and is the same."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from result_phantoms import ALGORITHM, frames, lesion_mask, lesion_scores, phantom_series, slices_of_frames

from bpfl_med.dicom.parametric_map import write_parametric_map
from bpfl_med.dicom.report import write_report
from bpfl_med.dicom.secondary_capture import write_secondary_capture
from bpfl_med.dicom.segmentation import write_segmentation

dicomweb = pytest.importorskip("dicomweb_client.api", reason="dicomweb-client is not installed")

_AS_STORED = (("application/dicom", "*"),)
_PLUGINS = [Path(folder) for folder in ("/usr/share/orthanc/plugins", "/usr/lib/orthanc/plugins")]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An empty Orthanc on loopback, stopped at the end whatever happens; its DICOMweb address."""
    program = shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin")
    plugins = [plugin for folder in _PLUGINS for plugin in folder.glob("libOrthancDicomWeb.so*")]
    if not program or not plugins:
        pytest.skip("orthanc and orthanc-dicomweb are not installed")
    folder = tmp_path_factory.mktemp("orthanc")
    port, dicom_port = _free_port(), _free_port()
    settings = {
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "HttpPort": port,
        "DicomPort": dicom_port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "Plugins": [str(plugins[0])],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen([program, str(folder / "orthanc.json")], stdout=log, stderr=subprocess.STDOUT)
        try:
            _wait_for(port, process, folder / "log.txt")
            yield f"http://127.0.0.1:{port}/dicom-web"
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(150):
        assert process.poll() is None, f"Orthanc has stopped: {log.read_text()[-2000:]}"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise AssertionError(f"Orthanc does not listen after 30 s: {log.read_text()[-2000:]}")


def _series_and_results(folder: Path, kind: str) -> tuple[list[Path], list[Path]]:
    """Files of a source series, and of everything we make of it."""
    phantom, series = phantom_series(folder / "series", kind)
    mask, scores = lesion_mask(phantom, series), lesion_scores(phantom, series)
    write_segmentation(folder / "mask.seg.dcm", mask, series, ALGORITHM, body_part="brain")
    write_parametric_map(folder / "map.dcm", scores, series, ALGORITHM, body_part="brain")
    write_report(folder / "report.dcm", 0.5, series, ALGORITHM, body_part="brain")
    pictures = write_secondary_capture(folder / "overlay", scores, scores, mask, series, ALGORITHM, body_part="brain")
    results = [folder / "mask.seg.dcm", folder / "map.dcm", folder / "report.dcm", *pictures]
    return list(dict.fromkeys(series.files)), results


@pytest.mark.parametrize("kind", ["oblique", "tilted", "enhanced_ct"])
def test_stored_found_and_retrieved(kind: str, server: str, tmp_path: Path) -> None:
    source, results = _series_and_results(tmp_path, kind)
    client = dicomweb.DICOMwebClient(url=server)
    sent = [pydicom.dcmread(file) for file in (*source, *results)]
    client.store_instances(sent)

    study = str(sent[0].StudyInstanceUID)
    listed = [Dataset.from_json(item) for item in client.search_for_series(study)]
    assert {item.SeriesInstanceUID: item.NumberOfSeriesRelatedInstances for item in listed} == Counter(
        image.SeriesInstanceUID for image in sent
    )
    assert sorted(item.Modality for item in listed) == ["CT", "OT", "OT", "SEG", "SR"]
    for original in sent:
        retrieved = client.retrieve_instance(
            study, str(original.SeriesInstanceUID), str(original.SOPInstanceUID), media_types=_AS_STORED
        )
        assert retrieved == original, "every attribute and every pixel"


def test_retrieved_segmentation_lies_on_the_stored_series(server: str, tmp_path: Path) -> None:
    phantom, series = phantom_series(tmp_path / "series", "coronal")
    mask = lesion_mask(phantom, series)
    segmentation = write_segmentation(tmp_path / "mask.seg.dcm", mask, series, ALGORITHM, body_part="brain")
    client = dicomweb.DICOMwebClient(url=server)
    client.store_instances([pydicom.dcmread(file) for file in (*series.files, tmp_path / "mask.seg.dcm")])
    (found,) = client.search_for_instances(
        series.study_uid, search_filters={"Modality": "SEG", "SOPInstanceUID": segmentation.SOPInstanceUID}
    )
    uid = Dataset.from_json(found).SeriesInstanceUID
    (retrieved,) = client.retrieve_series(series.study_uid, uid, media_types=_AS_STORED)
    np.testing.assert_array_equal(frames(retrieved), mask[slices_of_frames(retrieved, series)])
    images = client.retrieve_series(series.study_uid, series.series_uid, media_types=_AS_STORED)
    assert {image.FrameOfReferenceUID for image in images} == {retrieved.FrameOfReferenceUID}
