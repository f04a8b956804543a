"""Load a picture as the network's input."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform
from PIL import Image

from bpfl_med.data.picture import open_picture


class LoadPictured(MapTransform):
    """Load an 8-bit picture as RGB and resize it with Pillow's bicubic filter, as CLIP's preprocessing does.

    MONAI's own readers and `Resized` work on arrays and give other values: Pillow's filter widens when it shrinks, and
    rounds to 8 bits.

    Args:
        keys: of paths; each is replaced by a float32 tensor [3, image_size, image_size] in [0, 1], rows first.
        image_size: height and width in pixels.
        allow_missing_keys: do not raise where a key is absent.

    Raises:
        PictureError: if the file is missing, unreadable, or deeper than 8 bits a channel.
    """

    def __init__(self, keys: KeysCollection, image_size: int, *, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.image_size = image_size

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Replace the path under each key by the picture, and keep the path under `<key>_path`."""
        result = dict(data)
        for key in self.key_iterator(result):
            path = result[key]
            picture = open_picture(path, "RGB").resize((self.image_size,) * 2, Image.Resampling.BICUBIC)
            result[key] = torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 255
            result[f"{key}_path"] = path
        return result
