"""Plots of how the cost grows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bpfl_med.figures.rendering import figure_picture
from bpfl_med.figures.style import VERMILION
from bpfl_med.files.atomic import write_picture
from bpfl_med.speed.sweeps import Row

_LABELS = {
    "n_samples": "R, Monte Carlo samples",
    "n_prompts": "B, prompts in a bank",
    "images": "images at a time",
    "slices": "slices of a volume",
    "pictures": "pictures in a folder",
    "processes": "processes (threads shared out)",
    "mib": "MiB",
    "images_per_second": "images a second",
}


def draw_sweeps(sweeps: Mapping[str, Sequence[Row]], path: Path) -> None:
    """Draw a panel of each sweep, a line of each of its quantities; memory on an axis of its own.

    Args:
        sweeps: rows by title; the first entry of a row is what was changed.
        path: the PNG.
    """
    figure = Figure(figsize=(4.2 * len(sweeps), 3.6), dpi=100, layout="constrained")
    panels = figure.subplots(1, len(sweeps), squeeze=False)[0]
    for panel, (title, rows) in zip(panels, sweeps.items(), strict=True):
        _draw(panel, title, rows)
    write_picture(path, figure_picture(figure))


def _draw(panel: Axes, title: str, rows: Sequence[Row]) -> None:
    changed, *quantities = [key for key in rows[0] if key != "threads_each"]
    x = [row[changed] for row in rows]
    panel.set_title(title, fontsize="medium")
    panel.set_xlabel(_LABELS[changed])
    for quantity in quantities:
        if quantity == "mib":
            memory = panel.twinx()
            memory.plot(x, [row["mib"] for row in rows], "s--", color=VERMILION, label="memory")
            memory.set_ylim(0, max(100.0, 1.1 * max(row["mib"] for row in rows)))
            memory.set_ylabel("MiB beside what was there", color=VERMILION)
        else:
            panel.plot(x, [row[quantity] for row in rows], "o-", label=_LABELS.get(quantity, quantity))
    panel.set_ylim(bottom=0)
    panel.set_ylabel("images a second" if "images_per_second" in quantities else "seconds")
    if len(quantities) > 1 and "mib" not in quantities:
        panel.legend()
