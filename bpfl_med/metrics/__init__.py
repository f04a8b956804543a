"""Image and pixel metrics of anomaly detection: exact, streaming, and independent of the network."""

from bpfl_med.metrics.average_precision import average_precision
from bpfl_med.metrics.bootstrap import (
    BootstrapIntervals,
    draw_images,
    mean_resamples,
    percentile_intervals,
    resampled,
)
from bpfl_med.metrics.image import image_metrics, image_operating_points
from bpfl_med.metrics.operating_points import OperatingPoints
from bpfl_med.metrics.pixel import PixelMetrics
from bpfl_med.metrics.pixel_histograms import PixelHistogram, binned_metrics, pixel_histogram
from bpfl_med.metrics.score_protocol import image_scores, min_max, top_k_mean
from bpfl_med.metrics.smoothing import smoothed

__all__ = [
    "BootstrapIntervals",
    "OperatingPoints",
    "PixelHistogram",
    "PixelMetrics",
    "average_precision",
    "binned_metrics",
    "draw_images",
    "image_metrics",
    "image_operating_points",
    "image_scores",
    "mean_resamples",
    "min_max",
    "percentile_intervals",
    "pixel_histogram",
    "resampled",
    "smoothed",
    "top_k_mean",
]
