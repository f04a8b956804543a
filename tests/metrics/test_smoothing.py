import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from bpfl_med.metrics import smoothed


@pytest.mark.parametrize(("shape", "sigma"), [((2, 1, 40, 70), 1.5), ((64, 33), 8), ((1, 5, 5), 4), ((518, 518), 8)])
def test_equals_scipy(shape: tuple[int, ...], sigma: float):
    maps = np.random.default_rng(0).random(shape, dtype=np.float32)
    found = smoothed(torch.from_numpy(maps), sigma)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found, gaussian_filter(maps, sigma, axes=(-2, -1)), atol=2e-7)


def test_no_sigma_changes_nothing():
    maps = torch.rand(1, 8, 8)
    assert smoothed(maps, 0) is maps


def test_equal_pixels_stay_equal():
    assert len(smoothed(torch.full((1, 96, 130), 0.3), 8).unique()) == 1
