"""Values become grey levels by a window or by percentiles, the same for all slices of a volume."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
import yaml
from scan_runs import windowed

from bpfl_med.intensity import PercentileIntensity, WindowIntensity, grey_channels, grey_levels

# Centre and width in HU, as radiologists use them.
WINDOWS = {
    "ct-brain": (40, 80),
    "ct-subdural": (75, 215),
    "ct-stroke": (40, 40),
    "ct-bone": (600, 2800),
    "ct-lung": (-600, 1500),
    "ct-mediastinum": (50, 350),
    "ct-abdomen": (50, 400),
    "ct-liver": (60, 160),
}


@pytest.mark.parametrize("name", WINDOWS)
def test_a_preset_is_its_window_in_all_channels(repository, name):
    config = yaml.safe_load((repository / f"configs/modalities/{name}.yaml").read_text())
    assert config["intensity"]["_target_"] == "bpfl_med.transforms.WindowIntensity"
    intensity = WindowIntensity(config["intensity"]["windows"])
    centre, width = WINDOWS[name]
    values = np.linspace(-1500, 3000, 36, dtype=np.float32).reshape(1, 4, 9)
    channels = grey_channels(torch.from_numpy(values), intensity.ranges(values, "CT"))
    assert channels.shape == (1, 3, 4, 9)
    expected = windowed(values, centre - width / 2, centre + width / 2)
    for channel in range(3):
        np.testing.assert_allclose(channels[:, channel], expected, atol=1e-6)
    np.testing.assert_allclose(grey_levels(values, intensity.ranges(values, "CT")), expected, atol=1e-6)


def test_three_windows_fill_the_three_channels(repository):
    config = yaml.safe_load((repository / "configs/modalities/ct-head-three.yaml").read_text())
    intensity = WindowIntensity(config["intensity"]["windows"])
    values = np.linspace(-1000, 2500, 24, dtype=np.float32).reshape(2, 3, 4)
    channels = grey_channels(torch.from_numpy(values), intensity.ranges(values, "CT"))
    for channel, name in enumerate(["ct-brain", "ct-subdural", "ct-bone"]):
        centre, width = WINDOWS[name]
        expected = windowed(values, centre - width / 2, centre + width / 2)
        np.testing.assert_allclose(channels[:, channel], expected, atol=1e-6)
    grey = grey_levels(values, intensity.ranges(values, "CT"))
    np.testing.assert_allclose(grey, channels[:, 0], atol=1e-6)  # the picture of the scan shows the first window


def mr_volume() -> np.ndarray:
    """Background from 0 to 9 and tissue from 900 to 1499, of which the last slices have less."""
    rng = np.random.default_rng(0)
    values = rng.uniform(0, 9, (30, 20, 12)).astype(np.float32)
    values[:24, :18] = rng.uniform(900, 1499, (24, 18, 12))
    values[:12, :, 6:] = rng.uniform(0, 9, (12, 20, 6))
    values[0, 0, 0] = 0
    return values


def test_percentiles_are_those_of_the_volumes_foreground():
    values = mr_volume()
    foreground = values[values > 250]
    black, white = np.percentile(foreground, [0.5, 99.5])
    ranges = PercentileIntensity(0.5, 99.5).ranges(values, "MR")
    np.testing.assert_allclose(ranges, [(black, white)] * 3, rtol=1e-6)


def test_the_preset_of_mr_leaves_out_half_a_percent_at_either_end(repository):
    config = yaml.safe_load((repository / "configs/modalities/mr.yaml").read_text())["intensity"]
    assert config.pop("_target_") == "bpfl_med.transforms.PercentileIntensity"
    assert PercentileIntensity(**config).settings == {"percentiles": [0.5, 99.5]}


def test_one_tissue_has_one_grey_level_in_all_slices():
    values = mr_volume()
    values[3, 3, :] = 1000
    intensity = PercentileIntensity(0.5, 99.5)
    channels = grey_channels(torch.from_numpy(values.transpose(2, 0, 1).copy()), intensity.ranges(values, "MR"))
    assert len(channels[:, :, 3, 3].unique()) == 1


def test_the_sample_of_a_large_volume_has_one_stride_on_all_axes():
    """A hundred million voxels are sampled at every third of each axis, so that thin tissue is still met."""
    column = mr_volume()[:, :, :1].reshape(600, 1, 1)
    sample = column[::3]
    expected = np.percentile(np.repeat(sample[sample > 250], 134 * 134), [0.5, 99.5])
    ranges = PercentileIntensity(0.5, 99.5).ranges(np.broadcast_to(column, (600, 400, 400)), "MR")
    np.testing.assert_allclose(ranges[0], expected, rtol=1e-6)


def test_a_volume_without_contrast_is_refused():
    with pytest.raises(ValueError, match="the value 7 everywhere; there is nothing to score"):
        PercentileIntensity(0.5, 99.5).ranges(np.full((3, 4, 5), 7, np.float32), None)


def test_a_volume_of_two_values_has_contrast():
    values = np.zeros((3, 4, 5), np.float32)
    values[1] = 8
    ranges = PercentileIntensity(0.5, 99.5).ranges(values, None)
    assert (ranges[:, 1] > ranges[:, 0]).all()


def test_the_wrong_modality_is_refused_both_ways():
    values = mr_volume()
    with pytest.raises(ValueError, match="CT windows were chosen for a series of modality MR; choose a preset for MR"):
        WindowIntensity([(40, 80)]).ranges(values, "MR")
    with pytest.raises(ValueError, match=r"percentiles were chosen for a series of modality CT.* choose a CT preset"):
        PercentileIntensity(0.5, 99.5).ranges(values, "CT")
    assert WindowIntensity([(40, 80)]).ranges(values, None).shape == (3, 2)


@pytest.mark.parametrize("windows", [[], [(40, 80), (75, 215)], [(40, 0)], [(40, -80)], [(40,)]])
def test_impossible_windows_are_refused(windows):
    with pytest.raises(
        ValueError, match=re.escape(f"one or three (centre, width) with a positive width, got {windows}")
    ):
        WindowIntensity(windows)


@pytest.mark.parametrize(("lower", "upper"), [(5, 5), (9, 3), (-1, 50), (5, 101)])
def test_impossible_percentiles_are_refused(lower, upper):
    with pytest.raises(ValueError, match=f"must ascend from 0 to 100, got {lower} and {upper}"):
        PercentileIntensity(lower, upper)
