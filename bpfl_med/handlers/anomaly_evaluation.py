"""Collect the predictions of an evaluation and turn them into metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import torch
from ignite.engine import Engine, Events
from scipy.ndimage import gaussian_filter

from bpfl_med.handlers.score_row import score_row
from bpfl_med.metrics import PixelMetrics, image_metrics, image_scores
from bpfl_med.metrics.score_protocol import ScoreProtocol


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found; `engine.state.evaluation`.

    Attributes:
        rows: one an image, in the order of the data set: index, image, class_name, label, anomaly_score, and what the
            score is made of.
        by_class: the metrics of each class: `image_auroc`, `image_ap`, `image_f1_max`, `image_threshold`, the same with
            `pixel_`, and `pixel_aupro`. None is "not defined", because only normal or only abnormal ones are there.
        mean: of each metric over the classes that define it.
    """

    rows: list[dict[str, Any]]
    by_class: dict[str, dict[str, float | None]]
    mean: dict[str, float | None]


class AnomalyEvaluation:
    """Score each image by a named protocol, and compute image and pixel metrics per class.

    Expects a decollated batch with `image_path`, `class_name`, for metrics `label`, and for pixel metrics `mask`
    [1, H, W]; and an output whose `pred` holds the fields of a `Prediction`. Attach it before handlers that read the
    evaluation.

    Args:
        protocol: how an image's score is made, see :func:`~bpfl_med.metrics.image_scores`.
        metrics: "image", "pixel" or both: those that the data set can define; none for pictures without labels.
        top_k: how many of the largest pixels the "released" protocol averages.
        smoothing_sigma: of the Gaussian, in pixels of the map, that pixel metrics see the map through; 0 for none. The
            image score is made of the map as it is.
        memory_limit: bytes that the pixel metrics of one class may hold; the rest goes to disk.

    Raises:
        ValueError: if `metrics` names another kind, or the protocol is unknown.
    """

    def __init__(
        self,
        *,
        protocol: ScoreProtocol,
        metrics: Sequence[str],
        top_k: int,
        smoothing_sigma: float,
        memory_limit: int = 512 * 2**20,
    ) -> None:
        if not set(metrics) <= {"image", "pixel"}:
            raise ValueError(f"metrics must name 'image', 'pixel', both or none, got {list(metrics)}")
        if protocol not in get_args(ScoreProtocol):
            raise ValueError(f"score_protocol must be one of {', '.join(get_args(ScoreProtocol))}, got {protocol!r}")
        self.protocol = protocol
        self.kinds = frozenset(metrics)
        self.top_k = top_k
        self.smoothing_sigma = smoothing_sigma
        self.memory_limit = memory_limit
        self.rows: list[dict[str, Any]] = []
        self.pixel_metrics: dict[str, PixelMetrics] = {}

    @property
    def settings(self) -> dict[str, Any]:
        """What a report must say of how scores and metrics were made."""
        return {
            "image_score": self.protocol,
            "top_k": self.top_k,
            "smoothing_sigma": self.smoothing_sigma,
            "metrics": sorted(self.kinds),
        }

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._reset)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._compute)

    def _reset(self, engine: Engine) -> None:
        self.rows = []
        self.pixel_metrics = {}

    def _collect(self, engine: Engine) -> None:
        for item, output in zip(engine.state.batch, engine.state.output, strict=True):
            prediction = output["pred"]
            row = score_row(len(self.rows), item, prediction, self.top_k)
            self.rows.append({**row, "label": int(item["label"])} if "label" in item else row)
            if "pixel" in self.kinds:
                self._pixel_metrics_of(item["class_name"]).update(
                    self._smooth(prediction["anomaly_map"]), item["mask"].cpu().numpy()
                )

    def _compute(self, engine: Engine) -> None:
        by_class: dict[str, dict[str, float | None]] = {}
        for class_name in sorted({row["class_name"] for row in self.rows}):
            rows = [row for row in self.rows if row["class_name"] == class_name]
            by_class[class_name] = self._metrics_of_class(class_name, rows)
        mean = _mean(by_class)
        engine.state.metrics.update({key: value for key, value in mean.items() if value is not None})
        engine.state.evaluation = Evaluation(self.rows, by_class, mean)

    def _metrics_of_class(self, class_name: str, rows: Sequence[dict[str, Any]]) -> dict[str, float | None]:
        """Write the fused scores into the rows of one class, and compute its metrics."""

        def column(key: str) -> torch.Tensor:
            return torch.tensor([row[key] for row in rows], dtype=torch.float64)

        scores = image_scores(
            self.protocol,
            text_scores=column("text_score"),
            map_maxima=column("map_max"),
            top_k_means=column("map_top_k_mean"),
        )
        for row, score in zip(rows, scores.tolist(), strict=True):
            row["anomaly_score"] = score
        metrics: dict[str, float | None] = {}
        if "image" in self.kinds:
            metrics.update(_prefixed("image", image_metrics(scores, column("label"))))
        if "pixel" in self.kinds:
            metrics.update(_prefixed("pixel", self._pixel_metrics_of(class_name).compute()))
        return metrics

    def _pixel_metrics_of(self, class_name: str) -> PixelMetrics:
        if class_name not in self.pixel_metrics:
            self.pixel_metrics[class_name] = PixelMetrics(memory_limit=self.memory_limit)
        return self.pixel_metrics[class_name]

    def _smooth(self, anomaly_map: torch.Tensor) -> Any:
        pixels = anomaly_map.float().cpu().numpy()
        return gaussian_filter(pixels, self.smoothing_sigma, axes=(-2, -1)) if self.smoothing_sigma else pixels


def _prefixed(prefix: str, metrics: Mapping[str, float | None]) -> dict[str, float | None]:
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
