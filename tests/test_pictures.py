"""Panels carry overlay, outlines and the footer that must not be overlooked."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from bpfl_med.pictures import Panel, panels_picture

GREY = Image.new("L", (64, 64), 128)
SPOT = np.zeros((64, 64), bool)
SPOT[20:40, 20:40] = True


def pixels(*panels: Panel, footer: str | None = None) -> np.ndarray:
    return np.asarray(panels_picture(panels, title="a title", footer=footer).convert("RGB")).astype(int)


def has_colour(picture: np.ndarray, colour: tuple[int, int, int]) -> bool:
    return bool((np.abs(picture - colour).max(-1) < 40).any())


def test_each_panel_adds_its_width():
    one, three = pixels(Panel("a", GREY)), pixels(*[Panel("a", GREY)] * 3)
    assert three.shape[1] == 3 * one.shape[1]
    assert three.shape[0] == one.shape[0]


def test_the_footer_is_drawn_in_red_below_the_panels():
    red = (0xB0, 0, 0x20)
    assert not has_colour(pixels(Panel("a", GREY)), red)
    assert has_colour(pixels(Panel("a", GREY), footer="UNTRAINED")[-40:], red)


@pytest.mark.parametrize(("argument", "colour"), [("outline", (0xE6, 0x9F, 0)), ("true_outline", (0x56, 0xB4, 0xE9))])
def test_outlines_have_colours_of_their_own(argument, colour):
    assert not has_colour(pixels(Panel("a", GREY)), colour)
    assert has_colour(pixels(Panel("a", GREY, **{argument: SPOT})), colour)


@pytest.mark.parametrize("region", [np.zeros((64, 64), bool), np.ones((64, 64), bool)])
def test_a_region_without_an_edge_has_no_outline(region):
    np.testing.assert_array_equal(pixels(Panel("a", GREY, outline=region)), pixels(Panel("a", GREY)))


def test_the_scale_of_an_overlay_is_the_same_in_every_picture():
    low, high = (pixels(Panel("a", GREY, overlay=np.full((64, 64), value))) for value in (0.1, 0.9))
    middle = (low.shape[0] // 2, low.shape[1] // 3)
    assert low[middle][2] > low[middle][0]  # viridis: blue is low, yellow is high
    assert high[middle][0] > high[middle][2]


def test_the_same_panels_give_the_same_pixels():
    panel = Panel("a", GREY, overlay=SPOT * 0.5, outline=SPOT)
    np.testing.assert_array_equal(pixels(panel), pixels(panel))
