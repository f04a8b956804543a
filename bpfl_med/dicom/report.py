"""Structured report with the score of the whole series (Comprehensive SR, PS3.3 A.35.3; template TID 1500)."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
from highdicom.sr import (
    AlgorithmIdentification,
    ComprehensiveSR,
    DeviceObserverIdentifyingAttributes,
    FindingSite,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    SourceImageForMeasurementGroup,
    TrackingIdentifier,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import generate_uid

from bpfl_med.dicom.algorithm import Algorithm
from bpfl_med.dicom.derived_object import identify, save, tracking_identifiers
from bpfl_med.dicom.series import DicomSeries
from bpfl_med.dicom.source_images import read_source_images
from bpfl_med.dicom.terms import NO_UNITS, SCORE, anatomic_region

SERIES_NUMBER = 9004

_PROCEDURES: dict[str, Code] = {
    "CT": codes.cid100.CTUnspecifiedBodyRegion,
    "MR": codes.cid100.MRIUnspecifiedBodyRegion,
    "NM": codes.cid100.NMUnspecifiedBodyRegion,
    "PT": codes.cid100.PETUnspecifiedBodyRegion,
}


def write_report(
    path: Path,
    score: float,
    series: DicomSeries,
    algorithm: Algorithm,
    *,
    body_part: str | None = None,
    created: datetime | None = None,
) -> ComprehensiveSR:
    """Write a preliminary, unverified report that holds one number: how anomalous the series is.

    The number is a measurement group (TID 1501) on all source images, with the same tracking identifier as the segment
    of the DICOM-SEG. No finding is coded: a score is none.

    Args:
        path: the file to write; it appears whole or not at all, and replaces an older one.
        score: the score of the series, in [0, 1]; written with six decimals.
        series: the source.
        algorithm: what made the score.
        body_part: name of the part of the body, see :func:`~bpfl_med.dicom.terms.anatomic_region`.
        created: local time to record, now by default. With a given one, the same input gives the same bytes.

    Returns:
        The object as written.

    Raises:
        ValueError: the score is not in [0, 1]; unknown body part.
        SeriesError: the source files are not what they were, see
            :func:`~bpfl_med.dicom.source_images.read_source_images`.
    """
    region = anatomic_region(body_part)
    if not 0 <= score <= 1:
        raise ValueError(f"the score must be in [0, 1], got {score}")
    source = read_source_images(series)
    options = {"report": "score", "region": region.code.value}
    identity = identify(series, [np.array(score, np.float64)], algorithm, options, created)
    tracking_id, tracking_uid = tracking_identifiers(series, algorithm)
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid=tracking_uid, identifier=tracking_id),
        algorithm_id=AlgorithmIdentification(
            name=algorithm.name,
            version=algorithm.version,
            parameters=[f"{key}={value}" for key, value in algorithm.all_parameters.items()],
        ),
        finding_sites=[FindingSite(region.code)],
        measurements=[Measurement(name=SCORE, value=round(float(score), 6), unit=NO_UNITS)],
        source_images=_source_images(series, source.datasets),
    )
    content = MeasurementReport(
        observation_context=ObservationContext(observer_device_context=_observer(algorithm)),
        procedure_reported=_PROCEDURES.get(series.modality, codes.cid100.ImagingProcedure),
        imaging_measurements=[group],
        title=codes.cid7021.ImagingMeasurementReport,
    )
    report = ComprehensiveSR(
        evidence=source.datasets,
        content=content,
        series_number=SERIES_NUMBER,
        instance_number=1,
        series_description=f"{algorithm.name} report"[:64],
        is_complete=True,
        is_final=False,
        is_verified=False,
        **identity.arguments(),
        **algorithm.equipment,
    )
    save(report, path, source.patient_study, identity)
    return report


def _observer(algorithm: Algorithm) -> ObserverContext:
    """The device observer (TID 1004): one UID for each algorithm and checkpoint."""
    equipment = algorithm.equipment
    uid = generate_uid(entropy_srcs=["device", algorithm.name, algorithm.version, algorithm.checkpoint_sha256])
    return ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=DeviceObserverIdentifyingAttributes(
            uid=uid,
            name=algorithm.name,
            manufacturer_name=equipment["manufacturer"],
            model_name=equipment["manufacturer_model_name"],
            serial_number=equipment["device_serial_number"],
        ),
    )


def _source_images(series: DicomSeries, datasets: tuple[Dataset, ...]) -> list[SourceImageForMeasurementGroup]:
    """References to what was scored: each image, or the frames of the one multi-frame image."""
    frames = list(series.frame_numbers) if "NumberOfFrames" in datasets[0] else None
    return [SourceImageForMeasurementGroup.from_source_image(image, frames) for image in datasets]
