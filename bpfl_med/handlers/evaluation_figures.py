"""Draw the curves and score histograms of an evaluation."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import ignite.distributed as idist
from ignite.engine import Engine, Events

from bpfl_med.figures.curves import ScoreGroup, curves_picture, histograms_picture
from bpfl_med.files.atomic import write_picture
from bpfl_med.handlers.anomaly_evaluation import AnomalyEvaluation
from bpfl_med.handlers.evaluation import Evaluation
from bpfl_med.metrics import OperatingPoints, image_operating_points


class EvaluationFigures:
    """Write `curves.png` (ROC, precision and recall, of images and pixels) and `scores.png` (histograms).

    Curves of a class that does not define them are left out, and `curves.png` if there are none. Of several processes
    the first one draws.

    Args:
        output_dir: folder of the files.
        evaluation: whose pixels are drawn.
        dataset_name: what the titles call the data set.
        notice: a sentence that every figure must carry, or None.
    """

    def __init__(
        self, output_dir: str | Path, *, evaluation: AnomalyEvaluation, dataset_name: str, notice: str | None
    ) -> None:
        self.output_dir = Path(output_dir)
        self.evaluation = evaluation
        self.dataset_name = dataset_name
        self.notice = notice

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator, after the handler that makes the evaluation."""
        engine.add_event_handler(Events.COMPLETED, self._draw)

    def _draw(self, engine: Engine) -> None:
        if idist.get_rank() != 0:
            return
        evaluation: Evaluation = engine.state.evaluation
        title, notice = self.dataset_name, self.notice
        curves = {level: points for level, points in self._curves(evaluation).items() if points}
        if curves:
            write_picture(self.output_dir / "curves.png", curves_picture(curves, title=title, footer=notice))
        else:
            (self.output_dir / "curves.png").unlink(missing_ok=True)  # of an earlier run, whose report is replaced
        scores = histograms_picture(_groups(evaluation), title=title, footer=notice)
        write_picture(self.output_dir / "scores.png", scores)

    def _curves(self, evaluation: Evaluation) -> dict[str, dict[str, OperatingPoints]]:
        curves: dict[str, dict[str, OperatingPoints]] = {"images": {}, "pixels": {}}
        for class_name in evaluation.by_class:
            rows = [row for row in evaluation.rows if row["class_name"] == class_name]
            found = {}
            if "image" in self.evaluation.kinds:
                scores, labels = ([row[key] for row in rows] for key in ("anomaly_score", "label"))
                found["images"] = image_operating_points(scores, labels)
            if "pixel" in self.evaluation.kinds:
                found["pixels"] = self.evaluation.pixels[class_name].operating_points()
            for level, points in found.items():
                if points is not None:
                    curves[level][class_name] = points
        return curves


def _groups(evaluation: Evaluation) -> dict[str, ScoreGroup]:
    """Sort the scores of each class by label."""
    groups = {}
    for class_name, metrics in evaluation.by_class.items():
        scores: dict[int | None, list[float]] = defaultdict(list)
        for row in evaluation.rows:
            if row["class_name"] == class_name:
                scores[row.get("label")].append(row["anomaly_score"])
        groups[class_name] = ScoreGroup(scores, metrics.get("image_threshold"))
    return groups
