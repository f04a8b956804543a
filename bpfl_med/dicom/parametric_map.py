"""DICOM Parametric Map: the anomaly scores themselves, as float32, on the slices of the source series (PS3.3 A.75)."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
from highdicom.content import VOILUTTransformation
from highdicom.pm import DerivedPixelContrastValues, ImageFlavorValues, ParametricMap, RealWorldValueMapping
from highdicom.sr.coding import CodedConcept
from pydicom.dataset import Dataset

from bpfl_med.dicom.algorithm import Algorithm, check_text
from bpfl_med.dicom.derived_object import identify, name_body_part, save
from bpfl_med.dicom.geometry import normal_of
from bpfl_med.dicom.grid import check_scores
from bpfl_med.dicom.series import DicomSeries
from bpfl_med.dicom.source_images import plane_positions, read_source_images
from bpfl_med.dicom.terms import NO_UNITS, SCORE, AnatomicRegion, anatomic_region

SERIES_NUMBER = 9002


def write_parametric_map(
    path: Path,
    scores: np.ndarray,
    series: DicomSeries,
    algorithm: Algorithm,
    *,
    body_part: str | None = None,
    label: str = "Anomaly score",
    created: datetime | None = None,
) -> ParametricMap:
    """Write the scores of all slices as a float32 parametric map, without loss and without compression.

    Each frame carries the position and orientation of its own source image, in the same frame of reference, and refers
    to it. The frames ascend along the normal of the slices (row direction x column direction): dcmqi 1.5.7, and 3D
    Slicer with it, stacks the frames of a map as they come, whatever position they tell, and would turn it over. It
    also straightens tilted and evens out uneven stacks.

    Args:
        path: the file to write; it appears whole or not at all, and replaces an older one.
        scores: ``[slices, rows, columns]`` on the grid of the series; float32 in [0, 1], finite.
        series: the source.
        algorithm: what made the scores.
        body_part: name of the part of the body, see :func:`~bpfl_med.dicom.terms.anatomic_region`.
        label: what the values are, such as "Anomaly score" or "Uncertainty", at most 64 characters.
        created: local time to record, now by default. With a given one, the same input gives the same bytes.

    Returns:
        The object as written.

    Raises:
        ValueError: the scores are not on the series' grid, or of another type or range; unknown body part; a label
            that does not fit.
        SeriesError: the source files are not what they were, see
            :func:`~bpfl_med.dicom.source_images.read_source_images`.
    """
    region = anatomic_region(body_part)
    check_text("label", label)
    scores = check_scores(scores, series)
    source = read_source_images(series)
    identity = identify(series, [scores], algorithm, {"map": label, "region": region.code.value}, created)
    mapping = RealWorldValueMapping(
        lut_label="SCORE",
        lut_explanation=label,
        unit=NO_UNITS,
        value_range=(0.0, 1.0),
        slope=1.0,
        intercept=0.0,
        quantity_definition=SCORE,
    )
    parametric_map = ParametricMap(
        source_images=source.datasets,
        pixel_array=scores,
        plane_positions=plane_positions(series),
        contains_recognizable_visual_features=source.show_patient,  # a map may follow the skin
        real_world_value_mappings=[mapping],
        voi_lut_transformations=[VOILUTTransformation(window_center=0.5, window_width=1.0)],
        image_flavor=ImageFlavorValues.VOLUME,
        derived_pixel_contrast=DerivedPixelContrastValues.QUANTITY,
        series_number=SERIES_NUMBER,
        instance_number=1,
        series_description=f"{algorithm.name} {label}"[:64],
        content_label="ANOMALY_MAP",
        content_description=label,
        content_creator_name="bpfl_med^",
        **identity.arguments(),
        **algorithm.equipment,
    )
    name_body_part(parametric_map, region)
    _add_frame_anatomy(parametric_map, region)
    parametric_map = _ascending(parametric_map, series)
    save(parametric_map, path, source.patient_study, identity)
    return parametric_map


def _ascending(parametric_map: ParametricMap, series: DicomSeries) -> ParametricMap:
    """The same map with its frames, which highdicom has put in descending order, ascending along the normal."""
    groups = list(parametric_map.PerFrameFunctionalGroupsSequence)
    normal = normal_of(series.orientation)
    height = [np.dot(group.PlanePositionSequence[0].ImagePositionPatient, normal) for group in groups]
    order = np.argsort(height)
    for place, index in enumerate(order, start=1):
        groups[index].FrameContentSequence[0].DimensionIndexValues = [place]
    parametric_map.PerFrameFunctionalGroupsSequence = [groups[index] for index in order]
    stored = np.frombuffer(parametric_map.FloatPixelData, np.float32).reshape(len(groups), -1)
    parametric_map.FloatPixelData = b"".join(stored[index].data for index in order)  # one copy: a map can be a gigabyte
    return ParametricMap.from_dataset(parametric_map, copy=False)


def _add_frame_anatomy(parametric_map: ParametricMap, region: AnatomicRegion) -> None:
    """Add the Frame Anatomy Functional Group, in place; it asks for a side, which of a paired part is not known."""
    if region.paired:
        return
    anatomy = Dataset()
    anatomy.FrameLaterality = "U"
    anatomy.AnatomicRegionSequence = [CodedConcept.from_code(region.code)]
    parametric_map.SharedFunctionalGroupsSequence[0].FrameAnatomySequence = [anatomy]
