"""What the network says of a volume."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bpfl_med.slice_plane import SlicePlane


@dataclass(eq=False)
class VolumePrediction:
    """What the network says of a volume.

    Attributes:
        anomaly_map: [i, j, k] float32 on the voxels of the input; 0 in empty slices.
        uncertainty: standard deviation of the map over the sampled prompts, likewise.
        plane: how the slices lie in the volume.
        slices: one a slice along `plane.axis`: index, empty, text_score, text_score_std, map_max, slice_score (of
            :func:`slice_score`).
        ranges: [3, 2], the values that became black and white in each channel.
        seconds: time that scoring took.
    """

    anomaly_map: np.ndarray
    uncertainty: np.ndarray
    plane: SlicePlane
    slices: list[dict[str, Any]]
    ranges: np.ndarray
    seconds: float = 0.0

    @property
    def volume_score(self) -> float:
        """The score of the most suspicious slice."""
        return max(row["slice_score"] for row in self.slices)

    @property
    def ranking(self) -> list[int]:
        """Slice indices that are not empty, the most suspicious first."""
        scored = [row for row in self.slices if not row["empty"]]
        return [row["index"] for row in sorted(scored, key=lambda row: (-row["slice_score"], row["index"]))]


def slice_score(text_score: float, map_max: float) -> float:
    """Score a slice of a volume: half the paper's image score, so that it lies in [0, 1]."""
    return (text_score + map_max) / 2


def slice_row(
    index: int, text_score: float = 0.0, deviation: float = 0.0, map_max: float | None = None
) -> dict[str, Any]:
    """Give the scores of one slice; without a map it is an empty slice."""
    return {
        "index": index,
        "empty": map_max is None,
        "text_score": text_score,
        "text_score_std": deviation,
        "map_max": map_max or 0.0,
        "slice_score": slice_score(text_score, map_max or 0.0),
    }
