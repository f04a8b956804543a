"""One row of scores for each image."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

from bpfl_med.metrics import top_k_mean


def score_row(
    index: int, item: Mapping[str, Any], prediction: Mapping[str, torch.Tensor], top_k: int
) -> dict[str, Any]:
    """Give the scores of one image that need no other image.

    Args:
        index: its place in the data set, from 0.
        item: of the decollated batch, with `image_path` and `class_name`.
        prediction: the fields of a `Prediction`, of one image.
        top_k: how many of the largest pixels the mean of the map's top is taken over.

    Raises:
        ValueError: if the network gave a score or pixel that is no number.
    """
    anomaly_map = prediction["anomaly_map"].float()
    of_maps = {
        "map_max": anomaly_map.amax(),
        "map_top_k_mean": top_k_mean(anomaly_map, top_k).squeeze(),
        "map_mean": anomaly_map.mean(),
        "uncertainty_mean": prediction["uncertainty"].float().mean(),
    }
    row = {
        "index": index,
        "image": item["image_path"],
        "class_name": item["class_name"],
        "text_score": float(prediction["text_score"]),
        "text_score_std": float(prediction["score_std"]),
        # All of the maps in one, because a GPU is waited for each time that a value is asked for.
        **dict(zip(of_maps, torch.stack(list(of_maps.values())).tolist(), strict=True)),
    }
    if not all(math.isfinite(value) for value in row.values() if isinstance(value, float)):
        raise ValueError(
            f"The network's answer to {item['image_path']} holds NaN or infinity; check the files of its weights"
        )
    return row
