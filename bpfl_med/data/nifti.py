"""NIfTI in, with everything unusual announced; NIfTI out, on the grid of the input."""

from __future__ import annotations

import gzip
import math
import zlib
from dataclasses import dataclass
from io import BytesIO
from itertools import product
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from bpfl_med.files.atomic import replaced_file

# Two affines nearer than this at every corner of the volume are the same (mm).
AFFINE_TOLERANCE = 0.1
# Cosine of the angle between two axes above which a grid counts as sheared.
_SHEAR_TOLERANCE = 1e-3
# NIfTI's codes of length units, with their length in mm; any other code names no unit.
_UNITS = {1: ("metre", 1000.0), 2: ("mm", 1.0), 3: ("micrometre", 0.001)}


class NiftiError(ValueError):
    """A NIfTI file that cannot be read truthfully: one sentence with the file and the mend."""


@dataclass(frozen=True, eq=False)
class NiftiImage:
    """One volume of a NIfTI file.

    Attributes:
        data: ``[x, y, z]`` float32, finite, scaled by the file's slope and intercept; z is 1 for a 2-D file.
        affine: ``[4, 4]`` float64, voxel index -> RAS, mm.
        header: a copy of the file's header.
        grid_shape: the spatial shape as stored, (x, y, z) or (x, y): what `write_like` restores.
        notes: what was dropped, replaced or is unusual, one sentence each.
    """

    data: np.ndarray
    affine: np.ndarray
    header: nib.Nifti1Header
    grid_shape: tuple[int, ...]
    notes: tuple[str, ...]


def read_nifti(path: str | Path, index: int | None = None) -> NiftiImage:
    """Read one volume of a NIfTI-1 or NIfTI-2 file, compressed or not.

    The affine is the sform where its code is set, else the qform, else the voxel sizes alone, as nibabel has it. NaN
    and infinite voxels, which mark the outside of the scan in many files, get the lowest finite value of the volume.

    Args:
        path: a ``.nii`` or ``.nii.gz`` file.
        index: which volume of a 4-D file to take, 0-based.

    Returns:
        The volume, with notes.

    Raises:
        NiftiError: the file is absent, cut short, no NIfTI, complex or colour, has more than one volume and no index
            says which, or has no usable affine or no finite value.
    """
    path = Path(path)
    image = _load(path)
    notes: list[str] = []
    if (kind := image.get_data_dtype().kind) not in "iuf":
        found = "complex" if kind == "c" else "colour"
        raise NiftiError(
            f"{path}: holds {found} values; give a file of real numbers, such as a magnitude or one channel"
        )
    data = _one_volume(image, path, index, notes)
    affine = _affine_in_mm(image, path, notes)
    return NiftiImage(
        data=_finite(data, path, notes),
        affine=affine,
        header=image.header.copy(),
        grid_shape=tuple(int(n) for n in image.shape[: min(3, len(image.shape))]),
        notes=tuple(notes),
    )


def write_like(data: np.ndarray, like: NiftiImage, path: str | Path, *, description: str = "") -> None:
    """Write a map or mask on the grid of the image that it was made from.

    Shape, sform, qform, their codes and the units are those of the input; its free-text fields and extensions, which
    may name a patient, are left out. The file appears whole or not at all, and the same data give the same bytes.

    Args:
        data: ``[x, y, z]`` float32 or uint8, finite, of the shape of ``like.data``.
        like: the image that `read_nifti` gave.
        path: ``.nii`` or ``.nii.gz``.
        description: for the header's field of that name, at most 79 ASCII characters.

    Raises:
        ValueError: another shape or type, or values that are not finite.
    """
    if data.shape != like.data.shape:
        raise ValueError(f"data must have the shape of the input image {like.data.shape}, got {data.shape}")
    _write(data.reshape(like.grid_shape), _bare_header(like.header), path, description)


def write_volume(data: np.ndarray, affine: np.ndarray, path: str | Path, *, description: str = "") -> None:
    """Write a map or mask of a DICOM series as NIfTI in scanner coordinates (sform code 1).

    The qform, which cannot hold a shear, is set too where the affine has none.

    Args:
        data: ``[x, y, z]`` float32 or uint8, finite: a volume ``[slices, rows, columns]`` transposed by (2, 1, 0).
        affine: ``[4, 4]``, voxel index -> RAS, mm.
        path: ``.nii`` or ``.nii.gz``.
        description: for the header's field of that name, at most 79 ASCII characters.

    Raises:
        ValueError: another type, or values that are not finite.
    """
    header = nib.Nifti1Header()
    header.set_data_shape(data.shape)
    header.set_xyzt_units("mm")
    header.set_sform(affine, code=1)
    header.set_qform(affine, code=0 if _is_sheared(affine) else 1, strip_shears=True)
    _write(data, header, path, description)


def _load(path: Path) -> nib.Nifti1Image:
    """Parse a file whose bytes have all been read, so that a short one or a wrong checksum cannot pass."""
    try:
        raw = path.read_bytes()
        if raw[:2] == b"\x1f\x8b":
            raw = gzip.decompress(raw)
    except FileNotFoundError as error:
        raise NiftiError(f"{path}: no such file") from error
    except (OSError, EOFError, zlib.error) as error:
        raise NiftiError(f"{path}: cut short or damaged ({type(error).__name__}); copy it again") from error
    try:
        header = nib.Nifti2Header if raw[:4] in (b"\x1c\x02\x00\x00", b"\x00\x00\x02\x1c") else nib.Nifti1Header
        parsed = header.from_fileobj(BytesIO(raw))
        offset = parsed.get_data_offset()
        needed = offset + math.prod(parsed.get_data_shape()) * parsed.get_data_dtype().itemsize
        if len(raw) < needed:
            raise NiftiError(f"{path}: cut short, {len(raw)} bytes of {needed}; copy it again")
        if offset < header.sizeof_hdr or raw[needed:].strip(b"\0"):  # zeros may be padding
            raise NiftiError(
                f"{path}: its header describes {needed} bytes, voxels from byte {offset}, and the file holds "
                f"{len(raw)}, so shape or type may be wrong; convert it again"
            )
        return (nib.Nifti2Image if header is nib.Nifti2Header else nib.Nifti1Image).from_bytes(raw)
    except NiftiError:
        raise
    except (ImageFileError, HeaderDataError, WrapStructError, OSError, EOFError, ValueError, OverflowError) as error:
        raise NiftiError(f"{path}: no single-file NIfTI that can be parsed; convert or copy it again") from error


def _one_volume(image: nib.Nifti1Image, path: Path, index: int | None, notes: list[str]) -> np.ndarray:
    """The wanted volume as ``[x, y, z]`` float32, scaled."""
    shape = image.shape
    volumes = math.prod(shape[3:])
    if len(shape) < 2 or min(shape) < 1 or (len(shape) > 4 and volumes > 1):
        raise NiftiError(f"{path}: has the shape {shape}; give an image with two, three or four axes")
    if volumes > 1 and index is None:
        raise NiftiError(
            f"{path}: has {volumes} volumes (shape {shape}); choose one by an index from 0 "
            "(--volume, in a bundle run --volume_index)"
        )
    if index is not None and not 0 <= index < volumes:
        raise NiftiError(f"{path}: has no volume {index}; give an index from 0 to {volumes - 1}")
    if volumes > 1:
        notes.append(f"Volume {index} of {volumes} was taken (counted from 0).")
    elif len(shape) > 3:
        notes.append(f"Trailing axes of length 1 were dropped: the shape in the file is {shape}.")
    elif len(shape) == 2:
        notes.append("The file is 2-D and taken as a volume of one slice.")
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite and is announced as such
        data = np.asarray(image.dataobj[..., index] if volumes > 1 else image.dataobj, dtype=np.float32)
    return data.reshape((*shape[:3], 1)[:3])


def _affine_in_mm(image: nib.Nifti1Image, path: Path, notes: list[str]) -> np.ndarray:
    header = image.header
    sform, qform = int(header["sform_code"]), int(header["qform_code"])
    affine: np.ndarray = np.array(image.affine, dtype=np.float64)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-12:
        raise NiftiError(f"{path}: its affine is not invertible, so voxels have no place; mend its sform or qform")
    unit, unit_in_mm = _UNITS.get(int(header["xyzt_units"]) & 7, ("mm", 1.0))
    if unit != "mm":
        notes.append(f"The header's length unit is the {unit}; the affine is converted to mm, outputs keep the header.")
    affine[:3] *= unit_in_mm
    if not sform and not qform:
        notes.append("Neither sform nor qform is set: orientation is unknown, left and right cannot be told apart.")
    elif sform and qform:
        difference = largest_distance(image.get_sform(), image.get_qform(), image.shape) * unit_in_mm
        if difference > AFFINE_TOLERANCE:
            notes.append(f"sform and qform disagree by up to {difference:.1f} mm; the sform is used.")
    if _is_sheared(affine):
        notes.append("The affine is sheared: its axes are not at right angles.")
    return affine


def largest_distance(one: np.ndarray, other: np.ndarray, shape: tuple[int, ...]) -> float:
    """How far two affines put one voxel apart at most, which is at a corner of the volume."""
    x, y, z = ((0, n - 1) for n in (*shape, 1)[:3])
    corners = np.array([*product(x, y, z, (1,))], dtype=np.float64)
    return float(np.linalg.norm(corners @ (one - other).T, axis=1).max())


def _is_sheared(affine: np.ndarray) -> bool:
    axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    return bool(np.abs(axes.T @ axes - np.eye(3)).max() > _SHEAR_TOLERANCE)


def _finite(data: np.ndarray, path: Path, notes: list[str]) -> np.ndarray:
    """Replace NaN and infinite voxels by the lowest finite value."""
    finite = np.isfinite(data)
    count = data.size - int(np.count_nonzero(finite))
    if count == data.size:
        raise NiftiError(f"{path}: no voxel is finite; there is nothing to score")
    if count:
        lowest = data.min(where=finite, initial=np.float32(np.inf))
        data = np.where(finite, data, lowest)
        notes.append(f"{count} voxels are NaN or infinite and were set to the lowest finite value, {lowest:g}.")
    return data


def _bare_header(header: nib.Nifti1Header) -> nib.Nifti1Header:
    """The header without scaling, display range, free text and extensions."""
    bare = header.copy()
    bare.extensions.clear()
    texts = {"descrip", "aux_file", "db_name", "data_type", "intent_name"}
    numbers = {"vox_offset", "cal_min", "cal_max", "intent_code", "intent_p1", "intent_p2", "intent_p3"}
    for field in (texts | numbers) & set(bare.keys()):
        bare[field] = b"" if field in texts else 0
    return bare


def _write(data: np.ndarray, header: nib.Nifti1Header, path: str | Path, description: str) -> None:
    if data.dtype not in (np.float32, np.uint8):
        raise ValueError(f"data must be float32 or uint8, got {data.dtype}")
    if not np.isfinite(data).all():
        raise ValueError("data must be finite, got NaN or infinite values")
    header.set_data_dtype(data.dtype)
    header["descrip"] = description.encode("ascii", "replace")[:79]
    kind = nib.Nifti2Image if isinstance(header, nib.Nifti2Header) else nib.Nifti1Image
    image = kind(data, None, header)  # without an affine, the header's own sform and qform stay
    with replaced_file(path) as partial, partial.open("wb") as file:
        if not str(path).endswith(".gz"):
            image.to_stream(file)
            return
        # No name and no time, so that the same data give the same bytes; slice by slice, so that no second copy exists.
        with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0, compresslevel=1) as packed:
            image.to_stream(packed)
