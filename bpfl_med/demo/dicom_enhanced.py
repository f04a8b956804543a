"""Enhanced multi-frame CT and MR, made from plain slices: the functional groups of geometry and values, no physics."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import EnhancedCTImageStorage, EnhancedMRImageStorage

from bpfl_med.demo.dicom_head import name_instance, set_pixels

# What a multi-frame object says in its functional groups, or not at all.
_OF_FRAMES = (
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "SliceThickness",
    "RescaleIntercept",
    "RescaleSlope",
    "RescaleType",
    "WindowCenter",
    "WindowWidth",
    "KVP",
    "PixelData",
)


def to_enhanced(slices: Sequence[Dataset], modality: str = "CT") -> Dataset:
    """Pack single-frame slices into one multi-frame object, one frame per slice in the given order.

    Position, and temporal position where the slices have one, stand in the per-frame functional groups; orientation,
    spacing and rescale in the shared ones.

    Args:
        slices: plain slices of one series with the same orientation.
        modality: "CT" or "MR".

    Returns:
        The multi-frame data set.
    """
    first = slices[0]
    enhanced = Dataset()
    enhanced.update({e.tag: e for e in first if e.keyword not in _OF_FRAMES})
    enhanced.file_meta = first.file_meta
    enhanced.SOPClassUID = EnhancedCTImageStorage if modality == "CT" else EnhancedMRImageStorage
    enhanced.file_meta.MediaStorageSOPClassUID = enhanced.SOPClassUID
    name_instance(enhanced, "enhanced", modality, *(s.SOPInstanceUID for s in slices))
    enhanced.Modality = modality
    enhanced.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    enhanced.PixelPresentation, enhanced.VolumetricProperties = "MONOCHROME", "VOLUME"
    enhanced.VolumeBasedCalculationTechnique = "NONE"
    enhanced.InstanceNumber = 1
    enhanced.NumberOfFrames = len(slices)
    frames = [np.frombuffer(s.PixelData, "<u2").reshape(s.Rows, s.Columns) for s in slices]
    set_pixels(enhanced, np.stack(frames))
    enhanced.SharedFunctionalGroupsSequence = [_shared_groups(first, modality)]
    enhanced.PerFrameFunctionalGroupsSequence = [_frame_groups(s, i) for i, s in enumerate(slices, start=1)]
    return enhanced


def _shared_groups(first: Dataset, modality: str) -> Dataset:
    frame_type = _item(
        FrameType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"],
        PixelPresentation="MONOCHROME",
        VolumetricProperties="VOLUME",
        VolumeBasedCalculationTechnique="NONE",
    )
    groups = _item(
        PixelMeasuresSequence=[_item(PixelSpacing=first.PixelSpacing, SliceThickness=first.SliceThickness)],
        PlaneOrientationSequence=[_item(ImageOrientationPatient=first.ImageOrientationPatient)],
        PixelValueTransformationSequence=[
            _item(
                RescaleIntercept=first.RescaleIntercept,
                RescaleSlope=first.RescaleSlope,
                RescaleType=first.RescaleType if modality == "CT" else "US",
            )
        ],
        FrameVOILUTSequence=[_item(WindowCenter=first.WindowCenter, WindowWidth=first.WindowWidth)],
    )
    setattr(groups, f"{modality}ImageFrameTypeSequence", [frame_type])
    return groups


def _frame_groups(dataset: Dataset, number: int) -> Dataset:
    content = _item(StackID="1", InStackPositionNumber=number)
    if "TemporalPositionIdentifier" in dataset:
        content.TemporalPositionIndex = int(dataset.TemporalPositionIdentifier)
    return _item(
        FrameContentSequence=[content],
        PlanePositionSequence=[_item(ImagePositionPatient=dataset.ImagePositionPatient)],
    )


def _item(**elements: object) -> Dataset:
    item = Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return item
