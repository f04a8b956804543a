import pytest
import torch

from bpfl_med.metrics import image_scores, min_max, top_k_mean

TEXT = torch.tensor([0.2, 0.4, 0.6])
MAXIMA = torch.tensor([0.9, 0.5, 0.7])
MEANS = torch.tensor([0.3, 0.1, 0.2])


def fuse(protocol: str) -> torch.Tensor:
    return image_scores(protocol, text_scores=TEXT, map_maxima=MAXIMA, top_k_means=MEANS)


def test_top_k_mean_takes_the_largest_of_each_map():
    maps = torch.tensor([[[[1.0, 4.0], [2.0, 3.0]]], [[[8.0, 0.0], [0.0, 6.0]]]])
    torch.testing.assert_close(top_k_mean(maps, 2), torch.tensor([[3.5], [7.0]]))
    torch.testing.assert_close(top_k_mean(maps, 1), maps.amax((-2, -1)))


def test_top_k_mean_of_a_small_map_takes_all_of_it():
    maps = torch.rand(3, 5, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(top_k_mean(maps, 2000), maps.mean((-2, -1)))


def test_top_k_mean_of_a_large_map_takes_its_top():
    assert top_k_mean(torch.arange(3000.0).reshape(50, 60), 2000) == torch.arange(1000.0, 3000.0).mean()


def test_top_k_mean_needs_a_pixel():
    with pytest.raises(ValueError, match="must be at least 1, got 0"):
        top_k_mean(torch.zeros(2, 2), 0)


def test_min_max_of_equal_scores_is_zero():
    torch.testing.assert_close(min_max(torch.full((3,), 0.7)), torch.zeros(3))


def test_each_protocol_is_what_its_name_says():
    torch.testing.assert_close(fuse("paper"), torch.tensor([1.1, 0.9, 1.3]))
    torch.testing.assert_close(fuse("released"), torch.tensor([0.5, 0.25, 0.75]))
    torch.testing.assert_close(fuse("text"), TEXT)
    torch.testing.assert_close(fuse("image"), MAXIMA)


def test_an_unknown_protocol_is_named():
    with pytest.raises(ValueError, match="must be one of paper, released, text, image, got 'mean'"):
        fuse("mean")
