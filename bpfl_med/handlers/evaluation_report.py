"""Write what an evaluation found as JSON and CSV."""

from __future__ import annotations

import json
import logging
import platform
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events

from bpfl_med.atomic_files import write_text
from bpfl_med.handlers.anomaly_evaluation import Evaluation
from bpfl_med.handlers.score_row import csv_text

logger = logging.getLogger(__name__)

_PACKAGES = ("bpfl-med", "monai", "torch", "open_clip_torch", "pytorch-ignite", "numpy", "scipy", "pillow")


class EvaluationReport:
    """Write `metrics.json`, `metrics.csv` and `images.csv` (the same bytes for the same run) and `run.json` (its time).

    Args:
        output_dir: folder of the files; made if absent.
        dataset_name: what the report calls the data set.
        network: `BayesPFL.provenance`; its notice goes wherever numbers go.
        settings: `AnomalyEvaluation.settings`.
        skipped: items of the data set that were left out, with the reason.
    """

    def __init__(
        self,
        output_dir: str | Path,
        *,
        dataset_name: str,
        network: Mapping[str, Any],
        settings: Mapping[str, Any],
        skipped: Sequence[Mapping[str, str]],
    ) -> None:
        self.output_dir = Path(output_dir)
        self.dataset_name = dataset_name
        self.network = network
        self.notice = network["notice"]
        self.settings = settings
        self.skipped = skipped
        self.started = 0.0

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator, after the handler that makes the evaluation."""
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.COMPLETED, self._write)

    def _start(self, engine: Engine) -> None:
        self.started = time.perf_counter()

    def _write(self, engine: Engine) -> None:
        evaluation: Evaluation = engine.state.evaluation
        seconds = time.perf_counter() - self.started
        n_images = len(evaluation.rows)
        labels = [row["label"] for row in evaluation.rows if "label" in row]
        report = {
            "notice": self.notice,
            "dataset": {
                "name": self.dataset_name,
                "n_images": n_images,
                "n_normal": labels.count(0),
                "n_abnormal": labels.count(1),
                "skipped": list(self.skipped),
            },
            "metrics": {"mean": evaluation.mean, "classes": evaluation.by_class},
            "settings": dict(self.settings),
            "network": dict(self.network),
        }
        run = {
            "seconds": round(seconds, 3),
            "images_per_second": round(n_images / seconds, 3),
            "versions": {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
        }
        table = [{"class_name": name, **metrics} for name, metrics in evaluation.by_class.items()]
        table.append({**dict.fromkeys(table[0]), "class_name": "mean", **evaluation.mean})
        self._write_json("metrics.json", report)
        self._write_json("run.json", run)
        write_text(self.output_dir / "metrics.csv", csv_text(table, self.notice))
        write_text(self.output_dir / "images.csv", csv_text(evaluation.rows, self.notice))
        logger.info("%s", self._summary(evaluation, n_images, seconds))

    def _write_json(self, name: str, content: Mapping[str, Any]) -> None:
        write_text(self.output_dir / name, json.dumps(content, indent=2, allow_nan=False) + "\n")

    def _summary(self, evaluation: Evaluation, n_images: int, seconds: float) -> str:
        lines = [f"{self.dataset_name}: {n_images} images in {seconds:.1f} s, {len(self.skipped)} left out"]
        lines += [
            f"  {name:20s} " + ("not defined" if value is None else f"{value:.4f}")
            for name, value in evaluation.mean.items()
        ]
        if self.notice:
            lines.append(f"  {self.notice}")
        lines.append(f"  report: {self.output_dir}")
        return "\n".join(lines)
