"""One slice of a scored scan as a picture: grey levels, anomaly map and uncertainty side by side."""

from __future__ import annotations

import numpy as np
from PIL import Image

from bpfl_med.data.scan_volume import ScanVolume
from bpfl_med.figures.panels import Panel, map_panel, panels_picture, uncertainty_panel
from bpfl_med.inferers import VolumePrediction
from bpfl_med.intensity import grey_levels
from bpfl_med.slice_source import describe_source


def slice_picture(
    volume: ScanVolume,
    prediction: VolumePrediction,
    index: int,
    *,
    threshold: float,
    class_name: str,
    notice: str | None,
) -> Image.Image:
    """Draw a slice in the plane that was scored; colours mean the same in every slice of every scan.

    It lies as radiologists view it, see :class:`~bpfl_med.slice_plane.SlicePlane`, and letters at its edges say so.

    Args:
        volume: the scan.
        prediction: its maps and slice scores.
        index: of the slice along `prediction.plane`, from 0.
        threshold: value of the map from which on a pixel is outlined, 0 to 1.
        class_name: what the scan shows.
        notice: a sentence that every picture must carry, or None.
    """
    plane = prediction.plane
    grey = grey_levels(plane.pictures(volume.values)[index], prediction.ranges)
    source = Image.fromarray(np.round(255 * grey).astype(np.uint8))
    panels = [
        Panel("scan", source),
        map_panel(source, plane.pictures(prediction.anomaly_map)[index], threshold=threshold),
    ]
    if prediction.uncertainty.any():  # the intensity check has none
        panels.append(uncertainty_panel(source, plane.pictures(prediction.uncertainty)[index]))
    score = prediction.slices[index]["slice_score"]
    source_name = describe_source(volume, plane, index)
    counted = f"of {len(prediction.slices)}, from 0" + (f"; {source_name}" if source_name else "")
    return panels_picture(
        panels,
        title=f"{class_name}, slice {index} ({counted}), slice score {score:.3f}",
        footer=notice,
        pixel_size=plane.pixel_size(volume.affine),
        edges=plane.edges(volume.affine) if volume.orientation_is_known else None,
    )
