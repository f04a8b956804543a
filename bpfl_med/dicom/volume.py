"""The pixels of a series -> one volume of real values."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut, iter_pixels

from bpfl_med.dicom.files import read_with_pixels
from bpfl_med.dicom.frames import find, layers_of
from bpfl_med.dicom.series import DicomSeries, SeriesError

# Nothing in a patient is this low, so a CT value below it is padding that the header does not declare (HU).
LOWEST_HU = -1500.0


def read_volume(series: DicomSeries) -> np.ndarray:
    """Decode a series slice by slice into one array of real values.

    Each slice's stored values go through its own modality look-up table or rescale slope and intercept; CT comes out in
    HU. MONOCHROME1 slices are inverted within the range of their stored bits before that, as viewers do, so that more
    is brighter. Padding (PixelPaddingValue up to PixelPaddingRangeLimit, and anything below `LOWEST_HU` in CT) is no
    measurement and is set to the lowest real value of the whole volume, so that it cannot spoil a scaling from minimum
    to maximum.

    The memory at any time is the volume and one file.

    Args:
        series: a series as `select_series` gives it.

    Returns:
        ``[slices, rows, columns]`` float32, finite. ``volume.transpose(2, 1, 0)`` goes with ``series.affine``.

    Raises:
        SeriesError: a file cannot be decoded or is another than when its header was read, or the series holds no real
            value at all.
    """
    volume = np.empty(series.shape, dtype=np.float32)
    places: dict[Path, list[tuple[int, int]]] = defaultdict(list)
    for place, (path, number) in enumerate(zip(series.files, series.frame_numbers, strict=True)):
        places[path].append((number, place))
    for path, numbers in places.items():
        for (_, place), values in zip(
            sorted(numbers), _real_values(series, numbers[0][1], sorted(n - 1 for n, _ in numbers)), strict=True
        ):
            if values.shape != series.shape[1:]:
                raise SeriesError(f"{path}: decodes to {values.shape} pixels, not {series.shape[1:]}; export it again")
            volume[place] = values
    _fill_padding(volume, series)
    return volume


def _real_values(series: DicomSeries, place: int, indices: list[int]) -> Iterator[np.ndarray]:
    """Yield frames (0-based, ascending) of a file, ``[rows, columns]`` float32, NaN where the pixel is padding."""
    path = series.files[place]
    try:
        dataset = read_with_pixels(path)
        series.check_object(place, dataset)
        for index, stored in zip(indices, iter_pixels(dataset, indices=indices), strict=True):
            yield _rescale(stored, dataset, index)
    except SeriesError:
        raise
    except Exception as error:  # decoders raise whatever they like
        raise SeriesError(
            f"{path}: its pixels cannot be decoded ({type(error).__name__}); copy the file from its source again"
        ) from error


def _rescale(stored: np.ndarray, dataset: Dataset, index: int) -> np.ndarray:
    """Stored values of one frame -> real values, NaN where the pixel is padding."""
    layers = layers_of(dataset, index)
    padding = _is_padding(stored, dataset)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        ends_sum = -1 if int(dataset.PixelRepresentation) else (1 << int(dataset.BitsStored)) - 1
        stored = ends_sum - stored.astype(np.int64)
    table = next((layer for layer in layers if layer.get("ModalityLUTSequence")), None)
    if table is not None:
        values = apply_modality_lut(stored, table).astype(np.float32)
    else:
        slope, intercept = find(layers, "RescaleSlope"), find(layers, "RescaleIntercept")
        values = stored.astype(np.float32)
        values *= np.float32(1.0 if slope is None else slope)
        values += np.float32(0.0 if intercept is None else intercept)
    if padding is not None:
        values[padding] = np.nan
    if dataset.get("Modality") == "CT" and find(layers, "RescaleType") in (None, "HU"):
        values[values < LOWEST_HU] = np.nan
    return values


def _is_padding(stored: np.ndarray, dataset: Dataset) -> np.ndarray | None:
    """Where the stored values are the declared padding, or None where none is declared."""
    value = dataset.get("PixelPaddingValue")
    if value is None:
        return None
    limit = dataset.get("PixelPaddingRangeLimit")
    # Some writers give the value of signed pixels as an unsigned one: bring both into the type of the pixels.
    ends = np.array([value, value if limit is None else limit], dtype=np.int64).astype(stored.dtype)
    return (stored >= ends.min()) & (stored <= ends.max())


def _fill_padding(volume: np.ndarray, series: DicomSeries) -> None:
    """Replace NaN by the lowest real value, slice by slice, so that no second volume is ever held."""
    lowest = np.fmin.reduce([np.fmin.reduce(plane, axis=None) for plane in volume])
    if np.isnan(lowest):
        raise SeriesError(
            f"{series.files[0]} and {len(series.files) - 1} more: all pixels are padding; nothing to score"
        )
    for plane in volume:
        plane[np.isnan(plane)] = lowest
