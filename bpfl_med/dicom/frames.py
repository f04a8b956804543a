"""What the header of a DICOM file says of each image plane in it, single-frame and enhanced multi-frame alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import UID

# What tells apart the echoes, phases and repetitions that may share one slice position.
_PHASE_KEYWORDS = (
    "StackID",
    "TemporalPositionIndex",
    "TemporalPositionIdentifier",
    "NominalPercentageOfCardiacPhase",
    "NominalCardiacTriggerDelayTime",
    "TriggerTime",
    "EffectiveEchoTime",
    "EchoTime",
    "EchoNumbers",
    "InversionTime",
    "DiffusionBValue",
    "AcquisitionNumber",
    "ImageType",
    "FrameType",
    "ConvolutionKernel",
    "ContrastBolusAgent",
    "AcquisitionTime",
)

# Images that are made from scans (masks, maps, doses) and objects that merely carry pixels: nothing to score.
_DERIVED_STORAGE = ("Segmentation", "Parametric Map", "Dose", "Presentation State", "Real World Value", "Fiducials")


@dataclass(frozen=True, slots=True)
class Frame:
    """One image plane of one DICOM file, as its header describes it. Values that are absent are None or empty.

    Attributes:
        path: the file.
        number: 1-based frame inside the file.
        sop_instance_uid: SOPInstanceUID.
        series_uid: SeriesInstanceUID.
        study_uid: StudyInstanceUID.
        patient_id: PatientID, to be compared and never told.
        modality: Modality.
        frame_of_reference_uid: FrameOfReferenceUID.
        matrix: (rows, columns).
        photometric: PhotometricInterpretation.
        image_type: FrameType or ImageType, in capitals.
        position: ImagePositionPatient, LPS, mm.
        orientation: ImageOrientationPatient, row cosines then column cosines, LPS.
        spacing: PixelSpacing (between rows, between columns), mm.
        thickness: SliceThickness, mm.
        slope: RescaleSlope.
        has_rescale: whether the frame has a rescale slope and intercept, or a modality look-up table.
        rescale_type: RescaleType, the unit of the values, such as HU.
        phase: (keyword, value) of whatever tells apart frames at one position.
        multi_frame: whether the file is a multi-frame object.
        instance_number: InstanceNumber; a renumbered copy is the same image.
    """

    path: Path
    number: int
    sop_instance_uid: str
    series_uid: str
    study_uid: str
    patient_id: str = field(repr=False)
    modality: str
    frame_of_reference_uid: str
    matrix: tuple[int, int]
    photometric: str
    image_type: tuple[str, ...]
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    spacing: tuple[float, ...] | None
    thickness: float | None
    slope: float | None
    has_rescale: bool
    rescale_type: str
    phase: tuple[tuple[str, str], ...]
    multi_frame: bool
    instance_number: int | None = field(default=None, compare=False)

    @property
    def is_localiser(self) -> bool:
        """Whether the frame is an overview image on which a scan was planned."""
        return bool({"LOCALIZER", "SCOUT"} & set(self.image_type))


def is_image(dataset: Dataset, has_pixels: bool) -> bool:
    """Whether a data set is a scanned image: pixels, and no mask, map, dose or presentation of other images."""
    kind = UID(str(dataset.get("SOPClassUID", ""))).name
    # pydicom has no name for label maps, which are segmentations by their modality (PS3.3 C.8.20.1).
    is_derived = dataset.get("Modality") == "SEG" or any(name in kind for name in _DERIVED_STORAGE)
    return (has_pixels or "Image Storage" in kind) and not is_derived


def frames_of(dataset: Dataset, path: Path) -> Iterator[Frame]:
    """List the image planes of one data set.

    Args:
        dataset: the header of an image.
        path: its file.

    Yields:
        One frame for a single-frame object; for a multi-frame object one per frame, in stored order.

    Raises:
        ValueError: the header contradicts itself.
    """
    count = int(dataset.get("NumberOfFrames") or 1)
    groups = dataset.get("PerFrameFunctionalGroupsSequence") or ()
    if groups and len(groups) != count:
        raise ValueError(f"{count} frames but {len(groups)} functional groups")
    for index in range(count):
        layers = layers_of(dataset, index)
        yield Frame(
            path=path,
            number=index + 1,
            sop_instance_uid=_text(dataset, "SOPInstanceUID"),
            series_uid=_text(dataset, "SeriesInstanceUID"),
            study_uid=_text(dataset, "StudyInstanceUID"),
            patient_id=_text(dataset, "PatientID"),
            modality=_text(dataset, "Modality"),
            frame_of_reference_uid=_text(dataset, "FrameOfReferenceUID"),
            matrix=(int(dataset.get("Rows") or 0), int(dataset.get("Columns") or 0)),
            photometric=_text(dataset, "PhotometricInterpretation"),
            image_type=_words(find(layers, "FrameType") or find(layers, "ImageType")),
            position=_numbers(find(layers, "ImagePositionPatient"), 3),
            orientation=_numbers(find(layers, "ImageOrientationPatient"), 6),
            spacing=_numbers(find(layers, "PixelSpacing"), 2),
            thickness=_number(find(layers, "SliceThickness")),
            slope=_number(find(layers, "RescaleSlope")),
            has_rescale=find(layers, "ModalityLUTSequence") is not None
            or None not in (find(layers, "RescaleSlope"), find(layers, "RescaleIntercept")),
            rescale_type=str(find(layers, "RescaleType") or "").strip(),
            phase=tuple((key, str(value)) for key in _PHASE_KEYWORDS if (value := find(layers, key)) not in (None, "")),
            multi_frame=count > 1 or bool(groups),
            instance_number=_whole_number(dataset.get("InstanceNumber")),
        )


def layers_of(dataset: Dataset, index: int) -> list[Dataset]:
    """The data sets in which an attribute of one frame may stand, nearest first.

    Args:
        dataset: a single-frame or multi-frame data set.
        index: 0-based frame.

    Returns:
        The items of the frame's own functional groups, then of the shared ones, then the data set itself.
    """
    layers: list[Dataset] = []
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence") or ()
    shared = dataset.get("SharedFunctionalGroupsSequence") or ()
    for group in (*per_frame[index : index + 1], *shared[:1]):
        layers += [element.value[0] for element in group if element.VR == "SQ" and element.value]
    return [*layers, dataset]


def find(layers: list[Dataset], keyword: str) -> Any:
    """The first value of an attribute in the layers of a frame that is not empty, or None."""
    for layer in layers:
        value = layer.get(keyword)
        if value is not None and value != "" and not (hasattr(value, "__len__") and len(value) == 0):
            return value
    return None


def _text(dataset: Dataset, keyword: str) -> str:
    return str(dataset.get(keyword) or "").strip()


def _words(value: Any) -> tuple[str, ...]:
    """The values of a code string, which comes bare where it is single."""
    return tuple(str(v).upper() for v in ([value] if isinstance(value, str) else value or ()))


def _whole_number(value: Any) -> int | None:
    """The value as a whole number, or None where it is absent or of another kind."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def _number(value: Any) -> float | None:
    return (_numbers(value, 1) or (None,))[0]


def _numbers(value: Any, length: int) -> tuple[float, ...] | None:
    """The value as that many floats, or None where it is absent or of another length."""
    if value is None:
        return None
    try:
        numbers = tuple(
            float(v) for v in (value if hasattr(value, "__iter__") and not isinstance(value, str) else [value])
        )
    except (TypeError, ValueError):
        return None
    return numbers if len(numbers) == length else None
