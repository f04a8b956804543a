"""A folder of anything -> the image series in it, and the one that is asked for."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom

from bpfl_med.dicom.assemble import assemble_series
from bpfl_med.dicom.files import COPY_AGAIN, UnusableFileError, read_header, starts_as_dicom
from bpfl_med.dicom.frames import Frame, frames_of, is_image
from bpfl_med.dicom.geometry import normal_of
from bpfl_med.dicom.series import DicomSeries, NoSeriesError, SeriesError
from bpfl_med.files.picture_suffixes import PICTURE_SUFFIXES
from bpfl_med.files.walk import files_below

# Endings that promise DICOM. Names without an ending, or with a number, are as usual but promise nothing.
_DICOM_ENDINGS = {".dcm", ".dic", ".dicom", ".ima"}
_NOT_DICOM = "files that are not DICOM"


@dataclass(frozen=True)
class UnusableFile:
    """A file that is damaged or cannot be decoded.

    Attributes:
        path: the file.
        reason: what is wrong.
        advice: what to do about it.
        series_uid: SeriesInstanceUID, if it can still be read; else empty.
    """

    path: Path
    reason: str
    advice: str = COPY_AGAIN
    series_uid: str = ""


@dataclass(frozen=True)
class FoundSeries:
    """An image series as it was found, before any check of its geometry.

    Attributes:
        series_uid: SeriesInstanceUID.
        modality: Modality of its first image.
        frames: its image planes, in the order in which they were found.
        unusable: files that belong to it, or lie in its folders and may belong to it.
        left_out: how many files were passed over, by reason.
    """

    series_uid: str
    modality: str
    frames: tuple[Frame, ...]
    unusable: tuple[UnusableFile, ...]
    left_out: tuple[tuple[str, int], ...]

    @property
    def folder(self) -> Path:
        """The innermost folder that holds all its files, so that other series' files need not be read again."""
        files = [*(frame.path for frame in self.frames), *(file.path for file in self.unusable)]
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


def find_series_and_damage(path: str | Path, *, only_loose: bool = False) -> tuple[list[FoundSeries], list[str]]:
    """List the image series, and a sentence for each folder with damaged files that belong to none of them.

    Args:
        path: a DICOM file or a folder.
        only_loose: leave out the folders in the folder.
    """
    root = Path(path)
    frames: dict[str, list[Frame]] = defaultdict(list)
    unusable: list[UnusableFile] = []
    passed_over: list[tuple[Path, str]] = []
    for file in _files_under(root, unusable, only_loose=only_loose):
        try:
            found = _read_file(file)
        except UnusableFileError as error:
            unusable.append(UnusableFile(file, str(error), error.advice, _series_uid_of(file)))
            continue
        if isinstance(found, str):
            passed_over.append((file, found))
        else:
            frames[found[0].series_uid].extend(found)
    if not frames:
        raise _nothing_found(root, unusable, passed_over)
    broken = _broken_slices(passed_over, frames)
    what = "the file is not DICOM, though it is named like the slices beside it"
    unusable += [UnusableFile(file, what) for file in sorted(broken)]
    of_series, of_none = _assign(unusable, frames)
    left_out = Counter(reason for file, reason in passed_over if file not in broken)
    left_out["damaged files that belong to none of the series"] += sum(map(len, of_none.values()))
    series = [
        FoundSeries(
            series_uid=uid,
            modality=frames[uid][0].modality,
            frames=tuple(frames[uid]),
            unusable=tuple(of_series[uid]),
            left_out=tuple(sorted((+left_out).items())),
        )
        for uid in sorted(frames)
    ]
    return series, [_describe(files) for files in of_none.values()]


def _broken_slices(passed_over: Sequence[tuple[Path, str]], frames: Mapping[str, Sequence[Frame]]) -> set[Path]:
    """Give the files that are not DICOM and lie among slices whose names promise as little as theirs."""
    like_slices = {f.path.parent for some in frames.values() for f in some if _promises_nothing(f.path)}
    return {
        file
        for file, reason in passed_over
        if reason == _NOT_DICOM and file.parent in like_slices and _could_be_a_slice(file)
    }


def _assign(
    unusable: Sequence[UnusableFile], frames: Mapping[str, Sequence[Frame]]
) -> tuple[dict[str, list[UnusableFile]], dict[Path, list[UnusableFile]]]:
    """Give the files that cannot be used by the series that they may belong to, and those of none by their folder."""
    in_folder: dict[Path, set[str]] = defaultdict(set)
    for uid, some in frames.items():
        for folder in {f.path.parent for f in some}:
            in_folder[folder].add(uid)
    of_series: dict[str, list[UnusableFile]] = defaultdict(list)
    of_none: dict[Path, list[UnusableFile]] = defaultdict(list)
    for file in unusable:
        # A file without a readable UID may belong to any of the series that it lies among.
        concerned = {file.series_uid} & frames.keys() if file.series_uid else in_folder[file.path.parent]
        for uid in concerned:
            of_series[uid].append(file)
        if not concerned:
            of_none[file.path.parent].append(file)
    return of_series, of_none


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
    if found.unusable:
        raise SeriesError(f"{_describe(found.unusable)}, or remove it if it is no slice")
    series = assemble_series(found.frames, allow_gaps)
    if not found.left_out:
        return series
    counts = ", ".join(f"{reason}: {count}" for reason, count in found.left_out)
    return dataclasses.replace(series, notes=(*series.notes, f"Passed over under the given path ({counts})."))


def choose_series(
    path: str | Path, series_uid: str | None = None, found: Sequence[FoundSeries] | None = None
) -> FoundSeries:
    """Find the series that is asked for, or the only one, without any check of its geometry.

    Args:
        path: a DICOM file or a folder.
        series_uid: SeriesInstanceUID; may be left out where there is only one series.
        found: what :func:`find_series` lists there, if it was called already.

    Raises:
        SeriesError: there is no image, no such series, or more than one to choose from (the text lists them).
    """
    found = find_series(path) if found is None else found
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


def _files_under(root: Path, unusable: list[UnusableFile], *, only_loose: bool) -> list[Path]:
    """The file itself, or the files in a folder and its folders, without hidden ones, in the order of their names."""
    if not root.exists():
        raise SeriesError(f"{root}: no such file or folder")
    if root.is_file():
        return [root]

    def tell(path: Path, reason: str) -> None:
        unusable.append(UnusableFile(path, reason))

    return sorted(files_below(root, tell, only_loose=only_loose))


def _read_file(file: Path) -> list[Frame] | str:
    """The frames of a file that is an image, else the reason for which it is passed over."""
    try:
        with file.open("rb") as opened:
            if not starts_as_dicom(opened):
                if file.suffix.lower() not in _DICOM_ENDINGS:
                    return _NOT_DICOM
                is_empty = os.fstat(opened.fileno()).st_size == 0
                what = "the file is empty" if is_empty else "the file is not DICOM, though it is named so"
                raise UnusableFileError(what)
            header, has_pixels = read_header(opened)
        if not is_image(header, has_pixels):
            return f"DICOM objects that are no scanned images ({header.get('Modality') or 'DICOMDIR'})"
        frames = list(frames_of(header, file))
    except UnusableFileError:
        raise
    except OSError as error:
        raise UnusableFileError(f"the file cannot be opened or read ({type(error).__name__})") from error
    except Exception as error:  # pydicom meets a damaged header in many ways
        raise UnusableFileError(f"the file is cut short or its header is damaged ({type(error).__name__})") from error
    if not has_pixels:
        raise UnusableFileError("the image has no pixel data")
    if not frames[0].series_uid:
        raise UnusableFileError("the image has no SeriesInstanceUID")
    if not header.get("SOPClassUID"):
        raise UnusableFileError("the image has no SOPClassUID")
    if 0 in frames[0].matrix:
        raise UnusableFileError("the image has no Rows and Columns")
    return frames


def _promises_nothing(file: Path) -> bool:
    """Whether a name has no ending, or a number, so that it may be a slice's and may be anything."""
    return not file.suffix or file.suffix[1:].isdigit()


def _could_be_a_slice(file: Path) -> bool:
    """Whether a file that does not start as DICOM does may be a slice that was damaged: it is empty or no text."""
    if not _promises_nothing(file):
        return False
    try:
        with file.open("rb") as opened:
            start = opened.read(4096)
    except OSError:  # it went away since it was found
        return True
    return not start or b"\x00" in start


def _series_uid_of(file: Path) -> str:
    """SeriesInstanceUID of a damaged file, as far as it can still be read; else empty."""
    try:
        with file.open("rb") as opened:
            if not starts_as_dicom(opened):
                return ""
            header = pydicom.dcmread(opened, stop_before_pixels=True, force=True, specific_tags=["SeriesInstanceUID"])
            return str(header.get("SeriesInstanceUID", ""))
    except Exception:  # a damaged header fails in any way
        return ""


def _nothing_found(
    root: Path, unusable: Sequence[UnusableFile], passed_over: Sequence[tuple[Path, str]]
) -> SeriesError:
    if unusable:
        return SeriesError(_describe(unusable))
    counts = Counter(reason for _, reason in passed_over)
    told = ", ".join(f"{reason}: {count}" for reason, count in sorted(counts.items())) or "no files at all"
    advice = "give a folder with the images of a scan"
    if any(file.suffix.lower() in PICTURE_SUFFIXES for file, _ in passed_over):
        advice += ", or have PNG, JPEG and the like scored by `run evaluating`, see README, Use it on your pictures"
    return NoSeriesError(f"{root}: no image series ({told}); {advice}")


def _describe(unusable: Sequence[UnusableFile]) -> str:
    first, more = unusable[0], len(unusable) - 1
    others = f" (and {more} more files cannot be used)" if more else ""
    return f"{first.path}: {first.reason}{others}; {first.advice}"


def _listing(found: Sequence[FoundSeries]) -> str:
    return "; ".join(f"{s.series_uid} ({s.modality}, {len(s.frames)} slices, {s.description})" for s in found)
