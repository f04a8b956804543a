"""What a derived object takes over from its source images: the patient and study as they are, the geometry as checked.

highdicom builds its objects from source images. It is handed bare ones, made here from the checked series, and never
sees the patient: its warnings would quote the name. The patient and study are put into the finished object instead.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pydicom
from highdicom.content import PixelMeasuresSequence, PlaneOrientationSequence, PlanePositionSequence
from highdicom.spatial import get_volume_positions
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pydicom.valuerep import DS

from bpfl_med.dicom.geometry import normal_of
from bpfl_med.dicom.patient_study import PATIENT_AND_STUDY, PatientStudy, read_patient_study
from bpfl_med.dicom.series import DicomSeries, SeriesError

logger = logging.getLogger(__name__)

_ASKED = (
    "SOPClassUID",
    "SOPInstanceUID",
    "NumberOfFrames",
    "PositionReferenceIndicator",
    "SliceThickness",
    "RecognizableVisualFeatures",
)
PIXEL_HISTORY = (
    "LossyImageCompression",
    "LossyImageCompressionRatio",
    "LossyImageCompressionMethod",
    "BurnedInAnnotation",
)
"""Attributes that a picture of the source takes over: what was lost is lost in it too (PS3.3 C.7.6.1.1.5), and a name
that was burnt into the pixels is still there."""

_FRAME = "frame of reference"
_ELSEWHERE = 1e6  # mm; where frames lie that are no slice of the series, so that nothing is ever matched with them


@dataclass(frozen=True, eq=False)
class SourceImages:
    """Source images as highdicom wants them, and what it must not see.

    Attributes:
        datasets: one per slice, in slice order; or a single one, if the series is one multi-frame object. Bare: UIDs,
            geometry and history of the pixels, without pixels and without patient.
        patient_study: what identifies the patient and the study, for the finished object.
        show_patient: whether the patient may be recognised in them, as in a head's skin: unless all say no.
    """

    datasets: tuple[Dataset, ...]
    patient_study: PatientStudy
    show_patient: bool


@lru_cache(maxsize=1)  # all objects that are made of one series need it
def read_source_images(series: DicomSeries) -> SourceImages:
    """Read again, from the files of a series, what objects derived from it need; once for all of them.

    The geometry is the series' own (LPS, mm). A slice thickness that the source lacks is the median step between slices
    along the normal; for a single slice, the spacing between rows. A series without frame of reference is given one,
    the same in all that is derived from it; viewers then have the references to the source images alone to go by.

    Raises:
        SeriesError: a file is not what it was when the series was read, or the slices are spread over several
            multi-frame objects.
    """
    tags: list[int | str] = [*PATIENT_AND_STUDY, *_ASKED, *PIXEL_HISTORY]
    header_of: dict[Path, Dataset] = {}
    for place, file in enumerate(series.files):
        if file not in header_of:
            header_of[file] = pydicom.dcmread(file, stop_before_pixels=True, force=True, specific_tags=tags)
            series.check_object(place, header_of[file])
    files, headers = list(header_of), list(header_of.values())
    between, _ = get_volume_positions(series.positions, series.orientation)
    if len(files) == 1 and int(headers[0].get("NumberOfFrames") or 1) > 1:
        datasets = [_multi_frame(series, headers[0], between)]
    elif len(files) == len(series.files):
        datasets = [_single_frame(series, index, header, between) for index, header in enumerate(headers)]
    else:
        raise SeriesError(
            f"the {len(series.files)} slices lie in {len(files)} multi-frame files, {files[0]} and others; "
            "one is supported: split them into single-frame images first"
        )
    patient_study = read_patient_study(headers[0])
    if patient_study.left_out:
        logger.warning(
            "left empty, because the value in the source is against the standard: %s", ", ".join(patient_study.left_out)
        )
    show_patient = any(header.get("RecognizableVisualFeatures") != "NO" for header in headers)
    return SourceImages(tuple(datasets), patient_study, show_patient)


def plane_positions(series: DicomSeries) -> list[PlanePositionSequence]:
    """Where each slice lies (LPS, mm), in slice order; frames are matched with source images by this, not by order."""
    return [PlanePositionSequence("PATIENT", [_ds(x) for x in position]) for position in series.positions]


def _pixel_measures(series: DicomSeries, header: Dataset, between: float | None) -> PixelMeasuresSequence:
    """Spacing of the grid, mm; that between slices only where one, at right angles, is true of all of them."""
    thickness = _slice_thickness(series, header)
    if series.shape[0] == 1:
        between = thickness
    return PixelMeasuresSequence(
        pixel_spacing=[_ds(x) for x in series.pixel_spacing],
        slice_thickness=_ds(thickness),
        spacing_between_slices=None if between is None else _ds(between),
    )


def _bare(series: DicomSeries, header: Dataset) -> Dataset:
    """What single-frame and multi-frame source images have in common."""
    bare = Dataset()
    for keyword in ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID"):
        setattr(bare, keyword, "")
    bare.StudyDate = bare.StudyTime = ""
    bare.SOPClassUID = header.SOPClassUID
    bare.SOPInstanceUID = header.SOPInstanceUID
    bare.StudyInstanceUID = series.study_uid
    bare.SeriesInstanceUID = series.series_uid
    bare.Modality = series.modality
    bare.FrameOfReferenceUID = series.frame_of_reference_uid or generate_uid(entropy_srcs=[_FRAME, series.series_uid])
    bare.PositionReferenceIndicator = header.get("PositionReferenceIndicator") or ""
    bare.Rows, bare.Columns = series.shape[1:]
    for keyword in PIXEL_HISTORY:
        if header.get(keyword):
            setattr(bare, keyword, header[keyword].value)
    return bare


def _single_frame(series: DicomSeries, index: int, header: Dataset, between: float | None) -> Dataset:
    bare = _bare(series, header)
    measures = _pixel_measures(series, header, between)[0]
    bare.ImagePositionPatient = [_ds(x) for x in series.positions[index]]
    bare.ImageOrientationPatient = [_ds(x) for x in series.orientation]
    for element in measures:
        bare.add(element)
    return bare


def _multi_frame(series: DicomSeries, header: Dataset, between: float | None) -> Dataset:
    bare = _bare(series, header)
    bare.NumberOfFrames = int(header.NumberOfFrames)
    shared = Dataset()
    shared.PlaneOrientationSequence = PlaneOrientationSequence("PATIENT", [_ds(x) for x in series.orientation])
    shared.PixelMeasuresSequence = _pixel_measures(series, header, between)
    bare.SharedFunctionalGroupsSequence = [shared]
    where = np.full((bare.NumberOfFrames, 3), _ELSEWHERE)
    where[np.array(series.frame_numbers) - 1] = series.positions
    frames = []
    for position in where:
        frame = Dataset()
        frame.PlanePositionSequence = PlanePositionSequence("PATIENT", [_ds(x) for x in position])
        frames.append(frame)
    bare.PerFrameFunctionalGroupsSequence = frames
    return bare


def _slice_thickness(series: DicomSeries, header: Dataset) -> float:
    """Thickness in mm: the source's, or what stands for it."""
    try:
        thickness = float(header.SliceThickness)
    except (AttributeError, TypeError, ValueError):
        thickness = 0.0
    if thickness > 0 and np.isfinite(thickness):
        return thickness
    if series.shape[0] == 1:
        return series.pixel_spacing[0]
    return float(np.median(np.abs(np.diff(series.positions @ normal_of(series.orientation)))))


def _ds(value: float) -> DS:
    """A decimal string of at most 16 characters."""
    return DS(float(value), auto_format=True)
