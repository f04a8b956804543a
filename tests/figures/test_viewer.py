"""The notebook's viewer shows the slice and the threshold that its sliders say."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from bpfl_med.data.scan_volume import ScanVolume
from bpfl_med.data.scans import Scan
from bpfl_med.figures.slice_picture import slice_picture
from bpfl_med.inferers import VolumeInferer, VolumePrediction
from bpfl_med.networks import IntensityNetwork
from bpfl_med.transforms import WindowIntensity

ipywidgets = pytest.importorskip("ipywidgets")
from bpfl_med.figures.viewer import scan_viewer  # noqa: E402

WORDS: dict[str, Any] = {"class_name": "brain", "notice": "INTENSITY CHECK"}


@pytest.fixture(scope="module")
def scored() -> tuple[ScanVolume, VolumePrediction]:
    """Five slices, the third the brightest."""
    values = np.random.default_rng(1).uniform(0, 40, (24, 30, 5)).astype(np.float32)
    values[6:12, 8:16, 2] = 75
    scan = Scan("scan", Path("scan.nii"), None)
    volume = ScanVolume(scan, values, np.diag([1.0, 1, 3, 1]), None, "", ())
    inferer = VolumeInferer(WindowIntensity([(40, 80)]), plane="axial", batch_size=2, device=torch.device("cpu"))
    return volume, inferer(volume, IntensityNetwork(), "brain")


def shown(viewer: ipywidgets.VBox) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(viewer.children[2].value)).convert("RGB"))


def drawn(scored: tuple[ScanVolume, VolumePrediction], index: int, threshold: float) -> np.ndarray:
    return np.asarray(slice_picture(*scored, index, threshold=threshold, **WORDS).convert("RGB"))


def test_it_starts_at_the_most_suspicious_slice_and_follows_its_sliders(scored):
    viewer = scan_viewer(*scored, threshold=0.8, **WORDS)
    index, threshold, _ = viewer.children
    assert (index.value, index.max, threshold.value) == (2, 4, 0.8)
    np.testing.assert_array_equal(shown(viewer), drawn(scored, 2, 0.8))
    index.value = 4
    threshold.value = 0.25
    np.testing.assert_array_equal(shown(viewer), drawn(scored, 4, 0.25))
    assert (drawn(scored, 4, 0.25) != drawn(scored, 4, 0.8)).any()
