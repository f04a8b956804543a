"""Pictures for people: panels side by side, with colour maps that the colour-blind can read and a scale bar."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import matplotlib
import numpy as np
from matplotlib.colors import Colormap, LinearSegmentedColormap, ListedColormap, to_rgba
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator
from mpl_toolkits.axes_grid1.anchored_artists import AnchoredSizeBar
from PIL import Image

from bpfl_med.figures.rendering import figure_picture
from bpfl_med.figures.style import ORANGE, PURPLE, SKY_BLUE, write_notice

# Of Okabe and Ito's palette, made for colour-blind readers; the line style tells them apart as well.
_PREDICTED = {"colors": ORANGE, "linestyles": "solid", "linewidths": 1.2}
_TRUE = {"colors": SKY_BLUE, "linestyles": "dashed", "linewidths": 1.2}
_OPACITY = 0.55  # of what is laid over a picture
_SCORE_COLOURS = ListedColormap(matplotlib.colormaps["viridis"](np.linspace(0, 1, 256), alpha=_OPACITY))
# One hue, from nothing to much, so that what is certain shows the picture alone and high looks high.
_UNCERTAINTY_COLOURS = LinearSegmentedColormap.from_list("uncertainty", [to_rgba(PURPLE, 0), to_rgba(PURPLE, 0.9)])
_FULL_UNCERTAINTY = 0.2
_INCHES, _DPI = 3.2, 100
_ABOVE, _BELOW, _GAP = 0.62, 0.4, 0.06  # inches, for titles, the footer, and between panels
_BAR, _SCALE = 0.12, 0.64  # inches, of a colour scale without and with its numbers and label


@dataclass(frozen=True)
class Panel:
    """One picture in a row.

    Attributes:
        title: above the panel.
        image: the picture below everything.
        overlay: values [rows, columns] laid over it in colour, or None.
        overlay_range: the values at the two ends of the colour scale, the same for every picture.
        colours: of the overlay, from low to high.
        overlay_label: what the values are and in which unit, beside the colour scale.
        outline: pixels [rows, columns] that the software marks, drawn as a solid orange line.
        true_outline: pixels [rows, columns] that a person marked, drawn as a dashed blue line.
    """

    title: str
    image: Image.Image
    overlay: np.ndarray | None = None
    overlay_range: tuple[float, float] = (0.0, 1.0)
    colours: Colormap = field(default_factory=lambda: _SCORE_COLOURS)
    overlay_label: str = ""
    outline: np.ndarray | None = None
    true_outline: np.ndarray | None = None


def map_panel(
    image: Image.Image, anomaly_map: np.ndarray, *, threshold: float, true_outline: np.ndarray | None = None
) -> Panel:
    """Lay an anomaly map [rows, columns] over a picture and outline where it reaches a threshold."""
    return Panel(
        f"anomaly map; orange: at least {threshold:.3g}",
        image,
        overlay=anomaly_map,
        overlay_label="anomaly score, 0 to 1",
        outline=anomaly_map >= threshold,
        true_outline=true_outline,
    )


def uncertainty_panel(image: Image.Image, uncertainty: np.ndarray) -> Panel:
    """Lay the standard deviation [rows, columns] of a map over a picture; the scale ends at 0.2, of 0.5 at most."""
    return Panel(
        "uncertainty",
        image,
        overlay=uncertainty,
        overlay_range=(0.0, _FULL_UNCERTAINTY),
        colours=_UNCERTAINTY_COLOURS,
        overlay_label=f"standard deviation of the score (top: {_FULL_UNCERTAINTY:g} or more)",
    )


def panels_picture(
    panels: Sequence[Panel],
    *,
    title: str,
    footer: str | None,
    pixel_size: tuple[float, float] | None = None,
    edges: str | None = None,
) -> Image.Image:
    """Draw panels side by side.

    Args:
        panels: from left to right.
        title: above all.
        footer: a sentence below all that must not be overlooked, or None.
        pixel_size: distance between rows and between columns, mm, for true proportions and a scale bar; None where it
            is not known: square pixels and no bar.
        edges: the sides of the patient at the left, right, upper and lower edge, such as "RLAP"; None where unknown.
    """
    figure = Figure(figsize=(_INCHES * len(panels), _INCHES + 0.5), dpi=_DPI)
    for (axes, scale), panel in zip(_axes(figure, panels), panels, strict=True):
        _draw(figure, axes, scale, panel, pixel_size)
        _draw_edges(axes, edges or "")
    figure.suptitle(title, fontsize=10, parse_math=False, y=0.985)
    write_notice(figure, footer)
    return figure_picture(figure)


def _axes(figure: Figure, panels: Sequence[Panel]) -> Iterator[tuple[Any, Any]]:
    """Give each panel its axes, and those of its colour scale if it has an overlay.

    The places are fixed; to have matplotlib find them would take as long as all the drawing.
    """
    width, height = figure.get_size_inches()
    n_scales = sum(panel.overlay is not None for panel in panels)
    side = (width - n_scales * _SCALE - (len(panels) + 1) * _GAP) / len(panels)
    left, room = _GAP, height - _BELOW - _ABOVE
    for panel in panels:
        place = (left / width, _BELOW / height, side / width, room / height)
        axes, scale = figure.add_axes(place), None
        left += side + _GAP
        if panel.overlay is not None:
            scale = figure.add_axes((left / width, place[1], _BAR / width, place[3]))
            left += _SCALE
        yield axes, scale


def _draw(figure: Figure, axes: Any, scale: Any, panel: Panel, pixel_size: tuple[float, float] | None) -> None:
    axes.imshow(panel.image, cmap="gray", vmin=0, vmax=255)
    if panel.overlay is not None:
        low, high = panel.overlay_range
        colours = axes.imshow(panel.overlay, cmap=panel.colours, vmin=low, vmax=high)
        bar = figure.colorbar(colours, cax=scale)
        scale.tick_params(labelsize=7)
        scale.yaxis.set_major_locator(MaxNLocator(5))
        bar.set_label(panel.overlay_label, fontsize=7, parse_math=False)
    for region, style in ((panel.outline, _PREDICTED), (panel.true_outline, _TRUE)):
        if region is not None and region.any() and not region.all() and min(region.shape) > 1:  # as contours need
            axes.contour(region, levels=[0.5], **style)
    if pixel_size is not None:
        axes.set_aspect(pixel_size[0] / pixel_size[1])
        _draw_scale_bar(axes, panel.image.width, pixel_size[1])
    axes.set_title(panel.title, fontsize=8, parse_math=False)
    axes.set_axis_off()


def _draw_edges(axes: Any, edges: str) -> None:
    """Write the sides of the patient where radiologists look for them, white on black so as to show anywhere."""
    places = (
        (0.02, 0.5, "left", "center"),
        (0.98, 0.5, "right", "center"),
        (0.5, 0.98, "center", "top"),
        (0.5, 0.02, "center", "bottom"),
    )
    for letter, (x, y, horizontal, vertical) in zip(edges, places, strict=False):
        text = axes.text(x, y, letter, transform=axes.transAxes, ha=horizontal, va=vertical, color="white", fontsize=8)
        text.set_path_effects([withStroke(linewidth=2, foreground="black")])


def _draw_scale_bar(axes: Any, width: int, mm_per_column: float) -> None:
    """Draw a bar of a round length, at most a quarter of the picture's width, white on black so as to show anywhere."""
    longest = width * mm_per_column / 4
    decade = 10.0 ** math.floor(math.log10(longest))
    length = next(step * decade for step in (5, 2, 1) if step * decade <= longest)
    bar = AnchoredSizeBar(
        axes.transData, length / mm_per_column, f"{length:g} mm", "lower left", color="white", frameon=False, sep=2
    )
    outline = [withStroke(linewidth=2, foreground="black")]
    bar.txt_label.get_children()[0].set(fontsize=7, path_effects=outline)
    bar.size_bar.get_children()[0].set(linewidth=1.5, path_effects=outline)
    axes.add_artist(bar)
