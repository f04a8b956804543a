"""Arrays on the grid of a series: refused unless they are what a DICOM object can hold."""

from __future__ import annotations

import numpy as np

from bpfl_med.dicom.series import DicomSeries


def check_mask(mask: np.ndarray, series: DicomSeries) -> np.ndarray:
    """A mask ``[slices, rows, columns]`` on the grid of the series, as bool.

    Raises:
        ValueError: another shape, another type than bool or uint8, or values other than 0 and 1.
    """
    _check_shape(mask, series)
    if mask.dtype != np.bool_ and (mask.dtype != np.uint8 or mask.max() > 1):
        raise ValueError(f"a mask must be bool, or uint8 of 0 and 1, got {mask.dtype} up to {mask.max()}")
    return mask.astype(np.bool_, copy=False)


def check_scores(scores: np.ndarray, series: DicomSeries) -> np.ndarray:
    """Scores ``[slices, rows, columns]`` on the grid of the series, as they came.

    Raises:
        ValueError: another shape, another type than float32, or values outside [0, 1] (NaN included).
    """
    _check_shape(scores, series)
    if scores.dtype != np.float32:
        raise ValueError(f"scores must be float32, got {scores.dtype}")
    low, high = scores.min(), scores.max()
    if not (low >= 0 and high <= 1):
        raise ValueError(f"scores must be finite and in [0, 1], got {low} to {high}")
    return scores


def _check_shape(array: np.ndarray, series: DicomSeries) -> None:
    if array.shape != series.shape:
        raise ValueError(f"the array must be on the grid of the series, {series.shape}, got {array.shape}")
