"""What a DICOM series is to the rest of the package: slices in order along their normal, with a checked geometry."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset


class SeriesError(ValueError):
    """A series that cannot be read truthfully: one sentence with the files and the mend, without patient data."""


class NoSeriesError(SeriesError):
    """No image series is there, and no file that is DICOM or named so."""


@dataclass(frozen=True, eq=False)
class DicomSeries:
    """The slices of one image series, ordered by position along the normal of the slice plane.

    Nothing here identifies a patient except, perhaps, the file paths that the user gave.

    Attributes:
        series_uid: SeriesInstanceUID.
        study_uid: StudyInstanceUID.
        modality: Modality, such as "CT" or "MR".
        frame_of_reference_uid: FrameOfReferenceUID, one for all slices.
        files: one per slice, in slice order (the same file repeated for a multi-frame object).
        frame_numbers: one per slice, the 1-based frame inside its file (1 for single-frame objects).
        sop_instance_uids: one per slice.
        instance_numbers: one per slice, InstanceNumber, by which viewers name an image; None where there is none.
        positions: ``[slices, 3]``, ImagePositionPatient: centre of each slice's first pixel, LPS, mm.
        orientation: ``[6]``, ImageOrientationPatient: direction cosines of a row, then of a column, LPS.
        pixel_spacing: (between rows, between columns), mm.
        shape: (slices, rows, columns).
        affine: ``[4, 4]`` (column, row, slice) index -> RAS, mm; sheared where the stack is tilted; None where no
            single affine is true (uneven spacing).
        notes: what was dropped or is unusual, one sentence each, without patient data.
    """

    series_uid: str
    study_uid: str
    modality: str
    frame_of_reference_uid: str
    files: tuple[Path, ...]
    frame_numbers: tuple[int, ...]
    sop_instance_uids: tuple[str, ...]
    instance_numbers: tuple[int | None, ...]
    positions: np.ndarray
    orientation: np.ndarray
    pixel_spacing: tuple[float, float]
    shape: tuple[int, int, int]
    affine: np.ndarray | None
    notes: tuple[str, ...]

    def check_object(self, place: int, header: Dataset) -> None:
        """Make sure that a slice's file, read again, is still the object that the geometry was read from.

        Raises:
            SeriesError: if its SOPInstanceUID is another.
        """
        if header.get("SOPInstanceUID") != self.sop_instance_uids[place]:
            raise SeriesError(f"{self.files[place]} holds another object than when the series was read; run again")
