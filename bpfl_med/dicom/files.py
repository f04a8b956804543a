"""One DICOM file: its header, and whether its pixel data are all there, without reading them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO, Literal

import pydicom
from pydicom.dataset import Dataset
from pydicom.pixels import get_decoder
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

_PIXEL_DATA = 0x7FE00010
_ITEM, _SEQUENCE_END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
_UNDEFINED_LENGTH = 0xFFFFFFFF

# The package that users can install for each family of compressed pixels.
_DECODER_PACKAGES = {
    "JPEG 2000": "pylibjpeg-openjpeg or python-gdcm",
    "High-Throughput JPEG 2000": "pylibjpeg-openjpeg",
    "JPEG-LS": "pyjpegls or python-gdcm",
    "JPEG": "python-gdcm",
}


class DamagedFileError(ValueError):
    """A DICOM file that is cut short or cannot be parsed; the text says what is wrong, without the file's name."""


def is_dicom(path: Path) -> bool:
    """Whether a file starts as DICOM does: with the preamble, or, as some exports do, at once with group 2 or 8."""
    with path.open("rb") as file:
        start = file.read(132)
    return start[128:] == b"DICM" or (
        start[1:2] == b"\x00" and start[0:1] in (b"\x02", b"\x08") and start[3:4] == b"\x00"
    )


def read_header(path: Path) -> tuple[Dataset, bool]:
    """Read a DICOM file up to its pixels.

    Args:
        path: a file for which `is_dicom` is true.

    Returns:
        The data set without pixels, with a transfer syntax in its file meta information; and whether it has pixels.

    Raises:
        DamagedFileError: the pixels are cut short, or no installed package decodes them.
        Exception: the header is damaged, in whatever way pydicom meets it.
    """
    with path.open("rb") as file:
        dataset = pydicom.dcmread(file, stop_before_pixels=True, force=True)
        syntax = _name_transfer_syntax(dataset)
        if syntax == DeflatedExplicitVRLittleEndian:  # the whole file is one deflated stream
            return _without_pixels(pydicom.dcmread(path, force=True))
        length = _pixel_length(file, dataset, path.stat().st_size)
    if length is None:
        return dataset, False
    _check_length(dataset, length)
    _check_decoder(syntax)
    return dataset, True


def read_with_pixels(path: Path) -> Dataset:
    """Read a whole DICOM file, with a transfer syntax in its file meta information."""
    dataset = pydicom.dcmread(path, force=True)
    _name_transfer_syntax(dataset)
    return dataset


def _name_transfer_syntax(dataset: Dataset) -> UID:
    """Give a data set without file meta information the transfer syntax that it was parsed with."""
    if "TransferSyntaxUID" not in dataset.file_meta:
        implicit, little = dataset.original_encoding
        plain = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else plain
    syntax: UID = dataset.file_meta.TransferSyntaxUID
    return syntax


def _without_pixels(dataset: Dataset) -> tuple[Dataset, bool]:
    if "PixelData" not in dataset:
        return dataset, False
    _check_length(dataset, len(dataset.PixelData))
    del dataset.PixelData
    return dataset, True


def _pixel_length(file: BinaryIO, dataset: Dataset, size: int) -> int | None:
    """Length in bytes of the native pixels that the file really holds; None: no pixels; -1: whole compressed pixels."""
    implicit, little = dataset.original_encoding
    order: Literal["little", "big"] = "little" if little else "big"
    head = file.read(8 if implicit else 12)
    if len(head) < 8:
        return None
    tag = int.from_bytes(head[:2], order) << 16 | int.from_bytes(head[2:4], order)
    if tag != _PIXEL_DATA:
        return None
    length = int.from_bytes(head[-4:], order)
    if length == _UNDEFINED_LENGTH:
        _check_fragments(file, size, int(dataset.get("NumberOfFrames") or 1))
        return -1
    return min(length, size - file.tell())


def _check_fragments(file: BinaryIO, size: int, frames: int) -> None:
    """Walk over the items of compressed pixel data to their closing mark, and see that there is one for each frame."""
    fragments = -1  # the first item is the offset table
    while len(head := file.read(8)) == 8:
        if head[:4] == _SEQUENCE_END and fragments >= frames:
            return
        length = int.from_bytes(head[4:], "little")
        if head[:4] != _ITEM or file.tell() + length > size:
            break
        file.seek(length, os.SEEK_CUR)
        fragments += 1
    raise DamagedFileError("its compressed pixel data are cut short")


def _check_length(dataset: Dataset, length: int) -> None:
    """Compare the bytes of native pixels with what rows, columns, samples, bits and frames ask for."""
    if length < 0 or not all(dataset.get(keyword) for keyword in ("Rows", "Columns", "BitsAllocated")):
        return
    pixels = int(dataset.Rows) * int(dataset.Columns) * int(dataset.get("NumberOfFrames") or 1)
    expected = pixels * int(dataset.get("SamplesPerPixel") or 1) * int(dataset.BitsAllocated) // 8
    if length < expected:
        raise DamagedFileError(f"its pixel data are cut short: {length} bytes of {expected}")


def _check_decoder(syntax: UID) -> None:
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError as error:
        raise DamagedFileError(f"its transfer syntax {syntax.name} is not supported") from error
    if not decoder.is_available:
        package = next((p for name, p in _DECODER_PACKAGES.items() if syntax.name.startswith(name)), "a decoder")
        raise DamagedFileError(f"its pixels are {syntax.name}; install {package} to decode them")
