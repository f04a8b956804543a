"""The regions of a mask, whose overlap with the map AUPRO averages."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_EIGHT_CONNECTED = np.ones((3, 3), dtype=bool)


def region_areas(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int64], int]:
    """Give the area of its region for each abnormal pixel of a mask [H, W], row by row, and how many regions there are.

    Regions are the 8-connected components.
    """
    regions, n_regions = ndimage.label(mask, _EIGHT_CONNECTED)
    return np.bincount(regions.ravel())[regions[mask]], n_regions
