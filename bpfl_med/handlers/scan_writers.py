"""The files that a scored scan can give: NIfTI overlays, DICOM objects, a contact sheet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from bpfl_med.data.nifti import write_like, write_volume
from bpfl_med.dicom.parametric_map import write_parametric_map
from bpfl_med.dicom.report import write_report
from bpfl_med.dicom.secondary_capture import write_secondary_capture
from bpfl_med.dicom.segmentation import SegmentationType, write_segmentation
from bpfl_med.dicom.terms import ANATOMIC_REGIONS
from bpfl_med.figures.slice_picture import slice_picture
from bpfl_med.files.atomic import write_picture
from bpfl_med.handlers.scan_result import MIN_DISTANCE, ScanResult
from bpfl_med.intensity import grey_levels

_GAP = 24  # pixels between the rows of a contact sheet


class NiftiOverlays:
    """Write `anomaly_map.nii.gz`, `uncertainty.nii.gz` (float32) and `mask.nii.gz` (uint8) on the grid of the input.

    They are left out where no single affine is true, because a NIfTI file could then only lie.
    """

    def __call__(self, folder: Path, result: ScanResult) -> None:
        """Write the files of one scan."""
        arrays = {
            "anomaly_map.nii.gz": result.prediction.anomaly_map,
            "uncertainty.nii.gz": result.prediction.uncertainty,
            "mask.nii.gz": result.mask.view(np.uint8),
        }
        for name, data in arrays.items():
            if not result.volume.affine_is_true:
                result.omitted[name] = "the slices are unevenly spaced, so no single affine would be true"
            elif result.volume.nifti is not None:
                write_like(data, result.volume.nifti, folder / name, description=result.algorithm.name)
            else:
                write_volume(data, result.volume.affine, folder / name, description=result.algorithm.name)


class DicomSegmentation:
    """Write `mask.seg.dcm` for a DICOM series.

    Args:
        segmentation_type: "BINARY", "LABELMAP", or "FRACTIONAL", which holds the map itself.
    """

    def __init__(self, segmentation_type: SegmentationType = "BINARY") -> None:
        self.segmentation_type: SegmentationType = segmentation_type

    @property
    def settings(self) -> dict[str, str]:
        """What a report must say of it."""
        return {"segmentation_type": self.segmentation_type}

    def __call__(self, folder: Path, result: ScanResult) -> None:
        """Write the file of one scan."""
        if result.volume.series is None:
            return
        is_map = self.segmentation_type == "FRACTIONAL"
        voxels = result.prediction.anomaly_map if is_map else result.mask
        write_segmentation(
            folder / "mask.seg.dcm",
            _as_frames(voxels),
            result.volume.series,
            result.algorithm,
            body_part=_body_part(result.class_name),
            segmentation_type=self.segmentation_type,
            label=_label(result, "Anomaly"),
        )


class DicomParametricMap:
    """Write the scores of a DICOM series as `anomaly_map.pm.dcm`, float32."""

    def __call__(self, folder: Path, result: ScanResult) -> None:
        """Write the file of one scan."""
        if result.volume.series is None:
            return
        write_parametric_map(
            folder / "anomaly_map.pm.dcm",
            _as_frames(result.prediction.anomaly_map),
            result.volume.series,
            result.algorithm,
            body_part=_body_part(result.class_name),
            label=_label(result, "Anomaly score"),
        )


class DicomSecondaryCapture:
    """Write a colour overlay of a DICOM series to `overlay_dicom/`, for viewers that know no other object."""

    def __call__(self, folder: Path, result: ScanResult) -> None:
        """Write the files of one scan."""
        if result.volume.series is None:
            return
        grey = grey_levels(result.volume.values, result.prediction.ranges)
        write_secondary_capture(
            folder / "overlay_dicom",
            _as_frames(grey),
            _as_frames(result.prediction.anomaly_map),
            _as_frames(result.mask),
            result.volume.series,
            result.algorithm,
            body_part=_body_part(result.class_name),
        )


class DicomReport:
    """Write the volume score of a DICOM series as a structured report, `report.sr.dcm` (TID 1500)."""

    def __call__(self, folder: Path, result: ScanResult) -> None:
        """Write the file of one scan."""
        if result.volume.series is None:
            return
        write_report(
            folder / "report.sr.dcm",
            result.prediction.volume_score,
            result.volume.series,
            result.algorithm,
            body_part=_body_part(result.class_name),
        )


class ContactSheet:
    """Write `contact_sheet.png`: the most suspicious slices, each as source, map and uncertainty.

    Args:
        n_slices: at most so many.
        min_distance: between any two of them, mm.
    """

    def __init__(self, n_slices: int = 6, min_distance: float = MIN_DISTANCE) -> None:
        self.n_slices = n_slices
        self.min_distance = min_distance

    @property
    def settings(self) -> dict[str, float]:
        """What a report must say of it."""
        return {"n_slices": self.n_slices, "min_distance": self.min_distance}

    def __call__(self, folder: Path, result: ScanResult) -> None:
        """Write the picture of one scan."""
        rows = [
            slice_picture(
                result.volume,
                result.prediction,
                index,
                threshold=result.threshold,
                class_name=result.class_name,
                notice=result.notice,
            )
            for index in result.most_suspicious(self.n_slices, self.min_distance)
        ]
        if not rows:
            result.omitted["contact_sheet.png"] = "all slices are empty"
            return
        height = sum(row.height for row in rows) + _GAP * (len(rows) - 1)
        sheet = Image.new("RGB", (max(row.width for row in rows), height), "white")
        top = 0
        for row in rows:
            sheet.paste(row, (0, top))
            top += row.height + _GAP
        write_picture(folder / "contact_sheet.png", sheet)


def _label(result: ScanResult, what: str) -> str:
    """Name a segment or map, with the caution before it."""
    return f"{result.caution}: {what}" if result.caution else what


def _as_frames(array: np.ndarray) -> np.ndarray:
    """View [column, row, slice] as [slices, rows, columns]."""
    return array.transpose(2, 1, 0)


def _body_part(class_name: str) -> str | None:
    """Give the class name where DICOM has a code for it; every other lesion is one of the whole body."""
    return class_name if class_name.lower() in ANATOMIC_REGIONS else None
