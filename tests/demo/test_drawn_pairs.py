"""Drawn pairs are reproducible, differ where the mask says and nowhere else, and their kinds are kept apart."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from bpfl_med.demo.damage import MASK_COVERAGE, add_damage
from bpfl_med.demo.damage_types import DAMAGES
from bpfl_med.demo.drawn_pairs import DrawnPair, draw_pair
from bpfl_med.demo.kinds import TRAINING_KINDS, VALIDATION_KINDS
from bpfl_med.demo.phantoms import KINDS as PHANTOMS

SIZE = 64
ALL_KINDS = {**TRAINING_KINDS, **VALIDATION_KINDS}


def same(one: DrawnPair, other: DrawnPair) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_a_seed_gives_the_same_bytes_and_another_seed_others(kind):
    first, again, other = (draw_pair(np.random.default_rng(seed), kind, SIZE) for seed in (4, 4, 5))
    assert same(first, again)
    assert not np.array_equal(first.normal, other.normal)
    assert not np.array_equal(first.abnormal, other.abnormal)


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_a_drawing_is_a_picture_of_a_body(kind):
    drawing = ALL_KINDS[kind](np.random.default_rng(0), SIZE)
    assert drawing.image.shape == (SIZE, SIZE, 3)
    assert 0 <= drawing.image.min() < drawing.image.max() <= 1
    assert drawing.body.shape == (SIZE, SIZE)
    assert 0.03 < drawing.body.mean() <= 1
    assert drawing.body.min() >= 0
    assert drawing.body.max() == 1


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_changes_the_covered_pixels_and_no_others(damage):
    """Before any blur of a camera, within the rounding of float32."""
    for seed, kind in enumerate(("metal nut", "brick wall", "egg", "granite slab")):
        generator = np.random.default_rng([seed, 1])
        drawing = TRAINING_KINDS[kind](generator, SIZE)
        damaged = add_damage(generator, drawing, damage)
        change = np.abs(damaged.image - drawing.image).max(-1)
        assert damaged.name == damage
        assert change[damaged.coverage == 0].max() < 1e-6
        assert not (damaged.coverage[drawing.body <= 0.5] > 0).any()
        assert change[damaged.coverage > MASK_COVERAGE].mean() > 0.02


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_photographs_differ_inside_the_mask(damage):
    inside, outside = [], []
    for seed, kind in enumerate(("washer", "carpet", "leaf", "tiled floor", "coin", "window")):
        pair = draw_pair(np.random.default_rng([seed, 2]), kind, SIZE, damage)
        change = np.abs(pair.abnormal.astype(int) - pair.normal).mean(-1)
        assert pair.mask.any()
        assert pair.damage == damage
        reach = binary_dilation(pair.mask, iterations=6)  # soft edges of damage, and the camera's blur
        inside.append(change[pair.mask].mean())
        outside.append(change[~reach].mean())
    assert np.mean(inside) > 10  # of 255
    assert np.mean(outside) < 0.5


def test_the_tone_is_the_difference_in_grey():
    pair = draw_pair(np.random.default_rng(3), "egg", SIZE, "lump")
    grey = [picture.astype(float).mean(-1)[pair.mask].mean() / 255 for picture in (pair.abnormal, pair.normal)]
    assert pair.tone == pytest.approx(grey[0] - grey[1], abs=1e-4)


def test_no_kind_is_in_two_sets():
    sets = [set(TRAINING_KINDS), set(VALIDATION_KINDS), set(PHANTOMS)]
    assert len(set.union(*sets)) == sum(len(kinds) for kinds in sets)


def test_an_unknown_kind():
    with pytest.raises(KeyError, match="brain"):
        draw_pair(np.random.default_rng(0), "brain", SIZE)
