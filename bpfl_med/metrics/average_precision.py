"""The average precision of one anomaly map, where the map is."""

import numpy as np
import torch


def average_precision(scores: torch.Tensor, abnormal: torch.Tensor) -> float | None:
    """Average over the abnormal pixels what share of the pixels that score at least as high is abnormal.

    That is the average precision of :func:`~bpfl_med.metrics.image_metrics`, but computed on the device of the scores
    (a CPU or CUDA), and as fast on a CPU.

    Args:
        scores: finite, any shape.
        abnormal: 0 normal, 1 abnormal, of the same shape, on any device.

    Returns:
        None if only one kind of pixels is there.

    Raises:
        ValueError: the shapes differ.
    """
    if scores.shape != abnormal.shape:
        raise ValueError(f"Map and mask must have one shape, got {tuple(scores.shape)} and {tuple(abnormal.shape)}")
    is_abnormal = abnormal.to(scores.device).bool()
    positive, negative = _from_high_to_low(scores[is_abnormal]), _from_high_to_low(scores[~is_abnormal])
    if not len(positive) or not len(negative):
        return None
    true_positives = torch.searchsorted(positive, positive, right=True)
    false_positives = torch.searchsorted(negative, positive, right=True)
    return float((true_positives / (true_positives + false_positives).double()).mean())


def _from_high_to_low(scores: torch.Tensor) -> torch.Tensor:
    """Give the negated scores in ascending order, as `searchsorted` needs them."""
    if scores.device.type != "cpu":
        return (-scores).sort().values
    return torch.from_numpy(np.sort(-scores.numpy()))  # 15 times as fast as PyTorch's on a CPU
