"""Studies in folders and files: which there are, and one of them as a volume."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from bpfl_med.data.nifti import NiftiImage, read_nifti
from bpfl_med.dicom import (
    DicomSeries,
    NoSeriesError,
    SeriesError,
    find_series,
    find_series_and_damage,
    read_volume,
    select_series,
)
from bpfl_med.dicom.geometry import affine_of
from bpfl_med.file_checksum import file_checksum
from bpfl_med.files_below import files_below

_NIFTI_SUFFIXES = (".nii", ".nii.gz")
_ITK_SUFFIXES = (".nrrd", ".nhdr", ".mha", ".mhd")
VOLUME_SUFFIXES = (*_NIFTI_SUFFIXES, *_ITK_SUFFIXES)
_LONGEST_NAME = 255  # bytes that file systems allow
_LONGEST_HEADER = 1 << 20  # bytes


class StudyError(ValueError):
    """A study that cannot be chosen or read: one sentence with the path and the mend."""


@dataclass(frozen=True)
class Study:
    """One scan that can be loaded: an image series, or a volume in a file.

    Attributes:
        name: of its results' folder: the SeriesInstanceUID, or the file's name without its ending.
        path: the file, or the folder that the series lies in.
        series_uid: SeriesInstanceUID of a DICOM series; None for a volume file.
        problem: why it cannot be used, where that is known before it is loaded.
    """

    name: str
    path: Path
    series_uid: str | None
    problem: str | None = None


@dataclass(eq=False)
class StudyVolume:
    """A scan in memory.

    Attributes:
        study: where it came from.
        values: [i, j, k] float32, finite; HU for CT.
        affine: [4, 4], voxel index -> RAS, mm; only nominal where `affine_is_true` is not.
        modality: DICOM's Modality; None for a volume file, which does not tell.
        checksum: SHA-256 of the input's file; of several files, that of their digests in slice order.
        notes: what was dropped or is unusual.
        series: of DICOM input.
        nifti: of NIfTI input.
        load_seconds: time that reading took.
        orientation_is_known: whether the input tells the sides of the patient; some volume files do not.
    """

    study: Study
    values: np.ndarray
    affine: np.ndarray
    modality: str | None
    checksum: str
    notes: tuple[str, ...]
    series: DicomSeries | None = None
    nifti: NiftiImage | None = None
    load_seconds: float = field(default=0.0)
    orientation_is_known: bool = True

    @property
    def affine_is_true(self) -> bool:
        """Whether one affine holds for all slices; only then can a NIfTI file carry the geometry."""
        return self.series is None or self.series.affine is not None


def find_studies(path: str | Path, *, series_uid: str | None = None, take_all: bool = False) -> list[Study]:
    """List the studies that a path holds, by an explicit rule: the only one, the one with a UID, or all.

    With `take_all` each entry of a folder is searched for itself, so that thousands of studies need little memory; what
    cannot be used is a study with a `problem`, so that it is reported and does not stop the others.

    Args:
        path: a NIfTI or NRRD file, a DICOM file, or a folder of such.
        series_uid: take this image series.
        take_all: take all series and volume files.

    Raises:
        StudyError: if there is nothing at the path, or more than one study and no rule to choose.
        SeriesError: if a DICOM folder holds no image series.
    """
    path = Path(path)
    if not path.exists():
        raise StudyError(f"{path}: there is no such file or folder")
    if series_uid is not None and (take_all or _is_volume_file(path)):
        raise StudyError(f"{path}: a series UID picks one of the DICOM series in a folder, not all and no volume file")
    if path.is_file() and _is_volume_file(path):
        return [Study(_stem(path), path, None)]
    if take_all and path.is_dir():
        if studies := _without_doubles([s for entry in _search_roots(path) for s in _studies_under(entry, path)]):
            return studies
        raise StudyError(f"{path}: there is no study in it; give a folder of volume files or of folders with scans")
    if series_uid is not None:
        return [_series_study(series_uid, path)]
    files = [] if path.is_file() else _volume_files(path)
    if not files:
        found = select_series(path, allow_gaps=True)  # its error lists the series, if there are several
        return [_series_study(found.series_uid, path)]
    series = "" if len(files) > 1 else _beside(path)
    if len(files) > 1 or series:
        raise StudyError(
            f"{path}: holds {len(files)} volume file(s){series}, the first is {files[0].name}; give one, or --all"
        )
    return [Study(_stem(files[0]), files[0], None)]


def check_output_apart(output_dir: str | Path, path: str | Path) -> None:
    """Make sure that results do not go among the studies, where a later run would take them for such.

    Args:
        output_dir: the folder of results.
        path: where studies are looked for.

    Raises:
        StudyError: if that is a folder, and the results would go into it.
    """
    if Path(path).is_dir() and Path(output_dir).resolve().is_relative_to(Path(path).resolve()):
        raise StudyError(f"{output_dir}: lies in {path}, where the studies are; choose an output folder beside them")


def unfinished_studies(studies: Iterable[Study], output_dir: str | Path, *, resume: bool) -> list[Study]:
    """Leave out studies that have results already, if a run is resumed.

    Only results of the same study are ever replaced by new ones. A study where something else lies, such as the study
    itself or the results of another file of that name, gets a `problem`.

    Raises:
        StudyError: if one of the studies is a result of an earlier run.
    """
    output = Path(output_dir).resolve()
    unfinished = []
    for study in studies:
        if study.path.resolve().is_relative_to(output) and (study.path.parent / "result.json").is_file():
            raise StudyError(f"{study.path}: is a result of an earlier run; choose an output folder beside the studies")
        if study.problem is None and len(study.name.encode()) > _LONGEST_NAME:
            too_long = f"{study.path}: its folders' names are too long to name results; give a folder nearer to it"
            study = replace(study, problem=too_long)
        if study.problem is None and (place := output / study.name).exists():
            result = _result(place)
            problem = _why_not_to_replace(result, place, study)
            if resume and result and not problem:
                continue
            study = replace(study, problem=problem)
        unfinished.append(study)
    return unfinished


def _result(place: Path) -> dict[str, Any] | None:
    """Read the result of a study: None if there is none of this program, and an empty one if it is damaged."""
    try:
        result = json.loads((place / "result.json").read_text())
    except OSError:
        return None
    except ValueError:
        return {}
    return result if isinstance(result, dict) and isinstance(result.get("input"), dict) else None


def _why_not_to_replace(result: dict[str, Any] | None, place: Path, study: Study) -> str | None:
    """Say what lies where the results of a study would go, unless it is a result of that study."""
    if result is None:
        return f"{place}: is there already and holds no results of this program; choose another output folder"
    # A series is named by its UID, and a file by what may be the name of many.
    if not result or not _is_volume_file(study.path):
        return None
    try:
        if result["input"].get("sha256") == checksum(files_of_volume(study.path)):
            return None
    except OSError as error:
        return f"{study.path}: cannot be read ({error.strerror}); copy it from its source again"
    return f"{study.path}: {place} holds the results of another file; choose another output folder"


def load_study(study: Study, *, allow_gaps: bool = False, volume_index: int | None = None) -> StudyVolume:
    """Read a study's values and geometry.

    Args:
        study: of :func:`find_studies`.
        allow_gaps: accept a DICOM stack in which slices seem to be missing.
        volume_index: which volume of a 4-D NIfTI file, 0-based; all else holds but volume 0.

    Raises:
        SeriesError: if a DICOM series cannot be read truthfully.
        NiftiError: if a NIfTI file cannot.
        StudyError: if another volume file cannot, or a problem is known.
    """
    if study.problem is not None:
        raise StudyError(study.problem)
    started = time.perf_counter()
    is_nifti = study.path.name.lower().endswith(_NIFTI_SUFFIXES)
    if volume_index and not is_nifti:
        raise StudyError(f"{study.path}: has no volume {volume_index}; only a 4-D NIfTI file has more than volume 0")
    if not _is_volume_file(study.path):
        volume = _load_series(study, allow_gaps)
    elif is_nifti:
        image = read_nifti(study.path, volume_index)
        digest = checksum(files_of_volume(study.path))
        volume = StudyVolume(study, image.data, image.affine, None, digest, image.notes, nifti=image)
        volume.orientation_is_known = bool(image.header["sform_code"] or image.header["qform_code"])
    else:
        volume = _load_with_itk(study)
    volume.load_seconds = time.perf_counter() - started
    return volume


def _load_series(study: Study, allow_gaps: bool) -> StudyVolume:
    series = select_series(study.path, study.series_uid, allow_gaps)
    if len(set(series.files)) > 1 and max(series.frame_numbers) > 1:
        raise SeriesError(
            f"{series.files[0]}: is one of {len(set(series.files))} multi-frame files of its series, to which no "
            "single DICOM-SEG can refer; give one of them alone"
        )
    values = read_volume(series).transpose(2, 1, 0)
    affine = _nominal_affine(series) if series.affine is None else series.affine
    digest = checksum(dict.fromkeys(series.files))
    return StudyVolume(study, values, affine, series.modality, digest, series.notes, series=series)


def _load_with_itk(study: Study) -> StudyVolume:
    try:
        from monai.data import ITKReader

        reader = ITKReader()
        image = reader.read(str(study.path))
        n_axes, n_channels = image.GetImageDimension(), image.GetNumberOfComponentsPerPixel()
        values, meta = reader.get_data(image)
    except ImportError as error:
        raise StudyError(f"{study.path}: reading {study.path.suffix} needs itk; install bpfl-med[nrrd]") from error
    except Exception as error:  # ITK raises RuntimeError for whatever is wrong
        raise StudyError(
            f"{study.path}: cannot be read ({type(error).__name__}); copy it from its source again"
        ) from error
    if (n_axes, n_channels) != (3, 1):
        raise StudyError(
            f"{study.path}: must hold one 3-D volume of grey values, got {n_axes} axes and {n_channels} values a voxel"
        )
    if not np.isfinite(values).all():
        raise StudyError(f"{study.path}: holds NaN or infinite values; replace them by the value of air")
    is_nrrd = study.path.suffix.lower() in (".nrrd", ".nhdr")
    is_known = not is_nrrd or image.GetMetaDataDictionary().HasKey("NRRD_space")
    notes: tuple[str, ...] = ()
    if not is_known:
        notes = ("The file names no space: orientation is unknown, left and right cannot be told apart.",)
    return StudyVolume(
        study,
        values.astype(np.float32),
        np.asarray(meta["affine"], float),
        None,
        checksum(files_of_volume(study.path)),
        notes,
        orientation_is_known=is_known,
    )


def _nominal_affine(series: DicomSeries) -> np.ndarray:
    """Give an affine with the mean step between slices: true in direction, not in place."""
    first, last, slices = series.positions[0], series.positions[-1], len(series.positions)
    return affine_of(first, last, slices, series.orientation, series.pixel_spacing, step=1.0)


def _search_roots(path: Path) -> list[Path]:
    """Give the entries to search one by one; the whole folder if single DICOM files lie loose in it."""
    entries = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
    loose = any(entry.is_file() and not _is_volume_file(entry) for entry in entries)
    return [path] if loose else entries


def _studies_under(entry: Path, root: Path) -> list[Study]:
    if not entry.is_dir():
        return [Study(volume_name(entry, root), entry, None)]
    studies = [Study(volume_name(file, root), file, None) for file in _volume_files(entry)]
    problems: list[str] = []
    try:
        series, problems = find_series_and_damage(entry)
        for found in series:
            try:
                studies.append(_series_study(found.series_uid, found.folder))
            except StudyError as error:
                problems.append(str(error))
    except SeriesError as error:
        # A folder without any scan is a study that fails when it is loaded, so that it is reported and not dropped.
        if not (studies and isinstance(error, NoSeriesError)):
            problems.append(str(error))
    return studies + [Study(entry.name, entry, None, problem) for problem in problems]


def _series_study(series_uid: str, path: Path) -> Study:
    if len(series_uid) > 64 or not re.fullmatch(r"[0-9]+(\.[0-9]+)*", series_uid):  # ".." would be another folder
        raise StudyError(f"{path}: a SeriesInstanceUID is at most 64 digits and single dots, and this one is not")
    return Study(series_uid, path, series_uid)


def _without_doubles(studies: Sequence[Study]) -> list[Study]:
    """Use none of several studies of one name: each may be a part of it."""
    by_name: dict[str, list[Study]] = {}
    for study in studies:
        if not study.problem:
            by_name.setdefault(study.name, []).append(study)
    for first, *others in by_name.values():
        if others:
            more = f" (and {len(others) - 1} more)" if len(others) > 1 else ""
            problem = f"{others[0].path}: holds the study {first.name}, as does {first.path}{more}; give one at a time"
            by_name[first.name] = [replace(first, problem=problem)]
    return [study for group in by_name.values() for study in group] + [study for study in studies if study.problem]


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
    # Folders that cannot be opened are told where DICOM files are looked for.
    return sorted(file for file in files_below(folder, lambda *_: None) if _is_volume_file(file))


def _is_volume_file(path: Path) -> bool:
    return path.name.lower().endswith(VOLUME_SUFFIXES) and not path.name.startswith(".") and not path.is_dir()


def volume_name(file: Path, root: Path) -> str:
    """Name a volume file by its place below a folder, as a name of a folder of results: "a/b/c.nii.gz" is a__b__c."""
    return "__".join([*file.relative_to(root).parts[:-1], _stem(file)])


def files_of_volume(path: Path) -> list[Path]:
    """Give a volume file, and the file of its voxels where its header names a single other one."""
    if not path.name.lower().endswith((".mhd", ".nhdr")):
        return [path]
    key = rb"^(?:ElementDataFile\s*=|data ?file:)\s*(.+?)\s*$"
    named = re.search(key, path.read_bytes()[:_LONGEST_HEADER], re.IGNORECASE | re.MULTILINE)
    voxels = path.parent / named[1].decode(errors="surrogateescape") if named else path
    return [path, voxels] if voxels.is_file() and voxels != path else [path]


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").rsplit(".", 1)[0]


def checksum(paths: Iterable[Path]) -> str:
    """Give the SHA-256 of a file; of several files, that of their SHA-256 digests one after another."""
    digests = [bytes.fromhex(file_checksum(path)) for path in paths]
    return digests[0].hex() if len(digests) == 1 else hashlib.sha256(b"".join(digests)).hexdigest()
