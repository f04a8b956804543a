"""One DICOM file: its header, and whether its pixel data are all there, without reading them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO, Literal

import pydicom
from pydicom.dataset import Dataset
from pydicom.pixels import get_decoder
from pydicom.pixels.utils import get_expected_length
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
COPY_AGAIN = "copy it from its source again"
"""What to do about a file that is damaged."""

_NEEDED_FOR_LENGTH = ("Rows", "Columns", "BitsAllocated", "PhotometricInterpretation")


class UnusableFileError(ValueError):
    """A DICOM file that is damaged or cannot be decoded; the text says what is wrong, without the file's name.

    Attributes:
        advice: what to do about it.
    """

    def __init__(self, reason: str, advice: str = COPY_AGAIN) -> None:
        super().__init__(reason)
        self.advice = advice


def starts_as_dicom(file: BinaryIO) -> bool:
    """Whether a file, open at its start, begins as DICOM: with the preamble, or, in some exports, with group 2 or 8."""
    start = file.read(132)
    file.seek(0)
    return start[128:] == b"DICM" or (
        start[1:2] == b"\x00" and start[0:1] in (b"\x02", b"\x08") and start[3:4] == b"\x00"
    )


def read_header(file: BinaryIO) -> tuple[Dataset, bool]:
    """Read a DICOM file up to its pixels.

    Args:
        file: open at its start, which `starts_as_dicom`.

    Returns:
        The data set without pixels, with a transfer syntax in its file meta information; and whether it has pixels.

    Raises:
        UnusableFileError: the pixels are cut short, or cannot be decoded.
        Exception: the header is damaged, in whatever way pydicom meets it.
    """
    dataset = pydicom.dcmread(file, stop_before_pixels=True, force=True)
    syntax = _name_transfer_syntax(dataset)
    if syntax == DeflatedExplicitVRLittleEndian:  # the whole file is one deflated stream
        file.seek(0)
        return _without_pixels(pydicom.dcmread(file, force=True))
    length = _pixel_length(file, dataset, os.fstat(file.fileno()).st_size)
    if length is None:
        return dataset, False
    _check_length(dataset, length)
    _check_decoder(syntax)
    return dataset, True


def read_with_pixels(file: Path | BinaryIO) -> Dataset:
    """Read a whole DICOM file, with a transfer syntax in its file meta information."""
    dataset = pydicom.dcmread(file, force=True)
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
    raise UnusableFileError("its compressed pixel data are cut short")


def _check_length(dataset: Dataset, length: int) -> None:
    """Compare the bytes of native pixels with what the header asks for."""
    if length < 0 or not all(dataset.get(keyword) for keyword in _NEEDED_FOR_LENGTH):
        return  # which is told where series are assembled
    if not dataset.get("SamplesPerPixel"):
        raise UnusableFileError("the image has no SamplesPerPixel")
    expected = get_expected_length(dataset)
    if length < expected:
        raise UnusableFileError(f"its pixel data are cut short: {length} bytes of {expected}")


def _check_decoder(syntax: UID) -> None:
    try:
        is_decodable = get_decoder(syntax).is_available
    except NotImplementedError:
        is_decodable = False
    if not is_decodable:
        raise UnusableFileError(
            f"its pixels are {syntax.name}, which no installed decoder reads", "export it in another transfer syntax"
        )
