"""A synthetic head CT with a lesion at a known place, written as DICOM in the forms that real archives hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bpfl_med.demo.dicom_forms import FORMS
from bpfl_med.demo.dicom_head import ORIENTATIONS, SLICES, STEP, Head, ct_slices, plane_of

TILT = 15.0  # degrees, of the "tilted" form

_EVEN = tuple(STEP * (k - (SLICES - 1) / 2) for k in range(SLICES))
# 3 mm through the base of the skull, 6 mm above it: no one affine holds.
_UNEVEN = tuple(np.cumsum([-66.0, *[3.0] * 12, *[6.0] * 11]).tolist())
_HEIGHTS: dict[str, Sequence[float]] = {"uneven": _UNEVEN, "single_slice": (18.0,)}


@dataclass(frozen=True, eq=False)
class DicomPhantom:
    """A series that was written, and what is known of it.

    Attributes:
        folder: where it lies.
        files: its files, in the order in which they were written.
        series_uid: SeriesInstanceUID of the head.
        head: the head itself; ``head.hounsfield(points)`` is the CT value at any point (LPS, mm).
    """

    folder: Path
    files: tuple[Path, ...]
    series_uid: str
    head: Head

    @property
    def lesion_center(self) -> np.ndarray:
        """``[3]``, centre of the lesion, LPS, mm."""
        return self.head.lesion_center

    @property
    def lesion_radius(self) -> float:
        """Radius of the lesion, mm."""
        return self.head.lesion_radius


def write_series(folder: str | Path, *, kind: str = "axial", plane: str | None = None, seed: int = 0) -> DicomPhantom:
    """Write a synthetic head CT of 24 slices of 64 x 48 pixels as DICOM.

    The same arguments give the same bytes.

    Args:
        folder: where the files go; made if absent.
        kind: one of `KINDS`.
        plane: "axial", "coronal", "sagittal" or "oblique": the plane of the slices. By default that of the kind, where
            the kind is named after one, else axial.
        seed: moves the lesion and makes other UIDs.

    Returns:
        What was written.

    Raises:
        ValueError: there is no such kind or plane.
    """
    plane = plane or (kind if kind in ORIENTATIONS else "axial")
    for name, value, known in (("kind", kind, KINDS), ("plane", plane, tuple(ORIENTATIONS))):
        if value not in known:
            raise ValueError(f"{name} must be one of {', '.join(known)}, got {value!r}")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    head = Head.from_seed(seed)
    orientation, table = plane_of(plane, TILT if kind == "tilted" else 0.0)
    slices = ct_slices(head, orientation, table, _HEIGHTS.get(kind, _EVEN), uid_seed=f"{plane} {kind} {seed}")
    series_uid = str(slices[0].SeriesInstanceUID)
    files = []
    for number, dataset in enumerate(FORMS.get(kind, list)(slices), start=1):
        files.append(folder / f"image{number:03d}.dcm")
        dataset.save_as(files[-1], enforce_file_format=True)
    if kind in _FILE_FORMS:
        _FILE_FORMS[kind](files)
    return DicomPhantom(folder, tuple(files), series_uid, head)


def _truncate(files: list[Path]) -> None:
    files[12].write_bytes(files[12].read_bytes()[:-100])


def _empty(files: list[Path]) -> None:
    files[12].write_bytes(b"")


def _clutter(files: list[Path]) -> None:
    """Move the files into folders of folders, among others that are no images and no DICOM."""
    for i, file in enumerate(files):
        files[i] = file.parent / "study" / f"part{i % 2}" / file.stem  # DICOM media have no endings
        files[i].parent.mkdir(parents=True, exist_ok=True)
        file.rename(files[i])
    root = files[0].parents[2]
    (root / "README.txt").write_text("no DICOM\n")
    (root / ".hidden.dcm").write_bytes(b"")
    write_series(root / "study" / "report", kind="report")


_FILE_FORMS: dict[str, Callable[[list[Path]], None]] = {
    "truncated": _truncate,
    "truncated_compressed": _truncate,
    "empty_file": _empty,
    "clutter": _clutter,
}

KINDS: tuple[str, ...] = tuple(dict.fromkeys([*ORIENTATIONS, "tilted", *_HEIGHTS, *FORMS, *_FILE_FORMS]))
