"""Pictures of the cases that one should look at: best, worst, and most uncertain."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import ignite.distributed as idist
import torch
from ignite.engine import Engine, Events

from bpfl_med.files.atomic import replaced_folder
from bpfl_med.handlers.evaluation import Evaluation
from bpfl_med.handlers.overlay_pictures import describe_label, overlay_picture

Row = Mapping[str, Any]


class Case(NamedTuple):
    """One case: its row in the table, of what kind it is, its place among these from 1, and what made it one."""

    row: Row
    kind: str
    place: int
    reason: str


class CasePictures:
    """Write `cases/KIND_PLACE_NNNNN.png`, where NNNNN is the image's index in `images.csv`; see :func:`choose_cases`.

    The chosen images are scored once more when all are done, because only then it is known which they are. Of several
    processes the first one does it. An older folder `cases` is replaced.

    Args:
        output_dir: the folder in which `cases` is made.
        dataset: gives the preprocessed item of an index.
        n_cases: of each kind; 0 for no pictures.
        notice: a sentence that every picture must carry, or None.
        threshold: value of the map whose outline is drawn.
    """

    def __init__(
        self,
        output_dir: str | Path,
        *,
        dataset: Sequence[Mapping[str, Any]],
        n_cases: int,
        notice: str | None,
        threshold: float,
    ) -> None:
        self.folder = Path(output_dir) / "cases"
        self.dataset = dataset
        self.n_cases = n_cases
        self.notice = notice
        self.threshold = threshold

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator, after the handler that makes the evaluation."""
        engine.add_event_handler(Events.COMPLETED, self._draw)

    def _draw(self, engine: Engine) -> None:
        cases = choose_cases(engine.state.evaluation, self.n_cases)
        if idist.get_rank() != 0:
            return
        if not cases:
            shutil.rmtree(self.folder, ignore_errors=True)
            return
        with replaced_folder(self.folder) as folder, engine.mode(engine.network):
            for case in cases:
                item = self.dataset[case.row["index"]]
                image = torch.as_tensor(item["image"])[None].to(engine.state.device)
                output = engine.inferer(image, engine.network, class_names=[item["class_name"]])
                picture = overlay_picture(
                    item,
                    {name: values[0] for name, values in output.items()},
                    title=f"{case.kind} {case.place}: {describe_label(item)}, {case.reason}",
                    threshold=self.threshold,
                    notice=self.notice,
                )
                picture.save(folder / f"{case.kind}_{case.place}_{case.row['index']:05d}.png")


def choose_cases(evaluation: Evaluation, n_cases: int) -> list[Case]:
    """Choose images to look at, so many of each kind and no more than there are.

    - `best` and `worst`: how far the score lies on the right side of its class's threshold of the best F1; where image
      metrics are not defined, the average precision of the map within an abnormal image; without both there are none.
    - `highest`: the highest scores, where there are no labels.
    - `uncertain`: the highest mean uncertainty of the map.
    """
    margins = [(row, margin) for row in evaluation.rows if (margin := _margin(row, evaluation)) is not None]
    by_map = [(row, row["pixel_ap"]) for row in evaluation.rows if row.get("pixel_ap") is not None]
    cases: list[Case] = []
    if margins or by_map:
        ranked = margins or by_map
        reason = partial(_describe_margin, evaluation) if margins else lambda row: f"pixel AP {row['pixel_ap']:.3f}"
        cases += _first(ranked, n_cases, "best", reason)
        cases += _first([(row, -value) for row, value in ranked], n_cases, "worst", reason)
    elif not any("label" in row for row in evaluation.rows):
        scores = [(row, row["anomaly_score"]) for row in evaluation.rows]
        cases += _first(scores, n_cases, "highest", lambda row: f"anomaly score {row['anomaly_score']:.3f}")
    uncertainty = [(row, row["uncertainty_mean"]) for row in evaluation.rows]
    return cases + _first(
        uncertainty, n_cases, "uncertain", lambda row: f"mean uncertainty {row['uncertainty_mean']:.3f}"
    )


def _margin(row: Row, evaluation: Evaluation) -> float | None:
    """Give how far a score lies on the right side of the threshold, or None where there is none."""
    threshold = evaluation.by_class[row["class_name"]].get("image_threshold")
    if threshold is None:
        return None
    return (row["anomaly_score"] - threshold) * (1 if row["label"] else -1)


def _describe_margin(evaluation: Evaluation, row: Row) -> str:
    threshold = evaluation.by_class[row["class_name"]]["image_threshold"]
    return f"anomaly score {row['anomaly_score']:.3f}, its threshold {threshold:.3f}"


def _first(ranked: Sequence[tuple[Row, float]], n_cases: int, kind: str, reason: Callable[[Row], str]) -> list[Case]:
    """Give the cases of the highest values; of equal ones those that come first in the data set."""
    ordered = sorted(ranked, key=lambda pair: (-pair[1], pair[0]["index"]))[:n_cases]
    return [Case(row, kind, place, reason(row)) for place, (row, _) in enumerate(ordered, start=1)]
