"""Curves of loss and validation over the epochs of a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from PIL import Image

from bpfl_med.figures.rendering import figure_picture
from bpfl_med.figures.style import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE

# The markers tell the lines apart as well.
_STYLES = [(BLUE, "o"), (ORANGE, "s"), (GREEN, "^"), (PURPLE, "D"), (BLACK, "v")]
_TERMS = ("loss", "classification", "segmentation", "prompt_flow", "orthogonal")
_METRICS = ("val_pixel_ap", "val_pixel_auroc", "val_image_ap", "val_image_auroc")


def training_curves(rows: Sequence[Mapping[str, Any]]) -> Image.Image:
    """Draw the loss terms above and the validation below, with a line where stage 2 begins.

    Args:
        rows: one an epoch, as `training.csv` has them.
    """
    figure = Figure(figsize=(7.2, 6.4), dpi=100, layout="constrained")
    losses, metrics = figure.subplots(2, 1, sharex=True)
    _draw(losses, rows, _TERMS, "loss (mean of an epoch's steps)")
    _draw(metrics, rows, _METRICS, "validation (mean of its classes)")
    metrics.set_xlabel("epoch")
    metrics.xaxis.get_major_locator().set_params(integer=True)
    metrics.set_ylim(-0.02, 1.02)
    return figure_picture(figure)


def _draw(axes: Any, rows: Sequence[Mapping[str, Any]], names: Sequence[str], label: str) -> None:
    epochs = [row["epoch"] for row in rows]
    for name, (colour, marker) in zip(names, _STYLES, strict=False):
        values = [row.get(name) for row in rows]
        if any(value is not None for value in values):
            values = [float("nan") if value is None else value for value in values]
            axes.plot(epochs, values, color=colour, marker=marker, markersize=4, label=name.removeprefix("val_"))
    second = [row["epoch"] for row in rows if row["stage"] == 2]
    if second:
        axes.axvline(second[0] - 0.5, color=GREY, linestyle="dashed", label="stage 2 begins")
    axes.set_ylabel(label)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
