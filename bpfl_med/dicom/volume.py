"""The pixels of a series -> one volume of real values."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut, iter_pixels

from bpfl_med.dicom.files import read_with_pixels
from bpfl_med.dicom.frames import find, layers_of
from bpfl_med.dicom.series import DicomSeries, SeriesError
from bpfl_med.files.checksum import joint_checksum

# Nothing in a patient is this low, so a CT value below it is padding that the header does not declare (HU).
LOWEST_HU = -1500.0
# Most of a scan is air and soft tissue, so a CT whose median is above this was not stored as it was read (HU).
_HIGHEST_MEDIAN = 1000.0


@dataclass(frozen=True, eq=False)
class SeriesVolume:
    """The values of a series.

    Attributes:
        values: ``[slices, rows, columns]`` float32, finite. ``values.transpose(2, 1, 0)`` goes with the series' affine.
        checksum: SHA-256 of the bytes that were decoded: of the file, or of several files' digests in slice order.
        notes: how many pixels were padding and what was put there, one sentence each.
    """

    values: np.ndarray
    checksum: str
    notes: tuple[str, ...]


def read_volume(series: DicomSeries) -> SeriesVolume:
    """Decode a series slice by slice into one array of real values.

    Each slice's stored values go through its own modality look-up table or rescale slope and intercept; CT comes out in
    HU. MONOCHROME1 slices are inverted within the range of their stored bits before that, so that more is brighter.
    Padding (PixelPaddingValue up to PixelPaddingRangeLimit, and anything below `LOWEST_HU` in CT) is no measurement and
    is set to the lowest real value of the whole volume, so that it cannot spoil a scaling from minimum to maximum.

    The memory at any time is the volume and one file, as read and as decoded.

    Args:
        series: a series as `load_series` gives it.

    Raises:
        SeriesError: a file cannot be decoded or is another than when its header was read; the series holds no real
            value at all; or it is a MONOCHROME1 CT that inverting makes brighter than bone.
    """
    values = np.empty(series.shape, dtype=np.float32)
    padding: Counter[str] = Counter()
    is_inverted = False
    checksums = []
    for path, places in _places_of(series).items():
        content = _read(path)
        checksums.append(hashlib.sha256(content).hexdigest())
        try:
            dataset = read_with_pixels(BytesIO(content))
            del content  # the pixels are in the data set, too
            series.check_object(places[0], dataset)
            is_inverted |= dataset.PhotometricInterpretation == "MONOCHROME1"
            for place, frame in zip(places, _real_values(dataset, series, places, padding), strict=True):
                if frame.shape != series.shape[1:]:
                    raise SeriesError(
                        f"{path}: decodes to {frame.shape} pixels, not {series.shape[1:]}; export it again"
                    )
                values[place] = frame
        except SeriesError:
            raise
        except Exception as error:  # decoders raise whatever they like
            raise SeriesError(
                f"{path}: its pixels cannot be decoded ({type(error).__name__}); copy the file from its source again"
            ) from error
    _fill_padding(values, series)
    median = float(np.median(values[:, ::4, ::4])) if is_inverted else 0.0
    if series.modality == "CT" and median > _HIGHEST_MEDIAN:
        raise SeriesError(
            f"{series.files[0]} and {len(series.files) - 1} more: MONOCHROME1 CT whose median is {median:g} HU once it "
            "is inverted, so its values were never so stored; export it as MONOCHROME2"
        )
    fate = "are no measurement and set to the lowest real value of the volume"
    notes = [f"{count} pixels ({reason}) {fate}." for reason, count in (+padding).items()]
    return SeriesVolume(values, joint_checksum(checksums), tuple(notes))


def _places_of(series: DicomSeries) -> dict[Path, list[int]]:
    """Give the slices that each file holds, by frame number."""
    places: dict[Path, list[int]] = {}
    for place, path in enumerate(series.files):
        places.setdefault(path, []).append(place)
    return {path: sorted(some, key=series.frame_numbers.__getitem__) for path, some in places.items()}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SeriesError(f"{path}: cannot be read ({error.strerror}); copy the file from its source again") from error


def _real_values(
    dataset: Dataset, series: DicomSeries, places: Sequence[int], padding: Counter[str]
) -> Iterator[np.ndarray]:
    """Yield the slices of a file, ``[rows, columns]`` float32, NaN where the pixel is padding, which is counted."""
    indices = [series.frame_numbers[place] - 1 for place in places]
    for index, stored in zip(indices, iter_pixels(dataset, indices=indices), strict=True):
        layers = layers_of(dataset, index)
        values = _rescale(stored, dataset, layers)
        is_declared = _is_padding(stored, dataset)
        values[is_declared] = np.nan
        padding["declared padding"] += int(is_declared.sum())
        if dataset.get("Modality") == "CT" and find(layers, "RescaleType") in (None, "HU"):
            is_too_low = values < LOWEST_HU
            values[is_too_low] = np.nan
            padding[f"below {LOWEST_HU:g} HU"] += int(is_too_low.sum())
        yield values


def _rescale(stored: np.ndarray, dataset: Dataset, layers: list[Dataset]) -> np.ndarray:
    """Stored values of one frame -> real values."""
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        ends_sum = -1 if int(dataset.PixelRepresentation) else (1 << int(dataset.BitsStored)) - 1
        stored = ends_sum - stored.astype(np.int64)
    table = next((layer for layer in layers if layer.get("ModalityLUTSequence")), None)
    if table is not None:
        return apply_modality_lut(stored, table).astype(np.float32)
    slope, intercept = find(layers, "RescaleSlope"), find(layers, "RescaleIntercept")
    values = stored.astype(np.float32)
    values *= np.float32(1.0 if slope is None else slope)
    values += np.float32(0.0 if intercept is None else intercept)
    return values


def _is_padding(stored: np.ndarray, dataset: Dataset) -> np.ndarray:
    """Where the stored values are the declared padding."""
    value = dataset.get("PixelPaddingValue")
    if value is None:
        return np.zeros(stored.shape, dtype=bool)
    limit = dataset.get("PixelPaddingRangeLimit")
    # Some writers give the value of signed pixels as an unsigned one: bring both into the type of the pixels.
    ends = np.array([value, value if limit is None else limit], dtype=np.int64).astype(stored.dtype)
    return (stored >= ends.min()) & (stored <= ends.max())


def _fill_padding(values: np.ndarray, series: DicomSeries) -> None:
    """Replace NaN by the lowest real value, slice by slice, so that no second volume is ever held."""
    lowest = np.fmin.reduce([np.fmin.reduce(plane, axis=None) for plane in values])
    if np.isnan(lowest):
        raise SeriesError(
            f"{series.files[0]} and {len(series.files) - 1} more: all pixels are padding; nothing to score"
        )
    for plane in values:
        plane[np.isnan(plane)] = lowest
