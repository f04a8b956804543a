"""Masks are cut at the threshold first, then resized bilinear and cut at one half."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from bpfl_med.data import PictureError
from bpfl_med.transforms import LoadMaskd


def load(path, size: int, threshold: int = 127) -> torch.Tensor:
    return LoadMaskd("mask", size, threshold)({"mask": path and str(path)})["mask"]


@pytest.mark.parametrize(("threshold", "expected"), [(0, [0, 1, 1, 1]), (127, [0, 0, 0, 1]), (254, [0, 0, 0, 1])])
def test_values_above_the_threshold_are_abnormal(tmp_path, threshold, expected):
    Image.fromarray(np.array([[0, 1], [127, 255]], np.uint8)).save(tmp_path / "a.png")
    mask = load(tmp_path / "a.png", 2, threshold)
    assert (mask.dtype, mask.shape) == (torch.uint8, (1, 2, 2))
    assert mask.flatten().tolist() == expected


@pytest.mark.parametrize("size", [24, 96])
def test_a_mask_is_resized_like_torchs_antialiased_bilinear(tmp_path, size):
    y, x = np.ogrid[:48, :48]
    marked = (y - 20) ** 2 + (x - 30) ** 2 < 100
    Image.fromarray(marked.astype(np.uint8)).save(tmp_path / "a.png")
    expected = F.interpolate(torch.tensor(marked)[None, None].float(), size=size, mode="bilinear", antialias=True)[0]
    differing = load(tmp_path / "a.png", size, threshold=0) != (expected > 0.5)
    assert not (differing & ((expected - 0.5).abs() > 2 / 255)).any()  # but for Pillow's rounding to 8 bits


def test_a_normal_picture_has_an_empty_mask():
    mask = load(None, 5)
    assert (mask.dtype, mask.shape, mask.sum()) == (torch.uint8, (1, 5, 5), 0)


def test_a_missing_mask_is_named(tmp_path):
    with pytest.raises(PictureError, match=r"There is no file .*/gone.png"):
        load(tmp_path / "gone.png", 5)
