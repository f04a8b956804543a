"""Load the mask of a picture, or make the empty one of a normal picture."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform
from PIL import Image

from bpfl_med.data.picture import open_picture


class LoadMaskd(MapTransform):
    """Load a mask, binarise it, and resize it as the released program does: bilinear, then above one half.

    Args:
        keys: of paths, or of None for a picture without abnormal pixels; each is replaced by a uint8 tensor
            [1, image_size, image_size] of 0 and 1, rows first.
        image_size: height and width in pixels.
        threshold: values above it (of 0 to 255) are abnormal.
        allow_missing_keys: do not raise where a key is absent.

    Raises:
        PictureError: if the file is missing or unreadable.
    """

    def __init__(
        self, keys: KeysCollection, image_size: int, threshold: int, *, allow_missing_keys: bool = False
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.image_size = image_size
        self.threshold = threshold

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Replace the path under each key by the mask."""
        result = dict(data)
        for key in self.key_iterator(result):
            result[key] = self._load(result[key])
        return result

    def _load(self, path: str | None) -> torch.Tensor:
        size = (self.image_size, self.image_size)
        if path is None:
            return torch.zeros(1, *size, dtype=torch.uint8)
        marked = np.asarray(open_picture(path, "L")) > self.threshold
        mask = Image.fromarray(255 * marked.astype(np.uint8)).resize(size, Image.Resampling.BILINEAR)
        return torch.from_numpy((np.asarray(mask) > 127).astype(np.uint8)).unsqueeze(0)
