"""From the values of a scan to grey levels, for all slices of a volume alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from skimage.filters import threshold_otsu

# Statistics of a volume are taken from about so many voxels, spread evenly: more change nothing and take memory.
_SAMPLE_VOXELS = 4_000_000
_BINS = 256  # of the histogram in which Otsu's threshold is looked for


class Intensity(ABC):
    """Turns values into the three channels that the network sees, by ranges that are fixed for the whole volume."""

    @property
    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """What a report must say of it."""

    @abstractmethod
    def ranges(self, values: np.ndarray, modality: str | None) -> np.ndarray:
        """Give the values [3, 2] that become black and white in each channel.

        Args:
            values: the volume, in HU for CT.
            modality: DICOM's Modality, or None where the file does not tell.

        Raises:
            ValueError: if the volume is of a modality that this cannot be meant for, or has no contrast.
        """


class WindowIntensity(Intensity):
    """One CT window for all channels, or one for each.

    Args:
        windows: one or three (centre, width) in HU.

    Raises:
        ValueError: if there are two windows or more than three, or a width is not positive.
    """

    def __init__(self, windows: Sequence[Sequence[float]]) -> None:
        if len(windows) not in (1, 3) or any(len(window) != 2 or window[1] <= 0 for window in windows):
            raise ValueError(f"windows must be one or three (centre, width) with a positive width, got {windows}")
        self.windows = [(float(centre), float(width)) for centre, width in windows]

    @property
    def settings(self) -> dict[str, Any]:
        """The windows, in HU."""
        return {"windows_hu": self.windows}

    def ranges(self, values: np.ndarray, modality: str | None) -> np.ndarray:
        """Give the windows' ends in HU; the volume's values have no part in them."""
        if modality not in (None, "CT"):
            raise ValueError(
                f"CT windows were chosen for a series of modality {modality}; choose a preset for {modality} from "
                "configs/modalities"
            )
        ends = [(centre - width / 2, centre + width / 2) for centre, width in self.windows]
        return np.array(ends * (3 // len(ends)))


class PercentileIntensity(Intensity):
    """Percentiles of the foreground of the whole volume, for scans whose values have no unit, such as MR.

    The foreground is what lies above Otsu's threshold between dark and bright; it is looked for in the volume and not
    in a slice, so that one tissue has one grey level in all slices.

    Args:
        lower: percentile that becomes black; the background is darker and becomes black too.
        upper: percentile that becomes white.

    Raises:
        ValueError: if the percentiles are not ascending within 0 and 100.
    """

    def __init__(self, lower: float, upper: float) -> None:
        if not 0 <= lower < upper <= 100:
            raise ValueError(f"percentiles must ascend from 0 to 100, got {lower} and {upper}")
        self.lower = lower
        self.upper = upper

    @property
    def settings(self) -> dict[str, Any]:
        """The percentiles."""
        return {"percentiles": [self.lower, self.upper]}

    def ranges(self, values: np.ndarray, modality: str | None) -> np.ndarray:
        """Give the same two values for all channels."""
        if modality == "CT":
            raise ValueError(
                "percentiles were chosen for a series of modality CT, whose values are HU; choose a CT preset from "
                "configs/modalities"
            )
        stride = max(1, round((values.size / _SAMPLE_VOXELS) ** (1 / 3)))
        sample = values[::stride, ::stride, ::stride]
        low, high = float(sample.min()), float(sample.max())
        if low == high:
            raise ValueError(f"the volume has the value {low:g} everywhere; there is nothing to score")
        # scikit-image gives the middle of the last dark bin, and the end of that bin is what divides dark from bright.
        share = (sample.astype(np.float64) - low) / (high - low)
        foreground = sample[share > threshold_otsu(share.ravel(), nbins=_BINS) + 1 / (2 * _BINS)]
        black, white = np.percentile(foreground, [self.lower, self.upper])
        if black >= white:  # all of the foreground has one value
            black, white = low, high
        return np.array([(black, white)] * 3)


def grey_channels(slices: torch.Tensor, ranges: np.ndarray) -> torch.Tensor:
    """Turn slices [N, H, W] into channels [N, 3, H, W] from 0 to 1; values beyond a range are cut off."""
    low, high = torch.as_tensor(ranges, dtype=slices.dtype, device=slices.device).T.reshape(2, 3, 1, 1)
    return ((slices[:, None] - low) / (high - low)).clamp_(0, 1)


def grey_levels(values: np.ndarray, ranges: np.ndarray) -> np.ndarray:
    """Turn values of any shape into grey levels from 0 to 1, as the first channel shows them."""
    low, high = ranges[0].astype(np.float32)
    return ((values - low) / (high - low)).clip(0, 1)
