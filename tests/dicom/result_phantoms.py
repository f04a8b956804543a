"""What the writers' tests share: phantom series with a known lesion, and the validators that are not ours."""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from bpfl_med.demo.dicom_phantoms import DicomPhantom, write_series
from bpfl_med.dicom import DicomSeries, find_series, load_series
from bpfl_med.dicom.algorithm import Algorithm

ALGORITHM = Algorithm("Bayes-PFL", "0.1.0", "9f" * 32, {"threshold": 0.5, "seed": 7})
CREATED = datetime(2026, 3, 4, 5, 6, 7)
SHARED = Path(__file__).parents[3] / "shared"

needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="../shared is not beside the checkout")


def tool(name: str) -> str:
    """Path of a validator's program; without it, the test is skipped."""
    found = shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))
    if not found:
        pytest.skip(f"{name} is not installed")
    return found


def run(*command: str | Path) -> str:
    """What a program said."""
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, errors="replace", timeout=300
    )
    return done.stdout + done.stderr


def dciodvfy(path: Path) -> list[str]:
    """The errors and warnings of David Clunie's validator."""
    said = run(tool("dciodvfy"), path)
    return [line for line in said.splitlines() if line.startswith(("Error", "Warning"))]


def phantom_series(folder: Path, kind: str) -> tuple[DicomPhantom, DicomSeries]:
    """A phantom on disk, and as the reader sees it."""
    phantom = write_series(folder, kind=kind)
    (found,) = [series for series in find_series(folder) if series.series_uid == phantom.series_uid]
    return phantom, load_series(found)


def grid_points(series: DicomSeries) -> np.ndarray:
    """``[slices, rows, columns, 3]``, centre of each voxel, LPS, mm, from the headers alone."""
    _, rows, columns = series.shape
    row_step = series.orientation[3:] * series.pixel_spacing[0]
    column_step = series.orientation[:3] * series.pixel_spacing[1]
    in_plane = np.arange(rows)[:, None, None] * row_step + np.arange(columns)[:, None] * column_step
    return series.positions[:, None, None] + in_plane


def lesion_mask(phantom: DicomPhantom, series: DicomSeries) -> np.ndarray:
    """``[slices, rows, columns]``, bool: the voxels whose centre lies in the lesion."""
    return np.linalg.norm(grid_points(series) - phantom.lesion_center, axis=-1) < phantom.lesion_radius


def lesion_scores(phantom: DicomPhantom, series: DicomSeries) -> np.ndarray:
    """``[slices, rows, columns]``, float32 in [0, 1]: 1 in the middle of the lesion, falling off around it."""
    distance = np.linalg.norm(grid_points(series) - phantom.lesion_center, axis=-1)
    return np.exp(-((distance / phantom.lesion_radius) ** 2)).astype(np.float32)


def frame_geometry(image: Dataset, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Position, orientation and pixel spacing of a frame (0-based) of any image, read with pydicom alone."""
    if "PerFrameFunctionalGroupsSequence" not in image:
        return tuple(np.array(image[k].value, float) for k in _GEOMETRY)  # type: ignore[return-value]
    groups = (image.PerFrameFunctionalGroupsSequence[index], image.SharedFunctionalGroupsSequence[0])
    found = []
    for sequence, keyword in zip(_SEQUENCES, _GEOMETRY, strict=True):
        (group,) = [g for g in groups if sequence in g][:1]
        found.append(np.array(group[sequence].value[0][keyword].value, float))
    return tuple(found)  # type: ignore[return-value]


_GEOMETRY = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
_SEQUENCES = ("PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence")


def source_of_frame(derived: Dataset, index: int) -> tuple[str, int]:
    """(SOPInstanceUID, 1-based frame) that a frame of a derived multi-frame object says it was made from."""
    (derivation,) = derived.PerFrameFunctionalGroupsSequence[index].DerivationImageSequence
    (source,) = derivation.SourceImageSequence
    return source.ReferencedSOPInstanceUID, int(source.get("ReferencedFrameNumber") or 1)


def slices_of_frames(derived: Dataset, series: DicomSeries) -> list[int]:
    """The slice of each frame, after its references; the frame must lie where that source image, read anew, lies."""
    where = {
        (uid, number): index
        for index, (uid, number) in enumerate(zip(series.sop_instance_uids, series.frame_numbers, strict=True))
    }
    slices = []
    for index in range(int(derived.NumberOfFrames)):
        uid, number = source_of_frame(derived, index)
        slices.append(where[uid, number])
        source = pydicom.dcmread(series.files[slices[-1]], stop_before_pixels=True)
        assert source.SOPInstanceUID == uid
        for ours, theirs in zip(frame_geometry(derived, index), frame_geometry(source, number - 1), strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-5)
    return slices


def frames(derived: Dataset) -> np.ndarray:
    """``[frames, rows, columns]``, the pixels of a multi-frame object as stored."""
    pixels = derived.pixel_array
    return pixels[None] if pixels.ndim == 2 else pixels
