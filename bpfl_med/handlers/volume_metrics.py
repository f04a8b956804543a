"""From the scores of slices to those of their volumes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import ignite.distributed as idist
from ignite.engine import Engine, Events

from bpfl_med.data.slice_datalist import SliceItem
from bpfl_med.files.atomic import write_text
from bpfl_med.files.csv_text import csv_text
from bpfl_med.handlers.evaluation import mean_over_classes
from bpfl_med.inferers import slice_score
from bpfl_med.metrics import image_metrics


class VolumeMetrics:
    """Score each volume by its most suspicious slice, and compute `volume_auroc`, `_ap`, `_f1_max` and `_threshold`.

    The score is that of :class:`~bpfl_med.inferers.VolumePrediction`, whatever the protocol of the slices; a volume is
    abnormal if one of its slices is. The metrics join those of `engine.state.evaluation`, None ("not defined") if all
    volumes are alike. `volumes.csv` has a row a volume.

    Args:
        output_dir: folder of the file.
        items: of :func:`~bpfl_med.data.slice_datalist`.
        notice: a sentence that every number must carry, or None.
    """

    def __init__(self, output_dir: str | Path, *, items: Iterable[SliceItem], notice: str | None) -> None:
        self.output_dir = Path(output_dir)
        self.volume_of = {item["image"]: item["volume"] for item in items}
        self.notice = notice

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator, after the handler that makes the evaluation."""
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._compute)

    def _compute(self, engine: Engine) -> None:
        evaluation = engine.state.evaluation
        volumes = self._volumes(evaluation.rows)
        by_class = evaluation.by_class
        for class_name, metrics in by_class.items():
            mine = [row for row in volumes if row["class_name"] == class_name]
            found = image_metrics([row["volume_score"] for row in mine], [row["label"] for row in mine])
            metrics.update({f"volume_{key}": value for key, value in found.items()})
        evaluation.mean.update(mean_over_classes(by_class))
        engine.state.metrics.update({key: value for key, value in evaluation.mean.items() if value is not None})
        if idist.get_rank() == 0:
            write_text(self.output_dir / "volumes.csv", csv_text(volumes, self.notice))

    def _volumes(self, rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """Join the rows of slices to one a volume, in their order."""
        volumes: dict[str, dict[str, Any]] = {}
        for row in rows:
            name, score = self.volume_of[row["image"]], slice_score(row["text_score"], row["map_max"])
            first = {"volume": name, "class_name": row["class_name"], "label": 0, "n_slices": 0}
            volume = volumes.setdefault(name, {**first, "n_abnormal_slices": 0, "volume_score": -1.0})
            volume["label"] = max(volume["label"], row["label"])
            volume["n_slices"] += 1
            volume["n_abnormal_slices"] += row["label"]
            if score > volume["volume_score"]:
                volume |= {"volume_score": score, "most_suspicious_slice": row["image"]}
        return list(volumes.values())
