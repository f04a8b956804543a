from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from bpfl_med.networks.anomaly_map import anomaly_map_moments, pair_logits


@pytest.fixture
def logits() -> torch.Tensor:
    """[L, N, M, g, g] = [3, 2, 7, 4, 4]."""
    return 3 * torch.randn(3, 2, 7, 4, 4, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("pairs_at_a_time", [1, 2, 3, 7, 100])
def test_moments_are_those_of_all_maps(pairs_at_a_time: int, logits: torch.Tensor) -> None:
    size = 11
    upsampled = F.interpolate(logits.flatten(0, 1).double(), size=(size, size), mode="bilinear", align_corners=True)
    maps = torch.sigmoid(upsampled).unflatten(0, (3, 2)).mean(0)
    mean, deviation = anomaly_map_moments(logits, size, chunk_bytes=pairs_at_a_time * 3 * 2 * size**2 * 4)
    torch.testing.assert_close(mean[:, 0].double(), maps.mean(1), rtol=0, atol=1e-6)
    torch.testing.assert_close(deviation[:, 0].double(), torch.std(maps, dim=1, correction=0), rtol=0, atol=1e-6)


def test_moments_of_half_precision_are_summed_in_float32(logits: torch.Tensor) -> None:
    same = logits[:, :, :1].expand(-1, -1, 300, -1, -1).bfloat16()
    mean, deviation = anomaly_map_moments(same, 5, chunk_bytes=1)
    assert mean.dtype == deviation.dtype == torch.float32
    assert deviation.max() < 1e-6


def test_a_memory_aim_below_one_pair_still_works(logits: torch.Tensor) -> None:
    mean, _ = anomaly_map_moments(logits, 5, chunk_bytes=1)
    assert mean.shape == (2, 1, 5, 5)


def test_one_pair_has_no_spread(logits: torch.Tensor) -> None:
    assert anomaly_map_moments(logits[:, :, :1], 5, chunk_bytes=2**20)[1].max() == 0


def test_corners_of_the_map_are_the_corner_patches(logits: torch.Tensor) -> None:
    mean, _ = anomaly_map_moments(logits, 9, chunk_bytes=2**20)
    corners = torch.sigmoid(logits[..., ::3, ::3]).mean((0, 2))
    torch.testing.assert_close(mean[:, 0, ::8, ::8], corners)


def test_pair_logits_put_patches_row_by_row() -> None:
    """Only the patch in row 1, column 2 looks like the abnormal text."""
    patches = torch.zeros(1, 1, 9, 4)
    patches[..., 0] = 1
    patches[0, 0, 5] = torch.tensor([0.0, 1, 0, 0])
    text = torch.zeros(1, 1, 2, 1, 4)
    text[..., 0, :, 0] = 1  # normal
    text[..., 1, :, 1] = 1  # abnormal
    expected = torch.full((3, 3), -2.0)
    expected[1, 2] = 2.0
    torch.testing.assert_close(pair_logits(patches, text, torch.tensor(2.0).log())[0, 0, 0], expected)
