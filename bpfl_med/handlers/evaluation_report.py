"""Write what an evaluation found as JSON and CSV."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ignite.distributed as idist
from ignite.engine import Engine, Events

from bpfl_med.data.datalist_checksum import datalist_checksum
from bpfl_med.files.atomic import write_json, write_text
from bpfl_med.files.csv_text import csv_text
from bpfl_med.handlers.evaluation import Evaluation
from bpfl_med.machine.package_versions import package_versions
from bpfl_med.workflow.different_settings import different_settings

logger = logging.getLogger(__name__)

EVALUATION_PACKAGES = ("pytorch-ignite", "scipy", "pillow")
"""What metrics and pictures are read and computed with, beside the network."""


class EvaluationReport:
    """Write `metrics.json`, `metrics.csv` and `images.csv` (the same bytes for the same run), `run.json` (how it ran).

    Of several processes the first one writes. Without labels there are no metrics, and no `metrics.csv`.

    Args:
        output_dir: folder of the files; made if absent.
        dataset_name: what the report calls the data set.
        items: of the data set.
        skipped: items that were left out, with the reason.
        network: `provenance` of the network; its notice goes wherever numbers go, and how it is computed on this
            machine to `run.json`, since that changes nothing but the rounding.
        settings: `AnomalyEvaluation.settings`, and what else the numbers depend on.

    Attributes:
        description: what `metrics.json` says besides the metrics: all that they depend on.
    """

    def __init__(
        self,
        output_dir: str | Path,
        *,
        dataset_name: str,
        items: Sequence[Mapping[str, Any]],
        skipped: Sequence[Mapping[str, str]],
        network: Mapping[str, Any],
        settings: Mapping[str, Any],
    ) -> None:
        self.output_dir = Path(output_dir)
        self.dataset_name = dataset_name
        self.n_skipped = len(skipped)
        self.notice = network["notice"]
        self.computed_by = network.get("computed_by")
        labels = [item.get("label") for item in items]
        self.description = {
            "notice": self.notice,
            "dataset": {
                "name": dataset_name,
                "n_images": len(items),
                "n_normal": labels.count(0),
                "n_abnormal": labels.count(1),
                "checksum": datalist_checksum(items),
                "skipped": list(skipped),
            },
            "settings": dict(settings),
            "network": {key: value for key, value in network.items() if key != "computed_by"},
        }
        self.started = self.seconds = 0.0
        self.n_scored = 0

    @property
    def is_written(self) -> bool:
        """Whether the folder holds the report of a run that did not differ in anything that numbers depend on."""
        return self._differences() == ""

    def _differences(self) -> str | None:
        """Say how the run of a report in the folder differed; None if there is no report."""
        try:
            written = json.loads((self.output_dir / "metrics.json").read_text())
        except (FileNotFoundError, ValueError):
            return None
        then = {key: written.get(key) for key in self.description}
        return different_settings(self.description, then)

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator, after the handler that makes the evaluation."""
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._count)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._stop)
        engine.add_event_handler(Events.COMPLETED, self._write)

    def _start(self, engine: Engine) -> None:
        if idist.get_rank() == 0 and (different := self._differences()):
            logger.warning("%s holds a report of other settings (%s); it is replaced", self.output_dir, different)
        self.started = time.perf_counter()
        self.n_scored = 0

    def _stop(self, engine: Engine) -> None:
        # Pictures, which are drawn when all is scored, do not count.
        self.seconds = time.perf_counter() - self.started

    def _count(self, engine: Engine) -> None:
        self.n_scored += len(engine.state.output)

    def _write(self, engine: Engine) -> None:
        if idist.get_rank() != 0:
            return
        evaluation: Evaluation = engine.state.evaluation
        report = {
            "notice": self.notice,
            "metrics": {"mean": evaluation.mean, "classes": evaluation.by_class},
            "intervals": evaluation.intervals,
            **self.description,
        }
        run = {
            # Of a run that found all scored, these would be of nothing.
            "seconds": round(self.seconds, 3) if self.n_scored else None,
            "n_processes": idist.get_world_size(),
            "images_per_second_of_first_process": round(self.n_scored / self.seconds, 3) if self.n_scored else None,
            "computed_by": self.computed_by,
            "versions": package_versions(*EVALUATION_PACKAGES),
        }
        write_json(self.output_dir / "metrics.json", report)
        write_json(self.output_dir / "run.json", run)
        if evaluation.mean:
            table = [{"class_name": name, **metrics} for name, metrics in evaluation.by_class.items()]
            table.append({**dict.fromkeys(table[0]), "class_name": "mean", **evaluation.mean})
            write_text(self.output_dir / "metrics.csv", csv_text(table, self.notice))
        else:
            (self.output_dir / "metrics.csv").unlink(missing_ok=True)  # of an earlier run, whose report is replaced
        write_text(self.output_dir / "images.csv", csv_text(evaluation.rows, self.notice))
        logger.info("%s", self._summary(evaluation))

    def _summary(self, evaluation: Evaluation) -> str:
        n_images = len(evaluation.rows)
        lines = [f"{self.dataset_name}: {n_images} images in {self.seconds:.1f} s, {self.n_skipped} left out"]
        lines += [
            f"  {name:20s} " + ("not defined" if value is None else f"{value:.4f}")
            for name, value in evaluation.mean.items()
        ]
        if self.notice:
            lines.append(f"  {self.notice}")
        lines.append(f"  report: {self.output_dir}")
        return "\n".join(lines)
