"""A synthetic head that is defined in patient space, and plain CT slices through it in any plane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from scipy.spatial.transform import Rotation

# Whoever tests that nothing identifying leaks looks for these.
PATIENT_NAME = "Doe^Phantom"
PATIENT_ID = "PHANTOM-4711"

# Not square in pixels nor in millimetres, so that a transposed or stretched volume shows.
ROWS, COLUMNS = 64, 48
PIXEL_SPACING = (3.5, 4.25)  # between rows, between columns, mm
SLICES = 24
STEP = 6.0  # between slices, mm
STORED_ZERO = 1024  # stored value of 0 HU

_CENTER = np.array([4.0, -12.0, 35.0])  # LPS, mm
_SEMI_AXES = np.array([74.0, 92.0, 68.0])  # left-right, front-back, foot-head, mm
_SKULL = 0.92  # inner over outer semi-axis

# Row cosines, then column cosines, LPS; the oblique plane is turned about all three axes.
ORIENTATIONS = {
    "axial": (1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
    "sagittal": (0.0, 1.0, 0.0, 0.0, 0.0, -1.0),
    "coronal": (1.0, 0.0, 0.0, 0.0, 0.0, -1.0),
    "oblique": tuple(Rotation.from_euler("zyx", [17.0, -12.0, 9.0], degrees=True).as_matrix()[:, :2].T.ravel()),
}


@dataclass(frozen=True, eq=False)
class Head:
    """An ellipsoid of skull and brain with one bright round lesion, left, in front and above the middle.

    Attributes:
        lesion_center: ``[3]``, LPS, mm.
        lesion_radius: mm.
    """

    lesion_center: np.ndarray
    lesion_radius: float = 13.0

    @classmethod
    def from_seed(cls, seed: int) -> Head:
        """The head of a seed: the lesion lies up to 4 mm beside its usual place."""
        jitter = np.random.default_rng(seed).uniform(-4.0, 4.0, size=3)
        return cls(np.round(_CENTER + [30.0, -34.0, 16.0] + jitter, 3))

    def hounsfield(self, points: np.ndarray) -> np.ndarray:
        """The head's CT value at points of patient space.

        Args:
            points: ``[..., 3]``, LPS, mm.

        Returns:
            ``[...]`` float64, HU: air -1000, skull 900, lesion 300; brain 20 to 60, rising to the left, back and head.
        """
        relative = (points - _CENTER) / _SEMI_AXES
        radius = np.linalg.norm(relative, axis=-1)
        values = 40.0 + relative @ np.array([9.0, 6.0, 3.0])
        values = np.where(np.linalg.norm(points - self.lesion_center, axis=-1) <= self.lesion_radius, 300.0, values)
        values = np.where(radius > _SKULL, 900.0, values)
        return np.where(radius > 1.0, -1000.0, values)


def pixel_points(position: np.ndarray, orientation: np.ndarray) -> np.ndarray:
    """Centres of a slice's pixels, ``[rows, columns, 3]``, LPS, mm."""
    rows = np.arange(ROWS)[:, None, None] * PIXEL_SPACING[0] * orientation[3:]
    columns = np.arange(COLUMNS)[None, :, None] * PIXEL_SPACING[1] * orientation[:3]
    return position + rows + columns


def plane_of(name: str, tilt: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Orientation ``[6]`` of a named plane and the direction ``[3]`` in which the table moves, LPS.

    Args:
        name: a key of `ORIENTATIONS`.
        tilt: turn of the slice plane about its rows against the table, degrees.
    """
    orientation = np.array(ORIENTATIONS[name])
    table = np.cross(orientation[:3], orientation[3:])
    angle = np.radians(tilt)
    orientation[3:] = np.cos(angle) * orientation[3:] + np.sin(angle) * table
    return np.round(orientation, 6), table


def ct_slices(
    head: Head,
    orientation: np.ndarray,
    table: np.ndarray,
    heights: Sequence[float],
    uid_seed: str,
) -> list[Dataset]:
    """Plain CT images of a head, complete enough for a strict validator.

    Args:
        head: what is scanned.
        orientation: ``[6]``, row cosines then column cosines, LPS.
        table: ``[3]``, unit vector along which slices are stacked, LPS.
        heights: table position of each slice relative to the centre of the head, mm.
        uid_seed: all UIDs are made from this text.

    Returns:
        One data set per height, in that order, with instance numbers from 1.
    """
    slices = []
    normal = np.cross(orientation[:3], orientation[3:])
    for number, height in enumerate(heights, start=1):
        corner = _CENTER + height * table
        corner = corner - orientation[:3] * PIXEL_SPACING[1] * (COLUMNS - 1) / 2
        corner = np.round(corner - orientation[3:] * PIXEL_SPACING[0] * (ROWS - 1) / 2, 6)
        dataset = _empty_ct(uid_seed, number)
        dataset.GantryDetectorTilt = f"{np.degrees(np.arccos(np.clip(table @ normal, -1.0, 1.0))):.3f}"
        dataset.ImageOrientationPatient = [f"{v:.6f}" for v in orientation]
        dataset.ImagePositionPatient = [f"{v:.6f}" for v in corner]
        set_pixels(dataset, np.rint(head.hounsfield(pixel_points(corner, orientation))) + STORED_ZERO)
        slices.append(dataset)
    return slices


def set_pixels(dataset: Dataset, stored: np.ndarray) -> None:
    """Put stored values ``[rows, columns]`` or ``[frames, rows, columns]`` into a data set of 16 bits allocated."""
    kind = "<i2" if dataset.PixelRepresentation else "<u2"
    dataset.PixelData = np.ascontiguousarray(stored).astype(kind).tobytes()
    dataset["PixelData"].VR = "OW"


def seeded_uid(*parts: object) -> str:
    """A UID that depends on nothing but its parts."""
    return str(generate_uid(entropy_srcs=[str(part) for part in parts]))


def name_instance(dataset: Dataset, *parts: object) -> None:
    """Give a data set another SOPInstanceUID, made from the parts."""
    dataset.SOPInstanceUID = seeded_uid("instance", *parts)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID


def _empty_ct(uid_seed: str, number: int) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = CTImageStorage
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    name_instance(dataset, uid_seed, number)
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.Modality = "CT"
    dataset.Manufacturer = "bpfl_med"
    dataset.BodyPartExamined = "HEAD"
    dataset.PatientName, dataset.PatientID = PATIENT_NAME, PATIENT_ID
    dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = dataset.ContentDate = "20250102"
    dataset.StudyTime = dataset.SeriesTime = dataset.AcquisitionTime = dataset.ContentTime = "030405"
    for keyword in ("AccessionNumber", "ReferringPhysicianName", "PatientBirthDate", "PatientSex"):
        setattr(dataset, keyword, "")
    dataset.StudyInstanceUID = seeded_uid("study", uid_seed)
    dataset.SeriesInstanceUID = seeded_uid("series", uid_seed)
    dataset.FrameOfReferenceUID = seeded_uid("frame of reference", uid_seed)
    dataset.PositionReferenceIndicator = ""
    dataset.PatientPosition = "HFS"
    dataset.StudyID, dataset.SeriesNumber, dataset.AcquisitionNumber = "1", 2, 1
    dataset.InstanceNumber = number
    dataset.KVP = "120"
    dataset.SliceThickness = f"{STEP:g}"
    dataset.PixelSpacing = [f"{v:g}" for v in PIXEL_SPACING]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = ROWS, COLUMNS
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = f"{-STORED_ZERO}", "1", "HU"
    dataset.WindowCenter, dataset.WindowWidth = "40", "80"
    return dataset
