"""The small backbone is reproducible, and says that it knows nothing."""

from __future__ import annotations

import pytest
import torch

from bpfl_med.demo import demo_backbone


def test_a_seed_gives_the_same_weights_and_another_seed_others():
    first, again, other = (demo_backbone(image_size=64, seed=seed) for seed in (1, 1, 2))
    assert first.checksum == again.checksum
    assert first.checksum != other.checksum


def test_the_state_of_random_numbers_is_left_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    demo_backbone(image_size=64, seed=1)
    torch.testing.assert_close(torch.rand(3), expected, atol=0, rtol=0)


def test_it_says_that_it_is_untrained():
    backbone = demo_backbone(image_size=64, seed=1)
    assert not backbone.pretrained
    assert "random weights" in backbone.name


def test_an_image_size_that_patches_do_not_fill():
    with pytest.raises(ValueError, match=r"multiple of the patch size 16 of demo .*, got 100; use 96"):
        demo_backbone(image_size=100, seed=1)
