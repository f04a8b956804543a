"""Figures of curves and histograms for people, in colours and lines that the colour-blind can tell apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from monai.metrics.calibration import calibration_binning
from PIL import Image

from bpfl_med.figures.rendering import figure_picture
from bpfl_med.figures.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY_BLUE,
    VERMILION,
    YELLOW,
    write_notice,
)
from bpfl_med.metrics import OperatingPoints

# Beyond the palette's eight colours the line style changes.
_COLOURS = (BLACK, ORANGE, SKY_BLUE, GREEN, PURPLE, BLUE, VERMILION, YELLOW)
_LINES = ("solid", "dashed", "dotted", "dashdot")
_LABELS = {
    0: ("labelled normal", BLUE, "//"),
    1: ("labelled abnormal", ORANGE, ""),
    None: ("no label", GREY, ""),
}
_LEGEND_ROOM = 0.45  # above the highest bar, as a share of it
_N_GROUPS = 10  # of scores in a reliability diagram, and of uncertainties beside it
_DPI = 100


class ScoreGroup(NamedTuple):
    """Scores of one class for a histogram.

    Attributes:
        scores: by label: 0 normal, 1 abnormal, None without one.
        threshold: where a line is drawn, or None.
    """

    scores: Mapping[int | None, Sequence[float]]
    threshold: float | None


def curves_picture(
    curves: Mapping[str, Mapping[str, OperatingPoints]], *, title: str, footer: str | None
) -> Image.Image:
    """Draw ROC and precision-recall curves.

    Args:
        curves: of each level, a row of the figure, the curves of each class.
        title: above all.
        footer: a sentence below all that must not be overlooked, or None.
    """
    figure = _figure(9.5, 3.9 * len(curves), title, footer)
    grid = figure.subplots(len(curves), 2, squeeze=False)
    for (roc, precision_recall), (level, by_class) in zip(grid, curves.items(), strict=True):
        for place, (class_name, points) in enumerate(by_class.items()):
            colour, line = _COLOURS[place % len(_COLOURS)], _LINES[place // len(_COLOURS) % len(_LINES)]
            style = {"color": colour, "linestyle": line, "linewidth": 1.2, "label": class_name}
            roc.plot(points.false_positive_rate, points.true_positive_rate, **style)
            # Average precision is the area below these steps.
            recall, precision = np.append(0, points.recall), np.append(points.precision[0], points.precision)
            precision_recall.plot(recall, precision, drawstyle="steps-pre", **style)
        roc.plot([0, 1], [0, 1], color=GREY, linewidth=0.6)
        roc.set(title=f"{level}: ROC", xlabel="false positive rate", ylabel="true positive rate")
        precision_recall.set(title=f"{level}: precision and recall", xlabel="recall", ylabel="precision")
        for axes in (roc, precision_recall):
            axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
        legend = precision_recall.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), fontsize=7, frameon=False)
        for text in legend.get_texts():
            text.set_parse_math(False)
    return figure_picture(figure)


def histograms_picture(groups: Mapping[str, ScoreGroup], *, title: str, footer: str | None) -> Image.Image:
    """Draw a histogram of the scores of each class, one colour and hatch a label."""
    n_columns = min(3, len(groups))
    n_rows = -(-len(groups) // n_columns)
    figure = _figure(3.6 * n_columns + 0.8, 2.6 * n_rows + 0.6, title, footer)
    grid = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for axes, (class_name, group) in zip(grid, groups.items(), strict=False):
        everything = np.concatenate([np.asarray(scores, float) for scores in group.scores.values()])
        bins = np.histogram_bin_edges(everything, "rice")
        axes.margins(y=_LEGEND_ROOM)
        for label, scores in group.scores.items():
            name, colour, hatch = _LABELS[label]
            style = {"color": colour, "alpha": 0.55, "hatch": hatch, "edgecolor": colour}
            axes.hist(scores, bins, label=f"{name}: {len(scores)}", **style)
        if group.threshold is not None:
            axes.axvline(group.threshold, color=BLACK, linestyle="dashed", linewidth=1, label="best F1")
        axes.set_title(class_name, fontsize=8, parse_math=False)
        axes.set_xlabel("score", fontsize=7)
        axes.set_ylabel("number", fontsize=7)
        axes.tick_params(labelsize=7)
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(loc="upper center", fontsize=6, framealpha=1, edgecolor="none")
    for axes in grid[len(groups) :]:
        axes.set_axis_off()
    return figure_picture(figure)


def reliability_picture(
    scores: np.ndarray,
    uncertainty: np.ndarray,
    labels: np.ndarray,
    *,
    threshold: float,
    title: str,
    footer: str | None,
) -> Image.Image:
    """Draw whether scores can be read as probabilities, and whether a high uncertainty tells of errors.

    On the left the share of abnormal samples among those of about one score; a score that is a probability lies on the
    diagonal. On the right samples are sorted into tenths by their uncertainty; one that tells of errors rises.

    Args:
        scores: from 0 to 1, of pixels or images, `[n]`.
        uncertainty: their standard deviations, `[n]`.
        labels: 0 normal, 1 abnormal, `[n]`.
        threshold: from which on a sample is called abnormal.
        title: above all.
        footer: a sentence below all that must not be overlooked, or None.

    Raises:
        ValueError: if the three are not lists of one length.
    """
    if not (scores.ndim == 1 and scores.shape == uncertainty.shape == labels.shape):
        shapes = ", ".join(str(array.shape) for array in (scores, uncertainty, labels))
        raise ValueError(f"Scores, uncertainty and labels must be lists of one length, got {shapes}")
    figure = _figure(9.5, 3.9, title, footer)
    reliability, errors = figure.subplots(1, 2)
    pair = [torch.as_tensor(np.asarray(array, np.float64))[None, None] for array in (scores, labels)]
    predicted, observed, counts = (bins[0, 0].numpy() for bins in calibration_binning(*pair, num_bins=_N_GROUPS))
    share = counts / counts.sum()
    distance = float(np.nansum(np.abs(predicted - observed) * share))
    style = {"color": BLUE, "linewidth": 1.2}
    reliability.plot([0, 1], [0, 1], color=GREY, linewidth=0.6, label="a probability")
    reliability.plot(predicted, observed, marker="o", label="observed", **style)
    reliability.bar(predicted, share, width=0.05, color=ORANGE, alpha=0.4, hatch="//", label="share of samples")
    reliability.set(
        xlim=(-0.03, 1.03),
        ylim=(-0.03, 1.03),
        title=f"calibration error {distance:.3f}",
        xlabel="anomaly score",
        ylabel="share labelled abnormal",
    )
    reliability.legend(fontsize=7, frameon=False)
    wrong = (scores >= threshold) != (labels > 0)
    tenths = [tenth for tenth in np.array_split(np.argsort(uncertainty, kind="stable"), _N_GROUPS) if tenth.size]
    means = [[values[tenth].mean() for tenth in tenths] for values in (uncertainty, wrong)]
    errors.plot(*means, marker="o", **style)
    errors.set(
        ylim=(0, None),
        title=f"wrong at threshold {threshold:.3g}: {wrong.mean():.1%}",
        xlabel="uncertainty (standard deviation of the score)",
        ylabel="share called wrongly",
    )
    return figure_picture(figure)


def _figure(width: float, height: float, title: str, footer: str | None) -> Figure:
    figure = Figure(figsize=(width, height + 0.5), dpi=_DPI, layout="constrained")
    figure.suptitle(title, fontsize=10, parse_math=False)
    write_notice(figure, footer)
    return figure
