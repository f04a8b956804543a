"""Pictures for people: panels side by side, with colour maps that the colour-blind can read and a scale bar."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

# Of Okabe and Ito's palette, made for colour-blind readers; the line style tells them apart as well.
_PREDICTED = {"colors": "#E69F00", "linestyles": "solid", "linewidths": 1.2}
_TRUE = {"colors": "#56B4E9", "linestyles": "dashed", "linewidths": 1.2}
_INCHES, _DPI = 3.2, 100


@dataclass(frozen=True)
class Panel:
    """One picture in a row.

    Attributes:
        title: above the panel.
        image: the picture below everything.
        overlay: values [rows, columns] laid over it in colour, or None.
        overlay_range: the values at the two ends of the scale, the same for every picture.
        outline: pixels [rows, columns] that the software marks, drawn as a solid orange line.
        true_outline: pixels [rows, columns] that a person marked, drawn as a dashed blue line.
    """

    title: str
    image: Image.Image
    overlay: np.ndarray | None = None
    overlay_range: tuple[float, float] = (0.0, 1.0)
    outline: np.ndarray | None = None
    true_outline: np.ndarray | None = None


def panels_picture(
    panels: Sequence[Panel], *, title: str, footer: str | None, pixel_aspect: float = 1.0
) -> Image.Image:
    """Draw panels side by side.

    Args:
        panels: from left to right.
        title: above all.
        footer: a sentence below all that must not be overlooked, or None.
        pixel_aspect: height of a pixel over its width.
    """
    figure = Figure(figsize=(_INCHES * len(panels), _INCHES + 0.5), dpi=_DPI, layout="constrained")
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        _draw(figure, axes, panel, pixel_aspect)
    figure.suptitle(title, fontsize=10, parse_math=False)
    if footer:
        figure.supxlabel(footer, fontsize=7, color="#B00020", wrap=True, parse_math=False)
    data = io.BytesIO()
    FigureCanvasAgg(figure).print_png(data, metadata={"Software": None})
    return Image.open(data)


def _draw(figure: Figure, axes: Any, panel: Panel, pixel_aspect: float) -> None:
    axes.imshow(panel.image, cmap="gray", vmin=0, vmax=255)
    if panel.overlay is not None:
        low, high = panel.overlay_range
        colours = axes.imshow(panel.overlay, cmap="viridis", vmin=low, vmax=high, alpha=0.55)
        figure.colorbar(colours, ax=axes, fraction=0.046, pad=0.02).ax.tick_params(labelsize=7)
    for region, style in ((panel.outline, _PREDICTED), (panel.true_outline, _TRUE)):
        if region is not None and region.any() and not region.all():
            axes.contour(region, levels=[0.5], **style)
    axes.set_aspect(pixel_aspect)
    axes.set_title(panel.title, fontsize=8, parse_math=False)
    axes.set_axis_off()
