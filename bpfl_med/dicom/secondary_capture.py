"""Colour pictures of the result as a DICOM series, for viewers that show neither SEG nor parametric map (PS3.3 A.8)."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import matplotlib
import numpy as np
from highdicom.content import ReferencedImageSequence
from highdicom.sc import SCImage
from highdicom.spatial import get_closest_patient_orientation
from highdicom.sr.coding import CodedConcept
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian
from pydicom.valuerep import DA, TM
from skimage.segmentation import find_boundaries

from bpfl_med.dicom.algorithm import Algorithm
from bpfl_med.dicom.derived_object import identify, name_body_part, save
from bpfl_med.dicom.grid import check_mask, check_scores
from bpfl_med.dicom.series import DicomSeries
from bpfl_med.dicom.source_images import PIXEL_HISTORY, read_source_images
from bpfl_med.dicom.terms import DISPLAY_COLOR, anatomic_region
from bpfl_med.files.atomic import replaced_folder

SERIES_NUMBER = 9003
_OPACITY = 0.6  # of the colour where the score is 1; where it is 0, the image shows through


def write_secondary_capture(
    folder: Path,
    image: np.ndarray,
    scores: np.ndarray,
    mask: np.ndarray,
    series: DicomSeries,
    algorithm: Algorithm,
    *,
    body_part: str | None = None,
    created: datetime | None = None,
) -> list[Path]:
    """Write one RGB image per slice: the source in grey, the scores as colour over it, the mask as outline.

    The images are a series of their own, in slice order, each with a reference to its source image. They are pictures:
    a Secondary Capture has no frame of reference, so a viewer shows them beside the scan, not on it.

    Args:
        folder: the folder to write, ``0001.dcm`` and so on in slice order; it appears whole or not at all, and replaces
            an older one.
        image: ``[slices, rows, columns]`` float32 in [0, 1], the source as it is to be seen (windowed).
        scores: ``[slices, rows, columns]`` float32 in [0, 1], finite.
        mask: ``[slices, rows, columns]`` bool, or uint8 of 0 and 1.
        series: the source.
        algorithm: what made the scores.
        body_part: name of the part of the body, see :func:`~bpfl_med.dicom.terms.anatomic_region`.
        created: local time to record, now by default. With a given one, the same input gives the same bytes.

    Returns:
        The files, in slice order.

    Raises:
        ValueError: an array is not on the series' grid, or of another type or range; unknown body part.
        SeriesError: the source files are not what they were, see
            :func:`~bpfl_med.dicom.source_images.read_source_images`.
    """
    region = anatomic_region(body_part)
    image, scores, mask = check_scores(image, series), check_scores(scores, series), check_mask(mask, series)
    source = read_source_images(series)
    identity = identify(series, [image, scores, mask], algorithm, {"region": region.code.value}, created)
    names = [f"{index + 1:04}.dcm" for index in range(series.shape[0])]
    with replaced_folder(folder) as unfinished:
        for index, name in enumerate(names):
            reference = source.datasets[index if len(source.datasets) > 1 else 0]
            capture = SCImage.from_ref_dataset(
                ref_dataset=reference,
                pixel_array=render(image[index], scores[index], mask[index]),
                photometric_interpretation="RGB",
                bits_allocated=8,
                coordinate_system="PATIENT",
                patient_orientation=_patient_orientation(series),
                pixel_spacing=series.pixel_spacing,
                transfer_syntax_uid=ExplicitVRLittleEndian,
                series_number=SERIES_NUMBER,
                instance_number=index + 1,
                series_description=f"{algorithm.name} colour overlay"[:64],
                **identity.arguments(f"instance {index}"),
                **algorithm.equipment,
            )
            capture.DateOfSecondaryCapture = DA(identity.created.date())
            capture.TimeOfSecondaryCapture = TM(identity.created.time())
            capture.DerivationDescription = "Anomaly scores of an algorithm in colour over the source image"
            capture.SourceImageSequence = _source_reference(reference, series.frame_numbers[index])
            for keyword in PIXEL_HISTORY:
                if keyword in reference:
                    capture[keyword] = reference[keyword]
            name_body_part(capture, region)
            save(capture, unfinished / name, source.patient_study, identity)
    return [folder / name for name in names]


def render(image: np.ndarray, scores: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """One slice in colour.

    The colour of a score s is that of matplotlib's "turbo" map, mixed in with weight 0.6 s. The outline of the mask,
    one pixel wide and inside it, has the colour that the DICOM-SEG asks for.

    Args:
        image: ``[rows, columns]`` in [0, 1].
        scores: ``[rows, columns]`` in [0, 1].
        mask: ``[rows, columns]``, bool.

    Returns:
        ``[rows, columns, 3]``, uint8 RGB.
    """
    heat = matplotlib.colormaps["turbo"](scores)[..., :3]
    weight = _OPACITY * scores[..., None]
    picture = np.round(255 * ((1 - weight) * image[..., None] + weight * heat)).astype(np.uint8)
    picture[find_boundaries(mask, mode="inner")] = DISPLAY_COLOR.to_rgb()
    return picture


def _patient_orientation(series: DicomSeries) -> tuple[str, str]:
    """Where a row and a column run to, as the nearest of L, R, A, P, H and F."""
    axes = np.eye(4)
    along_row, along_column = series.orientation[:3], series.orientation[3:]
    axes[:3, :3] = np.column_stack([along_row, along_column, np.cross(along_row, along_column)])
    row, column, _ = get_closest_patient_orientation(axes)
    return row.value, column.value


def _source_reference(image: Dataset, frame_number: int) -> list[Dataset]:
    """The Source Image Sequence (PS3.3 C.7.6.1.1.4) of a picture of one slice."""
    frame = frame_number if "NumberOfFrames" in image else None
    item = Dataset()
    item.update(ReferencedImageSequence([image], frame)[0])
    item.PurposeOfReferenceCodeSequence = [CodedConcept.from_code(codes.DCM.SourceImageForImageProcessingOperation)]
    item.SpatialLocationsPreserved = "YES"
    return [item]
