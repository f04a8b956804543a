"""What must hold for every image plane of a series, and be the same in all of them, before a volume is made of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Hashable, Sequence

import numpy as np

from bpfl_med.dicom.frames import Frame
from bpfl_med.dicom.series import SeriesError

# Direction cosines nearer than this are the same plane: a quarter of a millimetre over 25 cm.
ORIENTATION_TOLERANCE = 1e-3
# Relative: 0.4883 and 0.48828125 mm are the same spacing.
SPACING_TOLERANCE = 1e-4
# The units of RescaleType (PS3.3 C.11.1.1.2) that a CT's values may be in instead of HU.
_NO_HU = ("OD", "MGML", "Z_EFF", "ED", "EDW", "PCT")


def is_uid(text: str) -> bool:
    """Whether a text is a UID: at most 64 digits and single dots. Leading zeros, which many have, are let pass."""
    return len(text) <= 64 and re.fullmatch(r"[0-9]+(\.[0-9]+)*", text) is not None


def name_files(frames: Sequence[Frame]) -> str:
    """Name the files of some frames, the first three in full, with the frame number in multi-frame files."""
    names = list(dict.fromkeys(f"{f.path} (frame {f.number})" if f.multi_frame else str(f.path) for f in frames))
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def check_each(frames: Sequence[Frame]) -> None:
    """See that each frame is grey and has a position, an orientation, a pixel spacing and an identity.

    Raises:
        SeriesError: names the frames that do not.
    """
    demands: tuple[tuple[Callable[[Frame], bool], str], ...] = (
        (
            lambda f: f.photometric in ("MONOCHROME1", "MONOCHROME2"),
            "not a grey image (PhotometricInterpretation is neither MONOCHROME1 nor MONOCHROME2); give the scanner's "
            "own images, not colour captures",
        ),
        (lambda f: is_uid(f.sop_instance_uid), "no valid SOPInstanceUID; export the series again"),
        (
            lambda f: is_uid(f.study_uid),
            "no valid StudyInstanceUID, so results could not be filed with the study; export the series again",
        ),
        (
            lambda f: f.position is not None and bool(np.isfinite(f.position).all()),
            "no usable ImagePositionPatient, so its place in the patient is unknown; export the original series",
        ),
        (
            lambda f: f.orientation is not None and _is_orthonormal(f.orientation),
            "no usable ImageOrientationPatient, so its place in the patient is unknown; export the original series",
        ),
        (
            lambda f: f.spacing is not None and bool(np.isfinite(f.spacing).all()) and min(f.spacing) > 0,
            "no PixelSpacing above zero, so its size is unknown; export the original series",
        ),
        (
            lambda f: f.slope is None or (bool(np.isfinite(f.slope)) and f.slope != 0),
            "a RescaleSlope that is zero or no number, so its values are lost; export the original series",
        ),
        (
            lambda f: f.modality != "CT" or f.rescale_type not in _NO_HU,
            "a RescaleType that is no HU, such as a density or an atomic number, for which there are no grey levels; "
            "give the series in HU",
        ),
    )
    for holds, complaint in demands:
        wrong = [f for f in frames if not holds(f)]
        if wrong:
            raise SeriesError(f"{name_files(wrong)}: {complaint}")


def check_alike(frames: Sequence[Frame]) -> None:
    """See that all frames share patient, study, modality, frame of reference, matrix, orientation and pixel spacing.

    Those of a CT must also all tell how stored values become HU, or none of them.

    Raises:
        SeriesError: names the frames that differ from most.
    """
    exact: tuple[tuple[str, Callable[[Frame], Hashable]], ...] = (
        ("PatientID", lambda f: f.patient_id),
        ("StudyInstanceUID", lambda f: f.study_uid),
        ("Modality", lambda f: f.modality),
        ("FrameOfReferenceUID", lambda f: f.frame_of_reference_uid),
        ("matrix (Rows x Columns)", lambda f: f.matrix),
        ("presence of RescaleSlope and RescaleIntercept", lambda f: f.modality == "CT" and f.has_rescale),
        ("RescaleType", lambda f: f.modality == "CT" and f.rescale_type),
    )
    for name, value in exact:
        most = Counter(map(value, frames)).most_common(1)[0][0]
        _refuse([f for f in frames if value(f) != most], name, len(frames))

    orientations = np.array([f.orientation for f in frames])
    odd = np.abs(orientations - _most_common(orientations)).max(axis=1) > ORIENTATION_TOLERANCE
    _refuse([f for f, is_odd in zip(frames, odd, strict=True) if is_odd], "ImageOrientationPatient", len(frames))

    spacings = np.array([f.spacing for f in frames])
    odd = np.abs(spacings / _most_common(spacings) - 1).max(axis=1) > SPACING_TOLERANCE
    _refuse([f for f, is_odd in zip(frames, odd, strict=True) if is_odd], "PixelSpacing", len(frames))


def what_differs(frames: Sequence[Frame]) -> str:
    """Say which attributes tell apart frames at one position, such as "EchoTime"; their values stay untold."""
    phases = [dict(f.phase) for f in frames]
    keywords = dict.fromkeys(key for phase in phases for key in phase)
    differing = [key for key in keywords if len({phase.get(key) for phase in phases}) > 1]
    return f"they differ in {' and '.join(differing[:2])}" if differing else "nothing tells them apart"


def _refuse(odd: Sequence[Frame], name: str, count: int) -> None:
    if odd:
        raise SeriesError(
            f"{name_files(odd)}: another {name} than the other {count - len(odd)} of {count} slices of the series; "
            "no one volume is true, so move them out or make them a series of their own"
        )


def _most_common(values: np.ndarray) -> np.ndarray:
    """The row that most rows equal to three decimals."""
    rounded = [tuple(row) for row in np.round(values, 3)]
    row: np.ndarray = values[rounded.index(Counter(rounded).most_common(1)[0][0])]
    return row


def _is_orthonormal(orientation: tuple[float, ...]) -> bool:
    axes = np.array(orientation).reshape(2, 3)
    return bool(np.isfinite(axes).all() and np.abs(axes @ axes.T - np.eye(2)).max() <= 1e-2)
