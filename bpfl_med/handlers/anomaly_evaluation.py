"""Collect the predictions of an evaluation and turn them into metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, get_args

import ignite.distributed as idist
import numpy as np
import torch
from ignite.engine import Engine, Events

from bpfl_med.handlers.evaluation import Evaluation, evaluate_rows
from bpfl_med.handlers.score_row import score_row
from bpfl_med.machine.processes import from_first, host_group, to_first
from bpfl_med.metrics import PixelMetrics, average_precision, smoothed
from bpfl_med.metrics.inputs import to_numpy
from bpfl_med.metrics.pixel import MEMORY_LIMIT
from bpfl_med.metrics.rank_sums import AUPRO_FPR_LIMIT
from bpfl_med.metrics.score_protocol import ScoreProtocol


class Pixels(NamedTuple):
    """What pixel metrics see of one image: the smoothed map [1, H, W] float32 and the mask [1, H, W] of 0 and 1."""

    scores: np.ndarray
    mask: np.ndarray


class ImageRecord(NamedTuple):
    """All that an evaluation keeps of one image.

    Attributes:
        row: its scores, see :func:`~bpfl_med.handlers.score_row.score_row`, and its label if it has one.
        pixels: None without pixel metrics.
    """

    row: dict[str, Any]
    pixels: Pixels | None


class AnomalyEvaluation:
    """Score each image by a named protocol, and compute image and pixel metrics per class.

    Expects a decollated batch with `image_path`, `class_name`, `index` (the image's place in the data set; the order of
    arrival if absent), for metrics `label`, and for pixel metrics `mask` [1, H, W]; and an output whose `pred` holds
    the fields of a `Prediction`. Attach it before handlers that read the evaluation.

    Args:
        protocol: how an image's score is made, see :func:`~bpfl_med.metrics.score_protocol.image_scores`.
        metrics: "image", "pixel" or both: those that the data set can define; none for pictures without labels.
        top_k: how many of the largest pixels the "released" protocol averages.
        top_k_by_class: other numbers for some classes, as the released program has for classes of small defects.
        smoothing_sigma: of the Gaussian, in pixels of the map, that pixel metrics see the map through; 0 for none. The
            image score is made of the map as it is.
        gather: whether the processes of the run have shared the images out: the first one then gathers their findings,
            computes, and tells the others, and each must come to the end of its share. Otherwise each has all images.
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
        top_k_by_class: Mapping[str, int] | None = None,
        gather: bool = False,
        memory_limit: int = MEMORY_LIMIT,
    ) -> None:
        if not set(metrics) <= {"image", "pixel"}:
            raise ValueError(f"metrics must name 'image', 'pixel', both or none, got {list(metrics)}")
        if protocol not in get_args(ScoreProtocol):
            raise ValueError(f"score_protocol must be one of {', '.join(get_args(ScoreProtocol))}, got {protocol!r}")
        self.protocol = protocol
        self.kinds = frozenset(metrics)
        self.top_k = top_k
        self.top_k_by_class = dict(top_k_by_class or {})
        self.smoothing_sigma = smoothing_sigma
        self.gather = gather
        self.memory_limit = memory_limit
        self.rows: list[dict[str, Any]] = []
        self.pixels: dict[str, PixelMetrics] = {}
        self.latest: list[ImageRecord] = []

    @property
    def settings(self) -> dict[str, Any]:
        """What a report must say of how scores and metrics were made."""
        return {
            "image_score": self.protocol,
            "top_k": self.top_k,
            "top_k_by_class": self.top_k_by_class,
            "smoothing_sigma": self.smoothing_sigma,
            "metrics": sorted(self.kinds),
            "aupro_fpr_limit": AUPRO_FPR_LIMIT,
        }

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._reset)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._compute)

    def add(self, record: ImageRecord) -> None:
        """Count one image."""
        self.rows.append(record.row)
        if record.pixels is not None:
            self._pixels_of(record.row["class_name"]).update(*record.pixels)

    def _reset(self, engine: Engine) -> None:
        self.rows = []
        self.pixels = {}

    def _collect(self, engine: Engine) -> None:
        self.latest = []
        for item, output in zip(engine.state.batch, engine.state.output, strict=True):
            record = self._record(item, output["pred"])
            self.latest.append(record)
            self.add(record)

    def _record(self, item: dict[str, Any], prediction: dict[str, torch.Tensor]) -> ImageRecord:
        top_k = self.top_k_by_class.get(item["class_name"], self.top_k)
        row = score_row(int(item.get("index", len(self.rows))), item, prediction, top_k)
        if "label" in item:
            row["label"] = int(item["label"])
        if "pixel" not in self.kinds:
            return ImageRecord(row, None)
        scores = smoothed(prediction["anomaly_map"].float(), self.smoothing_sigma)
        row["pixel_ap"] = average_precision(scores, item["mask"])
        return ImageRecord(row, Pixels(to_numpy(scores), to_numpy(item["mask"])))

    def _compute(self, engine: Engine) -> None:
        evaluation = self._gathered() if self.gather else self._evaluate()
        engine.state.metrics.update({key: value for key, value in evaluation.mean.items() if value is not None})
        engine.state.evaluation = evaluation

    def _gathered(self) -> Evaluation:
        evaluation = None
        with host_group() as group:
            for rows, class_name, state in to_first(self._messages(), group):
                self.rows += rows
                if state is not None:
                    self._pixels_of(class_name).merge_state(state)
            if idist.get_rank() == 0:
                evaluation = self._evaluate()
            return from_first(evaluation, group)

    def _evaluate(self) -> Evaluation:
        return evaluate_rows(self.rows, self.pixels, protocol=self.protocol, kinds=self.kinds)

    def _messages(self) -> Any:
        """Yield what the first process must know of this one's share: rows, then the pixels of one class at a time."""
        yield self.rows, None, None
        for class_name, pixels in self.pixels.items():
            yield [], class_name, pixels.state()

    def _pixels_of(self, class_name: str) -> PixelMetrics:
        if class_name not in self.pixels:
            self.pixels[class_name] = PixelMetrics(memory_limit=self.memory_limit)
        return self.pixels[class_name]
