"""What `result.json` says of a scan."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bpfl_med.data.scan_volume import ScanVolume
from bpfl_med.files.checksum import file_checksum
from bpfl_med.handlers.scan_result import ScanResult
from bpfl_med.machine.package_versions import package_versions
from bpfl_med.slice_source import slice_source


def result_record(
    result: ScanResult,
    folder: Path,
    *,
    settings: Mapping[str, Any],
    network: Mapping[str, Any],
    seconds: Mapping[str, float],
) -> dict[str, Any]:
    """Give what `result.json` says of a scan: UIDs, checksums, settings and scores, and nothing of the patient.

    Args:
        result: what was found.
        folder: of the files that were written, whose sizes and checksums are told.
        settings: how slices were made and scored, and by which writers.
        network: `provenance` of the network.
        seconds: that each step took.
    """
    volume, prediction, plane = result.volume, result.prediction, result.prediction.plane
    voxel_mm3 = float(abs(np.linalg.det(volume.affine[:3, :3])))
    n_voxels = int(result.mask.sum())
    return {
        "notice": result.notice,
        "input": {**_input_record(volume), "notes": list(volume.notes)},
        "scores": {
            "volume_score": prediction.volume_score,
            "most_suspicious_slices": prediction.ranking,
            "slices": [{**row, **slice_source(volume, plane, row["index"])} for row in prediction.slices],
        },
        "mask": {
            "threshold": result.threshold,
            "n_voxels": n_voxels,
            "volume_mm3": n_voxels * voxel_mm3 if volume.affine_is_true else None,
        },
        "settings": {**settings, "black_and_white": prediction.ranges.tolist()},
        "network": dict(network),
        "outputs": [
            {
                "file": path.relative_to(folder).as_posix(),
                "bytes": path.stat().st_size,
                "sha256": file_checksum(path),
            }
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        ]
        + [{"file": "result.json"}],
        "omitted": result.omitted,
        "versions": package_versions("nibabel", "pydicom", "highdicom"),
        "seconds": {key: round(value, 3) for key, value in seconds.items()},
    }


def _input_record(volume: ScanVolume) -> dict[str, Any]:
    record: dict[str, Any] = {
        "kind": "volume file" if volume.series is None else "DICOM series",
        "sha256": volume.checksum,
        "shape": list(volume.values.shape),
        "affine_ras_mm": volume.affine.tolist() if volume.affine_is_true else None,
    }
    if volume.series is not None:
        record |= {
            "study_uid": volume.series.study_uid,
            "series_uid": volume.series.series_uid,
            "frame_of_reference_uid": volume.series.frame_of_reference_uid,
            "modality": volume.modality,
            "n_images": volume.scan.n_images,
        }
    return record
