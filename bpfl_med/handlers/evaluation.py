"""What an evaluation found: from scores and pixels of images to metrics of classes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from bpfl_med.metrics import PixelMetrics, image_metrics, image_scores
from bpfl_med.metrics.score_protocol import ScoreProtocol


@dataclass
class Evaluation:
    """What an evaluation found; `engine.state.evaluation`.

    Attributes:
        rows: one an image, in the order of the data set: index, image, class_name, label, anomaly_score, what the
            score is made of, and `pixel_ap`, the average precision of the map within the image, if it has a mask.
        by_class: the metrics of each class: `image_auroc`, `image_ap`, `image_f1_max`, `image_threshold`, the same with
            `pixel_`, and `pixel_aupro`. None is "not defined", because only normal or only abnormal ones are there.
        mean: of each metric over the classes that define it.
        intervals: if asked for, bounds of the metrics, see :class:`~bpfl_med.handlers.ConfidenceIntervals`.
    """

    rows: list[dict[str, Any]]
    by_class: dict[str, dict[str, float | None]]
    mean: dict[str, float | None]
    intervals: dict[str, Any] | None = None


def evaluate_rows(
    rows: Sequence[Mapping[str, Any]],
    pixels: Mapping[str, PixelMetrics],
    *,
    protocol: ScoreProtocol,
    kinds: Collection[str],
) -> Evaluation:
    """Fuse the scores of each class, and compute its metrics.

    Args:
        rows: one an image, in any order, see :func:`~bpfl_med.handlers.score_row.score_row`.
        pixels: the pixels of each class, if kinds has "pixel".
        protocol: how an image's score is made, see :func:`~bpfl_med.metrics.score_protocol.image_scores`.
        kinds: of metrics: "image", "pixel", both or none.
    """
    ordered = sorted((dict(row) for row in rows), key=lambda row: row["index"])
    by_class: dict[str, dict[str, float | None]] = {}
    for class_name in sorted({row["class_name"] for row in ordered}):
        mine = [row for row in ordered if row["class_name"] == class_name]
        scores = image_scores(
            protocol,
            text_scores=_column(mine, "text_score"),
            map_maxima=_column(mine, "map_max"),
            top_k_means=_column(mine, "map_top_k_mean"),
        )
        for row, score in zip(mine, scores.tolist(), strict=True):
            row["anomaly_score"] = score
        metrics = by_class[class_name] = {}
        if "image" in kinds:
            metrics.update(_prefixed("image", image_metrics(scores, _column(mine, "label"))))
        if "pixel" in kinds:
            metrics.update(_prefixed("pixel", pixels[class_name].compute()))
    return Evaluation(ordered, by_class, mean_over_classes(by_class))


def _column(rows: Sequence[Mapping[str, Any]], key: str) -> torch.Tensor:
    return torch.tensor([row[key] for row in rows], dtype=torch.float64)


def _prefixed(prefix: str, metrics: Mapping[str, float | None]) -> dict[str, float | None]:
    return {f"{prefix}_{key}": value for key, value in metrics.items()}


def mean_over_classes(by_class: Mapping[str, Mapping[str, float | None]]) -> dict[str, float | None]:
    """Average each metric over the classes that define it; a threshold belongs to one class and has no mean."""
    keys = next(iter(by_class.values())).keys()
    mean: dict[str, float | None] = {}
    for key in keys:
        values = [value for metrics in by_class.values() if (value := metrics[key]) is not None]
        if not key.endswith("threshold"):
            mean[key] = sum(values) / len(values) if values else None
    return mean
