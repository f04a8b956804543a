"""A folder of anything -> the image series in it, and the one that is asked for."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom

from bpfl_med.dicom.assemble import assemble_series
from bpfl_med.dicom.files import DamagedFileError, is_dicom, read_header
from bpfl_med.dicom.frames import Frame, frames_of, is_image
from bpfl_med.dicom.geometry import normal_of
from bpfl_med.dicom.series import DicomSeries, NoSeriesError, SeriesError
from bpfl_med.files_below import files_below

# Endings that promise DICOM. Names without an ending, or with a number, are as usual but promise nothing.
_DICOM_ENDINGS = {".dcm", ".dic", ".dicom", ".ima"}
_NOT_DICOM = "files that are not DICOM"


@dataclass(frozen=True)
class FoundSeries:
    """An image series as it was found, before any check of its geometry.

    Attributes:
        series_uid: SeriesInstanceUID.
        modality: Modality of its first image.
        frames: its image planes, in the order in which they were found.
        damaged: (file, what is wrong) for files that belong to it, or lie in its folders and may belong to it.
        left_out: how many files were passed over, by reason.
    """

    series_uid: str
    modality: str
    frames: tuple[Frame, ...]
    damaged: tuple[tuple[Path, str], ...]
    left_out: tuple[tuple[str, int], ...]

    @property
    def folder(self) -> Path:
        """The innermost folder that holds all its files, so that other series' files need not be read again."""
        files = [*(frame.path for frame in self.frames), *(file for file, _ in self.damaged)]
        return Path(os.path.commonpath([file.parent for file in files]))

    @property
    def description(self) -> str:
        """Plane, matrix, spacing and kind of the images: nothing that a person typed."""
        frame = self.frames[len(self.frames) // 2]
        parts = [f"{frame.matrix[0]} x {frame.matrix[1]}"]
        if frame.orientation is None or frame.position is None:
            parts.append("no position")
        else:
            planes = ("sagittal", "coronal", "axial")
            parts.append(planes[int(np.abs(normal_of(np.array(frame.orientation))).argmax())])
        if frame.spacing is not None:
            parts.append(f"{frame.spacing[0]:g} x {frame.spacing[1]:g} mm")
        if not frame.photometric.startswith("MONOCHROME"):
            parts.append("colour")
        if frame.is_localiser:
            parts.append("localiser")
        return ", ".join(parts)


def find_series(path: str | Path) -> list[FoundSeries]:
    """List the image series of a file or of a folder and all folders in it.

    Hidden files, files that are not DICOM, and DICOM objects that are no scanned images (reports, masks, maps, doses,
    presentation states) are passed over and counted. Only headers are read.

    Args:
        path: a DICOM file or a folder.

    Returns:
        The series, sorted by SeriesInstanceUID; at least one.

    Raises:
        SeriesError: there is nothing at the path, or no image in it that can be read.
    """
    return find_series_and_damage(path)[0]


def find_series_and_damage(path: str | Path) -> tuple[list[FoundSeries], list[str]]:
    """List the image series, and a sentence for each folder with damaged files that belong to none of them."""
    root = Path(path)
    frames: dict[str, list[Frame]] = defaultdict(list)
    damaged: list[_Damaged] = []
    strange: list[Path] = []
    left_out: Counter[str] = Counter()
    for file in _files_under(root, damaged):
        try:
            found = _read_file(file)
        except DamagedFileError as error:
            damaged.append(_Damaged(file, str(error), _series_uid_of(file)))
            continue
        if isinstance(found, str):
            left_out[found] += 1
            if found == _NOT_DICOM and _could_be_a_slice(file):
                strange.append(file)
        else:
            frames[found[0].series_uid].extend(found)
    if not frames:
        raise _nothing_found(root, damaged, left_out)
    like_slices = {(f.path.parent, _promises_nothing(f.path)) for some in frames.values() for f in some}
    for file in strange:
        if (file.parent, True) in like_slices:
            left_out[_NOT_DICOM] -= 1
            damaged.append(_Damaged(file, "the file is not DICOM, though it is named like the slices beside it", ""))
    in_folder: dict[Path, set[str]] = defaultdict(set)
    for uid, some in frames.items():
        for folder in {f.path.parent for f in some}:
            in_folder[folder].add(uid)
    damaged_of: dict[str, list[_Damaged]] = defaultdict(list)
    others: dict[Path, list[_Damaged]] = defaultdict(list)
    for damage in damaged:
        # A file without a readable UID may belong to any of the series that it lies among.
        concerned = {damage.series_uid} & frames.keys() if damage.series_uid else in_folder[damage.path.parent]
        for uid in concerned:
            damaged_of[uid].append(damage)
        if not concerned:
            others[damage.path.parent].append(damage)
    left_out["damaged files that belong to none of the series"] += sum(map(len, others.values()))
    series = [
        FoundSeries(
            series_uid=uid,
            modality=frames[uid][0].modality,
            frames=tuple(frames[uid]),
            damaged=tuple((d.path, d.reason) for d in damaged_of[uid]),
            left_out=tuple(sorted((+left_out).items())),
        )
        for uid in sorted(frames)
    ]
    return series, [_spoken_damage(damages) for damages in others.values()]


def load_series(found: FoundSeries, allow_gaps: bool = False) -> DicomSeries:
    """Check a found series and put its slices in order.

    Args:
        found: one of the series that `find_series` lists.
        allow_gaps: accept a stack in which slices seem to be missing; it then has no affine.

    Returns:
        The series. Its notes count the files that were passed over.

    Raises:
        SeriesError: a file is damaged, or the files make no true volume; the text names them.
    """
    if found.damaged:
        file, reason = found.damaged[0]
        more = f" (so are {len(found.damaged) - 1} more files)" if len(found.damaged) > 1 else ""
        raise SeriesError(f"{file}: {reason}{more}; copy it from its source again, or remove it if it is no slice")
    series = assemble_series(found.frames, allow_gaps)
    if not found.left_out:
        return series
    counts = ", ".join(f"{reason}: {count}" for reason, count in found.left_out)
    return dataclasses.replace(series, notes=(*series.notes, f"Passed over under the given path ({counts})."))


def select_series(path: str | Path, series_uid: str | None = None, allow_gaps: bool = False) -> DicomSeries:
    """Read the headers under a path and take the series that is asked for, or the only one.

    Args:
        path: a DICOM file or a folder.
        series_uid: SeriesInstanceUID; may be left out where there is only one series.
        allow_gaps: accept a stack in which slices seem to be missing; it then has no affine.

    Returns:
        The series, checked and in order.

    Raises:
        SeriesError: there is no image, no such series, or more than one to choose from (the text lists them); or the
            files of the series make no true volume.
    """
    return load_series(choose_series(path, series_uid), allow_gaps)


def choose_series(path: str | Path, series_uid: str | None = None) -> FoundSeries:
    """Find the series that is asked for, or the only one, without any check of its geometry.

    Args:
        path: a DICOM file or a folder.
        series_uid: SeriesInstanceUID; may be left out where there is only one series.

    Raises:
        SeriesError: there is no image, no such series, or more than one to choose from (the text lists them).
    """
    found = find_series(path)
    if series_uid is not None:
        chosen = [series for series in found if series.series_uid == series_uid]
        if not chosen:
            raise SeriesError(f"{path}: no image series {series_uid}; there are {_listing(found)}")
        return chosen[0]
    if len(found) > 1:
        raise SeriesError(
            f"{path}: {len(found)} image series, so choose one by its UID (--series, in a bundle run --series_uid) "
            f"or all (--all, --take_all): {_listing(found)}"
        )
    return found[0]


@dataclass(frozen=True)
class _Damaged:
    path: Path
    reason: str
    series_uid: str


def _files_under(root: Path, damaged: list[_Damaged]) -> list[Path]:
    """The file itself, or all files in a folder and its folders, without hidden ones, in the order of their names."""
    if not root.exists():
        raise SeriesError(f"{root}: no such file or folder")
    if root.is_file():
        return [root]
    return sorted(files_below(root, lambda folder, reason: damaged.append(_Damaged(folder, reason, ""))))


def _read_file(file: Path) -> list[Frame] | str:
    """The frames of a file that is an image, else the reason for which it is passed over."""
    ending = file.suffix.lower()
    try:
        size, looks_right = file.stat().st_size, is_dicom(file)
    except OSError as error:
        raise DamagedFileError(f"the file cannot be opened ({type(error).__name__})") from error
    if size == 0 and ending in _DICOM_ENDINGS:
        raise DamagedFileError("the file is empty")
    if not looks_right:
        if ending in _DICOM_ENDINGS:
            raise DamagedFileError("the file is not DICOM, though it is named so")
        return _NOT_DICOM
    try:
        header, has_pixels = read_header(file)
        if not is_image(header, has_pixels):
            return f"DICOM objects that are no scanned images ({header.get('Modality') or 'DICOMDIR'})"
        frames = list(frames_of(header, file))
    except DamagedFileError:
        raise
    except Exception as error:  # pydicom meets a damaged header in many ways
        raise DamagedFileError(f"the file is cut short or its header is damaged ({type(error).__name__})") from error
    if not has_pixels:
        raise DamagedFileError("the image has no pixel data")
    if not frames[0].series_uid:
        raise DamagedFileError("the image has no SeriesInstanceUID")
    if 0 in frames[0].matrix:
        raise DamagedFileError("the image has no Rows and Columns")
    return frames


def _promises_nothing(file: Path) -> bool:
    """Whether a name has no ending, or a number, so that it may be a slice's and may be anything."""
    return not file.suffix or file.suffix[1:].isdigit()


def _could_be_a_slice(file: Path) -> bool:
    """Whether a file that does not start as DICOM does may be a slice that was damaged: it is empty or no text."""
    with file.open("rb") as opened:
        start = opened.read(4096)
    return _promises_nothing(file) and (not start or b"\x00" in start)


def _series_uid_of(file: Path) -> str:
    """SeriesInstanceUID of a damaged file, as far as it can still be read; else empty."""
    try:
        if not is_dicom(file):
            return ""
        header = pydicom.dcmread(file, stop_before_pixels=True, force=True, specific_tags=["SeriesInstanceUID"])
        return str(header.get("SeriesInstanceUID", ""))
    except Exception:  # a damaged header fails in any way
        return ""


def _nothing_found(root: Path, damaged: list[_Damaged], left_out: Counter[str]) -> SeriesError:
    if damaged:
        return SeriesError(_spoken_damage(damaged))
    counts = ", ".join(f"{reason}: {count}" for reason, count in sorted(left_out.items())) or "no files at all"
    return NoSeriesError(f"{root}: no image series ({counts}); give a folder with the images of a scan")


def _spoken_damage(damaged: Sequence[_Damaged]) -> str:
    more = f" (and {len(damaged) - 1} more files are damaged)" if len(damaged) > 1 else ""
    return f"{damaged[0].path}: {damaged[0].reason}{more}; copy it from its source again"


def _listing(found: list[FoundSeries]) -> str:
    return "; ".join(f"{s.series_uid} ({s.modality}, {len(s.frames)} slices, {s.description})" for s in found)
