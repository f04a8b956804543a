"""Bound the metrics of an evaluation by the bootstrap over images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import chain
from typing import Any

import ignite.distributed as idist
import numpy as np
from ignite.engine import Engine, Events
from numpy.typing import NDArray

from bpfl_med.handlers.anomaly_evaluation import AnomalyEvaluation
from bpfl_med.handlers.evaluation import Evaluation
from bpfl_med.handlers.evaluation_journal import EvaluationJournal
from bpfl_med.machine.processes import from_first, host_group, to_first
from bpfl_med.metrics import (
    PixelHistogram,
    binned_metrics,
    draw_images,
    image_metrics,
    mean_resamples,
    percentile_intervals,
    pixel_histogram,
    resampled,
)
from bpfl_med.metrics.bootstrap import Resamples
from bpfl_med.metrics.rank_sums import AUPRO_FPR_LIMIT

_CONFIDENCE = 0.95
_N_BINS = 4096

Histograms = dict[str, dict[int, PixelHistogram]]
"""Of each class, by the image's place in the data set."""


class ConfidenceIntervals:
    """Set `engine.state.evaluation.intervals` by the percentile bootstrap over images.

    Images are drawn with replacement, each class within itself, and all metrics of a class are computed of the same
    draws. Pixel metrics of a draw are computed of histograms with about 4096 bins, half of them by the quantiles of the
    abnormal pixels and half by those of the normal ones, which the journal's maps are sorted into; what this rounds is
    far below the intervals' width. The intervals hold "n_resamples", "seed", "confidence", "mean" and "classes" as in
    `Evaluation` ([lower, upper], or None where no resample defines a metric), and "n_skipped": of each class, how many
    resamples leave a metric undefined, because they hold only one label.

    In a run of several processes each must come to the end of its share.

    Args:
        evaluation: whose metrics are bounded.
        journal: keeps the maps.
        n_resamples: how many resamples; 0 for no intervals.
        seed: of the resamples.
    """

    def __init__(
        self, *, evaluation: AnomalyEvaluation, journal: EvaluationJournal, n_resamples: int, seed: int
    ) -> None:
        if n_resamples < 0 or (n_resamples and not evaluation.kinds):
            raise ValueError(
                f"bootstrap_resamples must be at least 0, and 0 where metrics names none to bound, got {n_resamples}"
            )
        self.evaluation = evaluation
        self.journal = journal
        self.n_resamples = n_resamples
        self.seed = seed

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator, behind evaluation and journal and before the report."""
        if self.n_resamples:
            engine.add_event_handler(Events.EPOCH_COMPLETED, self._compute)

    def _compute(self, engine: Engine) -> None:
        evaluation: Evaluation = engine.state.evaluation
        histograms: Histograms = defaultdict(dict)
        if "pixel" in self.evaluation.kinds:
            with host_group() as group:
                cuts = {name: pixels.cuts(_N_BINS) for name, pixels in self.evaluation.pixels.items()}
                mine = self._histograms(from_first(cuts, group))
                own = mine if idist.get_rank() == 0 else ()
                for class_name, index, histogram in chain(own, to_first(mine, group)):
                    histograms[class_name][index] = histogram
        if idist.get_rank() == 0:
            evaluation.intervals = self._intervals(evaluation, histograms)

    def _histograms(self, cuts: dict[str, NDArray[np.uint32]]) -> Iterator[tuple[str, int, PixelHistogram]]:
        for row, pixels in self.journal.records():
            if pixels is not None:
                name = row["class_name"]
                yield name, row["index"], pixel_histogram(pixels.scores, pixels.mask, cuts[name])

    def _intervals(self, evaluation: Evaluation, histograms: Histograms) -> dict[str, Any]:
        resamples: dict[str, Resamples] = {}
        for place, class_name in enumerate(evaluation.by_class):
            rows = [row for row in evaluation.rows if row["class_name"] == class_name]
            rng = np.random.default_rng([self.seed, place])
            draws = draw_images(len(rows), n_resamples=self.n_resamples, rng=rng)
            found: Resamples = {}
            if "image" in self.evaluation.kinds:
                by_image = _image_resamples(rows, draws)
                found |= {f"image_{name}": values for name, values in by_image.items()}
            if "pixel" in self.evaluation.kinds:
                by_pixel = _pixel_resamples([histograms[class_name][row["index"]] for row in rows], draws)
                found |= {f"pixel_{name}": values for name, values in by_pixel.items()}
            resamples[class_name] = {name: values for name, values in found.items() if "threshold" not in name}
        classes = {name: percentile_intervals(values, confidence=_CONFIDENCE) for name, values in resamples.items()}
        return {
            "n_resamples": self.n_resamples,
            "seed": self.seed,
            "confidence": _CONFIDENCE,
            "mean": percentile_intervals(mean_resamples(resamples), confidence=_CONFIDENCE).bounds,
            "classes": {name: intervals.bounds for name, intervals in classes.items()},
            "n_skipped": {name: intervals.n_skipped for name, intervals in classes.items()},
        }


def _image_resamples(rows: list[dict[str, Any]], draws: list[NDArray[np.int64]]) -> Resamples:
    scores, labels = (np.array([row[key] for row in rows]) for key in ("anomaly_score", "label"))
    return resampled(lambda draw: image_metrics(scores[draw], labels[draw]), draws)


def _pixel_resamples(images: list[PixelHistogram], draws: list[NDArray[np.int64]]) -> Resamples:
    """Compute the pixel metrics of draws from the histograms of the images, in the order that the draws count in."""
    stacked = [np.stack(parts) for parts in zip(*images, strict=True)]

    def measure(draw: NDArray[np.int64]) -> dict[str, float | None]:
        times = np.bincount(draw, minlength=len(images))
        return binned_metrics(PixelHistogram(*(times @ part for part in stacked)), AUPRO_FPR_LIMIT)

    return resampled(measure, draws)
