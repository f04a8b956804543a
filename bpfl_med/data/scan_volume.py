"""One scan as a volume in memory."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np

from bpfl_med.data.nifti import NiftiImage, read_nifti
from bpfl_med.data.scans import Scan, ScanError, series_in
from bpfl_med.data.volume_file import NIFTI_SUFFIXES, files_of_volume, is_volume_file, names_patient_space
from bpfl_med.dicom import DicomSeries, SeriesError, choose_series, load_series, read_volume
from bpfl_med.dicom.geometry import affine_of
from bpfl_med.files.checksum import files_checksum


@dataclass(eq=False)
class ScanVolume:
    """A scan in memory.

    Attributes:
        scan: where it came from.
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

    scan: Scan
    values: np.ndarray
    affine: np.ndarray
    modality: str | None
    checksum: str
    notes: tuple[str, ...]
    series: DicomSeries | None = None
    nifti: NiftiImage | None = None
    load_seconds: float = 0.0
    orientation_is_known: bool = True

    @property
    def affine_is_true(self) -> bool:
        """Whether one affine holds for all slices; only then can a NIfTI file carry the geometry."""
        return self.series is None or self.series.affine is not None


def load_scan(scan: Scan, *, allow_gaps: bool = False, volume_index: int | None = None) -> ScanVolume:
    """Read a scan's values and geometry.

    Args:
        scan: of :func:`find_scans`.
        allow_gaps: accept a DICOM stack in which slices seem to be missing.
        volume_index: which volume of a 4-D NIfTI file, 0-based; all else holds but volume 0.

    Raises:
        SeriesError: if a DICOM series cannot be read truthfully.
        NiftiError: if a NIfTI file cannot.
        ScanError: if another volume file cannot, or a problem is known.
    """
    if scan.problem is not None:
        raise ScanError(scan.problem)
    started = time.perf_counter()
    is_nifti = scan.path.name.lower().endswith(NIFTI_SUFFIXES)
    if volume_index and not is_nifti:
        raise ScanError(f"{scan.path}: has no volume {volume_index}; only a 4-D NIfTI file has more than volume 0")
    if not is_volume_file(scan.path):
        volume = _load_series(scan, allow_gaps)
    elif is_nifti:
        image = read_nifti(scan.path, volume_index)
        digest = files_checksum(files_of_volume(scan.path))
        is_known = bool(image.header["sform_code"] or image.header["qform_code"])
        volume = ScanVolume(
            scan, image.data, image.affine, None, digest, image.notes, nifti=image, orientation_is_known=is_known
        )
    else:
        volume = _load_with_itk(scan)
    volume.load_seconds = time.perf_counter() - started
    return volume


def _load_series(scan: Scan, allow_gaps: bool) -> ScanVolume:
    found = scan.found
    if found is None:
        all_there = None if scan.only_loose is None else series_in(scan.path, scan.only_loose)
        found = choose_series(scan.path, scan.series_uid, all_there)
    if scan.n_images not in (None, len(found.frames)) and not found.unusable:
        raise ScanError(
            f"{scan.path}: the series {found.series_uid} had {scan.n_images} images when it was found and has "
            f"{len(found.frames)} now; run again when it is there as a whole"
        )
    series = load_series(found, allow_gaps)
    scan = replace(scan, n_images=len(found.frames), found=None)
    if len(set(series.files)) > 1 and max(series.frame_numbers) > 1:
        raise SeriesError(
            f"{series.files[0]}: is one of {len(set(series.files))} multi-frame files of its series, to which no "
            "single DICOM-SEG can refer; give one of them alone"
        )
    read = read_volume(series)
    values = read.values.transpose(2, 1, 0)
    affine = _nominal_affine(series) if series.affine is None else series.affine
    notes = (*series.notes, *read.notes)
    return ScanVolume(scan, values, affine, series.modality, read.checksum, notes, series=series)


def _load_with_itk(scan: Scan) -> ScanVolume:
    try:
        files = files_of_volume(scan.path)
    except ValueError as error:
        raise ScanError(str(error)) from error
    try:
        from monai.data import ITKReader

        reader = ITKReader()
        image = reader.read(str(scan.path))
        n_axes, n_channels = image.GetImageDimension(), image.GetNumberOfComponentsPerPixel()
        values, meta = reader.get_data(image)
    except ImportError as error:
        raise ScanError(f"{scan.path}: reading {scan.path.suffix} needs itk; install bpfl-med[nrrd]") from error
    except Exception as error:  # ITK raises RuntimeError for whatever is wrong
        raise ScanError(
            f"{scan.path}: cannot be read ({type(error).__name__}); copy it from its source again"
        ) from error
    if (n_axes, n_channels) != (3, 1):
        raise ScanError(
            f"{scan.path}: must hold one 3-D volume of grey values, got {n_axes} axes and {n_channels} values a voxel"
        )
    if not np.isfinite(values).all():
        raise ScanError(f"{scan.path}: holds NaN or infinite values; replace them by the value of air")
    is_known = names_patient_space(scan.path)
    notes: tuple[str, ...] = ()
    if not is_known:
        notes = ("The file names no space of the patient: left and right cannot be told apart.",)
    return ScanVolume(
        scan,
        values.astype(np.float32),
        np.asarray(meta["affine"], float),
        None,
        files_checksum(files),
        notes,
        orientation_is_known=is_known,
    )


def _nominal_affine(series: DicomSeries) -> np.ndarray:
    """Give an affine with the mean step between slices: true in direction, not in place."""
    first, last, slices = series.positions[0], series.positions[-1], len(series.positions)
    return affine_of(first, last, slices, series.orientation, series.pixel_spacing, step=1.0)
