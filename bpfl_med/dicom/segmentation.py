"""DICOM Segmentation: which voxels are anomalous, or how much, on the slices of the source series (PS3.3 A.51)."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Literal

import numpy as np
from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentDescription
from highdicom.spatial import get_volume_positions
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

from bpfl_med.dicom.algorithm import Algorithm, check_text
from bpfl_med.dicom.derived_object import identify, save, tracking_identifiers
from bpfl_med.dicom.grid import check_mask, check_scores
from bpfl_med.dicom.series import DicomSeries
from bpfl_med.dicom.source_images import plane_positions, read_source_images
from bpfl_med.dicom.terms import DISPLAY_COLOR, FINDING_CATEGORY, FINDING_TYPE, anatomic_region

SegmentationType = Literal["BINARY", "LABELMAP", "FRACTIONAL"]

SERIES_NUMBER = 9001
_LEVELS = 255  # of a FRACTIONAL segmentation: Maximum Fractional Value


def write_segmentation(
    path: Path,
    voxels: np.ndarray,
    series: DicomSeries,
    algorithm: Algorithm,
    *,
    body_part: str | None = None,
    segmentation_type: SegmentationType = "BINARY",
    label: str = "Anomaly",
    created: datetime | None = None,
) -> Segmentation:
    """Write a DICOM-SEG with one segment, whose frames lie exactly on slices of the source series.

    Each frame carries the position and orientation of its own source image, in the same frame of reference, and refers
    to it; so nothing is resampled, and oblique, reversed, tilted and unevenly spaced stacks are all told as they are.
    Slices in which nothing is marked are left out. Where nothing is marked at all, the object has one empty frame, on
    the middle slice: a valid "looked at, nothing found".

    Viewers: BINARY is shown by all. LABELMAP (a SOP class of its own since 2024) is smaller and less known. FRACTIONAL
    holds the scores in 1/255; few viewers show it. dcmqi 1.5.7 straightens a tilted stack without a word, so that
    what it reads lies some millimetres off; highdicom and OHIF go by the source images.

    Args:
        path: the file to write; it appears whole or not at all, and replaces an older one.
        voxels: ``[slices, rows, columns]`` on the grid of the series. BINARY and LABELMAP: bool, or uint8 of 0 and 1.
            FRACTIONAL: float32 scores in [0, 1], finite.
        series: the source.
        algorithm: what made the voxels.
        body_part: name of the part of the body, see :func:`~bpfl_med.dicom.terms.anatomic_region`.
        segmentation_type: kind of SEG.
        label: the segment's name in a viewer, at most 64 characters.
        created: local time to record, now by default. With a given one, the same input gives the same bytes.

    Returns:
        The object as written.

    Raises:
        ValueError: the voxels are not on the series' grid, or of another type or range; unknown body part or type; a
            label that does not fit.
        SeriesError: the source files are not what they were, see
            :func:`~bpfl_med.dicom.source_images.read_source_images`.
    """
    region = anatomic_region(body_part)
    check_text("label", label)
    if segmentation_type not in ("BINARY", "LABELMAP", "FRACTIONAL"):
        raise ValueError(f"segmentation_type must be BINARY, LABELMAP or FRACTIONAL, got {segmentation_type!r}")
    if segmentation_type == "FRACTIONAL":
        stored = check_scores(voxels, series) * np.float32(_LEVELS)
        np.divide(np.rint(stored, out=stored), np.float32(_LEVELS), out=stored)  # so that what rounds to 0 is no frame
    else:
        stored = check_mask(voxels, series)
    source = read_source_images(series)
    options = {"type": segmentation_type, "region": region.code.value, "label": label}
    identity = identify(series, [stored], algorithm, options, created)
    tracking_id, tracking_uid = tracking_identifiers(series, algorithm)

    planes = plane_positions(series)
    nothing = not stored.any()
    if nothing:
        middle = series.shape[0] // 2
        stored, planes = stored[middle : middle + 1], planes[middle : middle + 1]

    description = SegmentDescription(
        segment_number=1,
        segment_label=label,
        segmented_property_category=FINDING_CATEGORY,
        segmented_property_type=FINDING_TYPE,
        algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=algorithm.identification,
        tracking_id=tracking_id,
        tracking_uid=tracking_uid,
        anatomic_regions=[region.code],
        display_color=DISPLAY_COLOR,
    )
    segmentation = Segmentation(
        source_images=source.datasets,
        pixel_array=stored,
        plane_positions=planes,
        omit_empty_frames=not nothing,
        segmentation_type=segmentation_type,
        segment_descriptions=[description],
        max_fractional_value=_LEVELS,
        transfer_syntax_uid=ExplicitVRLittleEndian if segmentation_type == "BINARY" else RLELossless,
        series_number=SERIES_NUMBER,
        instance_number=1,
        series_description=f"{algorithm.name} segmentation"[:64],
        content_label="ANOMALY",
        content_description="Anomalous regions found by an algorithm",
        content_creator_name="bpfl_med^",
        **identity.arguments(),
        **algorithm.equipment,
    )
    if nothing and get_volume_positions(series.positions, series.orientation)[0] is None:
        # Of one frame, highdicom says that slices are 1 mm apart; here no one spacing is true.
        del segmentation.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SpacingBetweenSlices
    save(segmentation, path, source.patient_study, identity)
    return segmentation
