"""Checks that scores and labels pass before a metric counts them."""

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray


def to_numpy(values: ArrayLike | torch.Tensor) -> NDArray:
    """Give an array of any kind, or a tensor on any device, as a NumPy array."""
    return values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)


def check_finite(scores: NDArray, name: str) -> None:
    """Raise ValueError if a score is NaN or infinite."""
    n_bad = scores.size - np.count_nonzero(np.isfinite(scores))
    if n_bad:
        raise ValueError(f"{name} must be finite, because NaN and infinity have no rank, got {n_bad} such values")


def to_bool(labels: NDArray, name: str) -> NDArray[np.bool_]:
    """Give labels of 0 and 1, of any dtype, as booleans; raise ValueError if there are others."""
    abnormal = labels.astype(bool)
    if not np.array_equal(labels, abnormal):
        raise ValueError(f"{name} must hold only 0 (normal) and 1 (abnormal), got {np.unique(labels)[:5].tolist()}")
    return abnormal
