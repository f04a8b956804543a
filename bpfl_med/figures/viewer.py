"""A viewer of scored scans for notebooks: a slider through the slices, and one for the threshold."""

from __future__ import annotations

import io

import ipywidgets

from bpfl_med.data.scan_volume import ScanVolume
from bpfl_med.figures.slice_picture import slice_picture
from bpfl_med.inferers import VolumePrediction


def scan_viewer(
    volume: ScanVolume, prediction: VolumePrediction, *, threshold: float, class_name: str, notice: str | None
) -> ipywidgets.VBox:
    """Make a viewer that starts at the most suspicious slice; needs a running kernel and no server.

    Args:
        volume: the scan.
        prediction: its maps and slice scores.
        threshold: value of the map from which on a pixel is outlined at first, 0 to 1.
        class_name: what the scan shows.
        notice: the network's notice, which every picture carries, or None.

    Example:
        >>> workflow.run()  # doctest: +SKIP
        >>> scored = workflow.evaluator.state.output  # doctest: +SKIP
        >>> scan_viewer(
        ...     scored["image"],
        ...     scored["pred"],
        ...     threshold=0.5,
        ...     class_name="brain",
        ...     notice=workflow.network_def.notice,
        ... )  # doctest: +SKIP
    """
    last = len(prediction.slices) - 1
    start = prediction.ranking[0] if prediction.ranking else last // 2
    layout = ipywidgets.Layout(width="60%")
    index = ipywidgets.IntSlider(start, 0, last, description="slice", continuous_update=False, layout=layout)
    level = ipywidgets.FloatSlider(
        threshold, min=0, max=1, step=0.01, description="threshold", continuous_update=False, layout=layout
    )
    picture = ipywidgets.Image(format="png")

    def show(_: object = None) -> None:
        drawn = slice_picture(
            volume, prediction, index.value, threshold=level.value, class_name=class_name, notice=notice
        )
        data = io.BytesIO()
        drawn.save(data, format="png")
        picture.value = data.getvalue()

    for slider in (index, level):
        slider.observe(show, names="value")
    show()
    return ipywidgets.VBox([index, level, picture])
