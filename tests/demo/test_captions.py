"""Captions name what is drawn."""

from __future__ import annotations

import numpy as np
import pytest

from bpfl_med.demo.captions import abnormal_caption, caption_words, extent_word, normal_caption, place_words, tone_word
from bpfl_med.demo.damage_types import DAMAGES


def square(row: int, column: int, side: int = 10) -> np.ndarray:
    mask = np.zeros((100, 100), bool)
    mask[row : row + side, column : column + side] = True
    return mask


@pytest.mark.parametrize(
    ("row", "column", "words"),
    [
        (5, 5, "at the upper left"),
        (5, 85, "at the upper right"),
        (45, 45, "at the centre"),
        (85, 45, "at the lower"),
        (45, 5, "at the left"),
    ],
)
def test_the_place_is_that_of_the_mask(row, column, words):
    assert place_words(square(row, column)) == words


def test_extent_and_tone():
    assert [extent_word(square(0, 0, side)) for side in (5, 15, 30)] == ["small", "", "large"]
    assert [tone_word(tone) for tone in (-0.3, 0.0, 0.3)] == ["dark", "", "bright"]


def test_every_caption_names_the_thing_and_most_name_the_damage():
    generator = np.random.default_rng(0)
    captions = [abnormal_caption(generator, "pewter mug", "crack", square(5, 5), -0.3) for _ in range(200)]
    assert all("pewter mug" in caption for caption in captions)
    named = [caption for caption in captions if any(word in caption for word in ("crack", "fracture", "split"))]
    assert len(named) > 80
    assert all("dark" in caption for caption in named)
    assert any("at the upper left" in caption for caption in named)
    assert not any("lump" in caption or "bright" in caption for caption in captions)


def test_no_caption_of_a_flawless_thing_speaks_of_any_damage_as_there():
    generator = np.random.default_rng(0)
    captions = {normal_caption(generator, "pewter mug") for _ in range(300)}
    assert all("pewter mug" in caption for caption in captions)
    assert len(captions) > 10
    assert not any(f"with a {damage}" in caption for caption in captions for damage in DAMAGES)


def test_all_words_of_captions_are_listed():
    generator = np.random.default_rng(0)
    known = {word for text in caption_words() for word in text.split()}
    for damage in DAMAGES:
        for row, column, side, tone in ((5, 5, 3, -0.5), (45, 45, 9, 0), (60, 60, 40, 0.5)):
            caption = abnormal_caption(generator, "mug", damage, square(row, column, side), tone)
            assert set(caption.split()) - known == {"mug"}
    assert set(normal_caption(generator, "mug").split()) - known == {"mug"}
