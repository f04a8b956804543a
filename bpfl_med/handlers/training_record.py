"""What every epoch of a training gave, as a table and as curves."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ignite.distributed as idist
from ignite.engine import Engine, Events
from ignite.handlers import ProgressBar

from bpfl_med.figures.training_curves import training_curves
from bpfl_med.files.atomic import write_picture, write_text
from bpfl_med.files.csv_text import csv_text

logger = logging.getLogger(__name__)


class LossProgressBar(ProgressBar):
    """Ignite's progress bar, which shows the loss and its terms without being told."""

    def attach(self, engine: Engine, metric_names: Any = None, output_transform: Any = None, **kwargs: Any) -> None:
        """Register with the trainer."""
        super().attach(engine, metric_names, output_transform or dict, **kwargs)


class TrainingRecord:
    """Write `training.csv`, a row an epoch (loss terms averaged over its steps, validation), and `training.png`.

    Attach after the handler that validates and before the one that ends a stage. The rows are part of the training's
    checkpoint, so a resumed training writes the same table as an unbroken one; times go to the log alone.

    Args:
        output_dir: folder of the two files.
        validator: engine that has evaluated the network at the end of an epoch.
    """

    def __init__(self, output_dir: str | Path, *, validator: Engine) -> None:
        self.output_dir = Path(output_dir)
        self.validator = validator
        self.rows: list[dict[str, Any]] = []
        self._steps: list[dict[str, float]] = []
        self._started = 0.0

    def attach(self, engine: Engine) -> None:
        """Register with the trainer."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._begin_epoch)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._write)

    def state_dict(self) -> dict[str, Any]:
        """The rows so far."""
        return {"rows": self.rows}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on behind these rows."""
        self.rows = state["rows"]

    def _begin_epoch(self, engine: Engine) -> None:
        self._steps = []
        self._started = time.perf_counter()

    def _collect(self, engine: Engine) -> None:
        self._steps.append(engine.state.output)

    def _write(self, engine: Engine) -> None:
        validation = {f"val_{name}": value for name, value in sorted(self.validator.state.evaluation.mean.items())}
        row = {"epoch": engine.state.epoch, "stage": engine.network.stage, **_mean(self._steps), **validation}
        self.rows.append(row)
        if idist.get_rank() != 0:
            return
        write_text(self.output_dir / "training.csv", csv_text(self.rows))
        write_picture(self.output_dir / "training.png", training_curves(self.rows))
        logger.info(
            "Epoch %d, stage %d, %.1f s: %s",
            row["epoch"],
            row["stage"],
            time.perf_counter() - self._started,
            ", ".join(f"{name} {value:.4f}" for name, value in row.items() if isinstance(value, float)),
        )


def _mean(steps: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: sum(step[name] for step in steps) / len(steps) for name in steps[0]}
