"""Pictures of image, anomaly map, uncertainty and mask outline, side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ignite.distributed as idist
import numpy as np
import torch
from ignite.engine import Engine, Events
from PIL import Image

from bpfl_med.data.picture import open_picture
from bpfl_med.figures.panels import Panel, map_panel, panels_picture, uncertainty_panel
from bpfl_med.files.atomic import write_picture

_PANEL_PIXELS = 320  # of a panel's longer side


class OverlayPictures:
    """Write `overlays/NNNNN.png` for images spread evenly over the data set; the number is the row of `images.csv`.

    Pictures of other numbers, which an earlier run left there, are removed at the end.

    Args:
        output_dir: the folder in which `overlays` is made.
        n_images: how many images the data set has.
        n_pictures: at most so many pictures; 0 for none.
        notice: a sentence that every picture must carry, or None.
        threshold: value of the map whose outline is drawn.
    """

    def __init__(
        self, output_dir: str | Path, *, n_images: int, n_pictures: int, notice: str | None, threshold: float
    ) -> None:
        self.folder = Path(output_dir) / "overlays"
        self.drawn = range(0, n_images, max(1, math.ceil(n_images / n_pictures))) if n_pictures else range(0)
        self.notice = notice
        self.threshold = threshold

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator whose batch and output are decollated, and whose items have an `index`."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._draw)
        engine.add_event_handler(Events.COMPLETED, self._remove_others)

    def _draw(self, engine: Engine) -> None:
        for item, output in zip(engine.state.batch, engine.state.output, strict=True):
            index = int(item["index"])
            if index in self.drawn:
                picture = overlay_picture(
                    item, output["pred"], title=describe_label(item), threshold=self.threshold, notice=self.notice
                )
                write_picture(self.folder / f"{index:05d}.png", picture)

    def _remove_others(self, engine: Engine) -> None:
        if idist.get_rank() != 0:
            return
        own = {f"{index:05d}.png" for index in self.drawn}
        for picture in self.folder.glob("[0-9]*.png"):
            if picture.name not in own:
                picture.unlink(missing_ok=True)


def overlay_picture(
    item: Mapping[str, Any],
    prediction: Mapping[str, torch.Tensor],
    *,
    title: str,
    threshold: float,
    notice: str | None,
) -> Image.Image:
    """Draw one image, its anomaly map and its uncertainty side by side, with the outline of its mask.

    Args:
        item: of the data set, with `image_path` and, if there is one, `mask` [1, H, W].
        prediction: the fields of a `Prediction`, of this image.
        title: above the panels, and above a line with the picture's file name, as in `images.csv`, and its own scores.
        threshold: value of the map whose outline is drawn.
        notice: a sentence below, or None.
    """
    picture = open_picture(item["image_path"], "RGB")
    picture.thumbnail((_PANEL_PIXELS, _PANEL_PIXELS), Image.Resampling.BICUBIC)
    anomaly_map = _on_picture(prediction["anomaly_map"], picture)
    uncertainty = _on_picture(prediction["uncertainty"], picture)
    mask = None if item.get("mask") is None else _on_picture(item["mask"], picture) >= 0.5
    panels = [
        Panel(
            "image" if mask is None or not mask.any() else "image; blue, dashed: its mask",
            picture,
            true_outline=mask,
        ),
        map_panel(picture, anomaly_map, threshold=threshold, true_outline=mask),
        uncertainty_panel(picture, uncertainty),
    ]
    text_score, map_max = float(prediction["text_score"]), float(prediction["anomaly_map"].max())
    scores = f"text score {text_score:.3f}, map maximum {map_max:.3f}"
    return panels_picture(panels, title=f"{title}\n{Path(item['image_path']).name}: {scores}", footer=notice)


def describe_label(item: Mapping[str, Any]) -> str:
    """Say what an image shows and how it is labelled."""
    label = {None: "", 0: ", labelled normal", 1: ", labelled abnormal"}[item.get("label")]
    return f"{item['class_name']}{label}"


def _on_picture(values: torch.Tensor, picture: Image.Image) -> np.ndarray:
    """Resize values [1, H, W] to the picture, bilinear."""
    plane = Image.fromarray(values[0].float().cpu().numpy())
    return np.asarray(plane.resize(picture.size, Image.Resampling.BILINEAR))
