"""One row of scores for each image."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events

from bpfl_med.atomic_files import write_text
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
    row = {
        "index": index,
        "image": item["image_path"],
        "class_name": item["class_name"],
        "text_score": float(prediction["text_score"]),
        "text_score_std": float(prediction["score_std"]),
        "map_max": float(anomaly_map.max()),
        "map_top_k_mean": float(top_k_mean(anomaly_map, top_k)),
        "map_mean": float(anomaly_map.mean()),
        "uncertainty_mean": float(prediction["uncertainty"].float().mean()),
    }
    if not all(math.isfinite(value) for value in row.values() if isinstance(value, float)):
        raise ValueError(
            f"The network's answer to {item['image_path']} holds NaN or infinity; check the files of its weights"
        )
    return row


def csv_text(rows: Sequence[Mapping[str, Any]], notice: str | None) -> str:
    """Write rows as CSV; a notice stands in a column of its own, so that no row is read without it."""
    rows = [{**row, "notice": notice} for row in rows] if notice else rows
    file = io.StringIO()
    writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


class ScoreTable:
    """Write `images.csv` for images without labels: one row an image, with the paper's score, text score + map maximum.

    Args:
        output_dir: folder of the table; made if absent.
        notice: a sentence that every row must carry, or None.
        top_k: see :func:`score_row`.
    """

    def __init__(self, output_dir: str | Path, *, notice: str | None, top_k: int) -> None:
        self.path = Path(output_dir) / "images.csv"
        self.notice = notice
        self.top_k = top_k
        self.rows: list[dict[str, Any]] = []

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator."""
        engine.add_event_handler(Events.STARTED, self._reset)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.COMPLETED, self._write)

    def _reset(self, engine: Engine) -> None:
        self.rows = []

    def _collect(self, engine: Engine) -> None:
        for item, output in zip(engine.state.batch, engine.state.output, strict=True):
            row = score_row(len(self.rows), item, output["pred"], self.top_k)
            self.rows.append({**row, "anomaly_score": row["text_score"] + row["map_max"]})

    def _write(self, engine: Engine) -> None:
        write_text(self.path, csv_text(self.rows, self.notice))
