"""Scans in folders and files: which there are, and which are left to score."""

from __future__ import annotations

import functools
import json
import logging
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bpfl_med.data.volume_file import files_of_volume, is_volume_file, stem, volume_name
from bpfl_med.dicom import (
    FoundSeries,
    NoSeriesError,
    SeriesError,
    choose_series,
    find_series,
    find_series_and_damage,
    load_series,
)
from bpfl_med.dicom.checks import is_uid
from bpfl_med.files.checksum import files_checksum
from bpfl_med.files.walk import files_below

logger = logging.getLogger(__name__)

_LONGEST_NAME = 255  # bytes that file systems allow


class ScanError(ValueError):
    """A scan that cannot be chosen or read: one sentence with the path and the mend."""


@dataclass(frozen=True)
class Scan:
    """One scan that can be loaded: an image series, or a volume in a file.

    Attributes:
        name: of its results' folder: the SeriesInstanceUID, or the file's name without its ending.
        path: the file, or the folder that the series lies in.
        series_uid: SeriesInstanceUID of a DICOM series; None for a volume file.
        problem: why it cannot be used, where that is known before it is loaded.
        n_images: slices of a DICOM series when its headers were read; None of a volume file.
        found: the series, where it is the only scan, so that its headers need not be read again.
        only_loose: of one of the series that were found in a folder: whether folders in it were left out. They share
            its headers when they are loaded.
    """

    name: str
    path: Path
    series_uid: str | None
    problem: str | None = None
    n_images: int | None = field(default=None, compare=False)
    found: FoundSeries | None = field(default=None, compare=False, repr=False)
    only_loose: bool | None = field(default=None, compare=False, repr=False)


def find_scans(
    path: str | Path, *, series_uid: str | None = None, take_all: bool = False, allow_gaps: bool = False
) -> list[Scan]:
    """List the scans that a path holds, by an explicit rule: the only one, the one with a UID, or all.

    With `take_all` each entry of a folder is searched for itself, so that thousands of scans need little memory; what
    cannot be used is one with a `problem`, so that it is reported and does not stop the others.

    Args:
        path: a NIfTI or NRRD file, a DICOM file, or a folder of such.
        series_uid: take this image series.
        take_all: take all series and volume files.
        allow_gaps: accept a DICOM stack in which slices seem to be missing.

    Raises:
        ScanError: if there is nothing at the path, or more than one scan and no rule to choose.
        SeriesError: if a DICOM folder holds no image series, or the only one that is taken makes no true volume.
    """
    path = Path(path)
    series_in.cache_clear()  # what lies there may be other than at an earlier search
    if not path.exists():
        raise ScanError(f"{path}: there is no such file or folder")
    if series_uid is not None and (take_all or is_volume_file(path)):
        raise ScanError(f"{path}: a series UID picks one of the DICOM series in a folder, not all and no volume file")
    if path.is_file() and is_volume_file(path):
        return [Scan(stem(path), path, None)]
    if take_all and path.is_dir():
        if scans := _without_doubles(_scans_in(path)):
            return scans
        raise ScanError(f"{path}: there is no scan in it; give a folder of volume files or of folders with scans")
    files = [] if path.is_file() or series_uid is not None else _volume_files(path)
    if not files:
        found = choose_series(path, series_uid)  # its error lists the series, if there are several
        load_series(found, allow_gaps)  # so that its geometry is refused before weights are loaded
        return [replace(_series_scan(found, path), found=found)]
    series = _beside(path)
    if len(files) > 1 or series:
        raise ScanError(
            f"{path}: holds {len(files)} volume file(s){series}, the first is {files[0].relative_to(path)}; give one, "
            f"{'a series by its UID (--series), ' if series else ''}or --all"
        )
    return [Scan(stem(files[0]), files[0], None)]


@functools.lru_cache(maxsize=1)
def series_in(folder: Path, only_loose: bool) -> list[FoundSeries]:
    """List the series of a folder, whose headers are read once for all its scans of one search."""
    return find_series_and_damage(folder, only_loose=only_loose)[0]


def check_output_apart(output_dir: str | Path, path: str | Path) -> None:
    """Make sure that results do not go among the input, where a later run would take them for such.

    Args:
        output_dir: the folder of results.
        path: where scans or pictures are looked for.

    Raises:
        ScanError: if that is a folder, and the results would go into it.
    """
    if Path(path).is_dir() and Path(output_dir).resolve().is_relative_to(Path(path).resolve()):
        raise ScanError(f"{output_dir}: lies in {path}, where the input is; choose an output folder beside it")


def unfinished_scans(scans: Iterable[Scan], output_dir: str | Path, *, resume: bool) -> list[Scan]:
    """Leave out scans that have results already, if a run is resumed, but for series to which images have come since.

    A series that has fewer images than its results were made of gets a `problem`.

    Only results of the same scan are ever replaced by new ones. A scan where something else lies, such as the scan
    itself or the results of another file of that name, gets a `problem`.

    Raises:
        ScanError: if one of the scans is a result of an earlier run.
    """
    scans = list(scans)
    output = Path(output_dir).resolve()
    unfinished = []
    for scan in scans:
        if _result(scan.path.parent) is not None:
            raise ScanError(f"{scan.path}: is a result of an earlier run; keep results outside the scans' folder")
        place = output / scan.name
        result = _result(place)
        problem = scan.problem or _problem_of_place(scan, place, result, resume=resume)
        if problem or not (resume and result) or _n_images_then(result) != scan.n_images:
            unfinished.append(replace(scan, problem=problem))
    if len(unfinished) < len(scans):
        logger.info("%d scans have results already", len(scans) - len(unfinished))
    return unfinished


def _result(place: Path) -> dict[str, Any] | None:
    """Read the result of a scan: None if there is none of this program, or a damaged one, which may be anyone's."""
    try:
        result = json.loads((place / "result.json").read_text())
    except (OSError, ValueError):
        return None
    return result if isinstance(result, dict) and isinstance(result.get("input"), dict) else None


def _problem_of_place(scan: Scan, place: Path, result: dict[str, Any] | None, *, resume: bool) -> str | None:
    """Say why the results of a scan cannot go to their place; None if it is free, or holds a result of that scan."""
    if len(os.fsencode(scan.name)) > _LONGEST_NAME:
        return f"{scan.path}: its folders' names are too long to name results; give a folder nearer to it"
    if result is None:
        if not place.exists():
            return None
        return f"{place}: is there already and holds no results of this program; choose another output folder"
    if not is_volume_file(scan.path):
        if resume and (scan.n_images or 0) < (_n_images_then(result) or 0):
            return (
                f"{scan.path}: series {scan.name} has {scan.n_images} images, fewer than when it was scored; "
                "copy it from its source again, or run without resume"
            )
        return None
    # Unlike a series, a file has a name that may be that of others, too.
    try:
        if result["input"].get("sha256") == files_checksum(files_of_volume(scan.path)):
            return None
    except OSError as error:
        return f"{scan.path}: cannot be read ({error.strerror}); copy it from its source again"
    except ValueError as error:
        return str(error)
    return f"{scan.path}: {place} holds the results of another file; choose another output folder"


def _n_images_then(result: dict[str, Any]) -> int | None:
    """Give the number of images that a series had when it was scored; None for a volume file."""
    n_images: int | None = result["input"].get("n_images")
    return n_images


def _scans_in(root: Path) -> list[Scan]:
    """List the scans of a folder entry by entry, and those of the DICOM files that lie loose in it."""
    scans: list[Scan] = []
    has_loose = False
    for entry in sorted(entry for entry in root.iterdir() if not entry.name.startswith(".")):
        try:
            is_folder = entry.is_dir()
        except OSError as error:
            scans.append(Scan(entry.name, entry, None, f"{entry}: cannot be opened ({error.strerror})"))
            continue
        if is_folder:
            volumes = [Scan(volume_name(file, root), file, None) for file in _volume_files(entry)]
            scans += volumes + _series_scans(entry, beside_others=bool(volumes))
        elif is_volume_file(entry):
            scans.append(Scan(volume_name(entry, root), entry, None))
        else:
            has_loose = True
    return scans + _series_scans(root, beside_others=bool(scans), only_loose=True) if has_loose else scans


def _series_scans(folder: Path, *, beside_others: bool, only_loose: bool = False) -> list[Scan]:
    """List the series of a folder, and what cannot be used of it.

    A folder without any image is a scan that fails when it is loaded, so that it is reported and not dropped, unless
    there are others beside it.
    """
    scans: list[Scan] = []
    problems: list[str] = []
    try:
        series, problems = find_series_and_damage(folder, only_loose=only_loose)
        for found in sorted(series, key=lambda found: found.folder):  # one folder's together, for load_scan
            try:
                scans.append(replace(_series_scan(found, found.folder), only_loose=only_loose))
            except ScanError as error:
                problems.append(str(error))
    except SeriesError as error:
        if not (beside_others and isinstance(error, NoSeriesError)):
            problems.append(str(error))
    return scans + [Scan(folder.name, folder, None, problem) for problem in problems]


def _series_scan(found: FoundSeries, path: Path) -> Scan:
    uid = found.series_uid
    if not is_uid(uid):  # ".." would be another folder
        raise ScanError(f"{path}: a SeriesInstanceUID is at most 64 digits and single dots, and this one is not")
    return Scan(uid, path, uid, n_images=len(found.frames))


def _without_doubles(scans: Sequence[Scan]) -> list[Scan]:
    """Use none of several scans of one name: each may be a part of it."""
    by_name: dict[str, list[Scan]] = {}
    for scan in scans:
        if not scan.problem:
            by_name.setdefault(scan.name, []).append(scan)
    for first, *others in by_name.values():
        if others:
            more = f" (and {len(others) - 1} more)" if len(others) > 1 else ""
            advice = (
                "give the folder that holds both, and its UID (--series)" if first.series_uid else "give one at a time"
            )
            problem = f"{others[0].path}: holds the scan {first.name}, as does {first.path}{more}; {advice}"
            by_name[first.name] = [replace(first, problem=problem)]
    return [scan for group in by_name.values() for scan in group] + [scan for scan in scans if scan.problem]


def _beside(path: Path) -> str:
    """Say that DICOM images lie in a folder, too, or nothing.

    Raises:
        SeriesError: if they are all damaged.
    """
    try:
        find_series(path)
    except NoSeriesError:
        return ""
    return " beside DICOM images"


def _volume_files(folder: Path) -> list[Path]:
    """Give the volume files in a folder and its folders, without hidden ones."""
    # What cannot be opened is told where DICOM files are looked for.
    return sorted(file for file in files_below(folder, lambda *_: None) if is_volume_file(file))
