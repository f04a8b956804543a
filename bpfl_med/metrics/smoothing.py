"""The Gaussian through which pixel metrics see anomaly maps, where the maps are."""

from functools import lru_cache

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d


def smoothed(maps: torch.Tensor, sigma: float) -> torch.Tensor:
    """Smooth maps as `scipy.ndimage.gaussian_filter` does: kernel cut at 4 sigma, edges mirrored.

    Each axis is one matrix product, on the device of the maps. It is computed in float64 and rounded once, so that a
    flat map stays flat and ranks of equal pixels do not depend on the device.

    Args:
        maps: `[..., H, W]`.
        sigma: in pixels; 0 leaves the maps as they are.
    """
    if not sigma:
        return maps
    rows, columns = (_smoothing_matrix(size, sigma, maps.device) for size in maps.shape[-2:])
    return (rows @ maps.double() @ columns.T).to(maps.dtype)


@lru_cache(maxsize=4)
def _smoothing_matrix(size: int, sigma: float, device: torch.device) -> torch.Tensor:
    """Give the matrix [size, size] by which a column of so many pixels is multiplied, in float64."""
    return torch.from_numpy(gaussian_filter1d(np.eye(size), sigma, axis=0)).to(device)
