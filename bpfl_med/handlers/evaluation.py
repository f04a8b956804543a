"""What an evaluation found: from scores and pixels of images to metrics of classes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch

from bpfl_med.metrics import (
    PixelMetrics,
    image_metrics,
    image_scores,
    mean_resamples,
    percentile_intervals,
    resampled_metrics,
)
from bpfl_med.metrics.score_protocol import ScoreProtocol

Value = TypeVar("Value")

_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found; `engine.state.evaluation`.

    Attributes:
        rows: one an image, in the order of the data set: index, image, class_name, label, anomaly_score, what the
            score is made of, and `pixel_ap`, the average precision of the map within the image, if it has a mask.
        by_class: the metrics of each class: `image_auroc`, `image_ap`, `image_f1_max`, `image_threshold`, the same with
            `pixel_`, and `pixel_aupro`. None is "not defined", because only normal or only abnormal ones are there.
        mean: of each metric over the classes that define it.
        intervals: if asked for, bounds of the image metrics, under "mean" and "classes" as above; None where no
            resample defines one.
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
    return Evaluation(ordered, by_class, _mean(by_class))


def image_intervals(evaluation: Evaluation, *, n_resamples: int, seed: int) -> dict[str, Any]:
    """Bound the image metrics by the percentile bootstrap over images, each class resampled within itself.

    Returns:
        "confidence", "mean" and "classes" as in `Evaluation`, and "n_skipped": of each class, how many resamples hold
        only one label.
    """
    resamples = {}
    for place, class_name in enumerate(evaluation.by_class):
        mine = [row for row in evaluation.rows if row["class_name"] == class_name]
        rng = np.random.default_rng([seed, place])
        scores, labels = _column(mine, "anomaly_score"), _column(mine, "label")
        resamples[class_name] = resampled_metrics(scores, labels, rng=rng, n_resamples=n_resamples)
    by_class = {name: percentile_intervals(values, confidence=_CONFIDENCE) for name, values in resamples.items()}
    mean = percentile_intervals(mean_resamples(resamples), confidence=_CONFIDENCE).bounds
    del mean["threshold"]
    return {
        "confidence": _CONFIDENCE,
        "mean": _prefixed("image", mean),
        "classes": {name: _prefixed("image", intervals.bounds) for name, intervals in by_class.items()},
        "n_skipped": {name: intervals.n_skipped for name, intervals in by_class.items()},
    }


def _column(rows: Sequence[Mapping[str, Any]], key: str) -> torch.Tensor:
    return torch.tensor([row[key] for row in rows], dtype=torch.float64)


def _prefixed(prefix: str, metrics: Mapping[str, Value]) -> dict[str, Value]:
    return {f"{prefix}_{key}": value for key, value in metrics.items()}


def _mean(by_class: Mapping[str, Mapping[str, float | None]]) -> dict[str, float | None]:
    """Average each metric over the classes that define it; a threshold belongs to one class and has no mean."""
    keys = next(iter(by_class.values())).keys()
    mean: dict[str, float | None] = {}
    for key in keys:
        values = [value for metrics in by_class.values() if (value := metrics[key]) is not None]
        if not key.endswith("threshold"):
            mean[key] = sum(values) / len(values) if values else None
    return mean
