"""Panels carry overlay, outlines and the footer that must not be overlooked."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes
from mpl_toolkits.axes_grid1.anchored_artists import AnchoredSizeBar
from PIL import Image

from bpfl_med.figures import panels
from bpfl_med.figures.panels import Panel, panels_picture, uncertainty_panel

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


@pytest.mark.parametrize(
    ("mm_per_column", "length", "label"),
    [(0.41, 50 / 0.41, "50 mm"), (1.0, 100, "100 mm"), (0.003, 0.2 / 0.003, "0.2 mm")],
)
def test_a_scale_bar_has_a_round_length(monkeypatch, mm_per_column, length, label):
    drawn = []

    class Recorded(AnchoredSizeBar):
        def __init__(self, transform, size, text, *args, **style):
            drawn.append((size, text))
            super().__init__(transform, size, text, *args, **style)

    monkeypatch.setattr(panels, "AnchoredSizeBar", Recorded)
    image = Image.new("L", (512, 400), 128)
    panels_picture([Panel("a", image)], title="", footer=None, pixel_size=(2 * mm_per_column, mm_per_column))
    ((size, text),) = drawn
    assert (size, text) == (pytest.approx(length), label)
    assert 512 / 10 < size <= 512 / 4


def test_letters_at_the_edges_name_the_sides_of_the_patient(monkeypatch):
    drawn = []
    text = Axes.text

    def recorded(axes, x, y, letter, **style):
        drawn.append((letter, x < 0.1, x > 0.9, y > 0.9, y < 0.1))
        return text(axes, x, y, letter, **style)

    monkeypatch.setattr(Axes, "text", recorded)
    panels_picture([Panel("a", GREY)], title="", footer=None, edges="RLAP")
    assert drawn == [
        ("R", True, False, False, False),
        ("L", False, True, False, False),
        ("A", False, False, True, False),
        ("P", False, False, False, True),
    ]
    panels_picture([Panel("a", GREY)], title="", footer=None)
    assert len(drawn) == 4


def test_pixels_of_unequal_sides_keep_the_patients_proportions():
    def extent(pixel_size: tuple[float, float] | None) -> tuple[int, int]:
        drawn = np.asarray(
            panels_picture([Panel("", GREY)], title="", footer=None, pixel_size=pixel_size).convert("RGB")
        )
        rows, columns = np.nonzero((drawn == 128).all(-1))
        return np.ptp(rows), np.ptp(columns)

    height, width = extent((3.0, 1.5))
    assert height / width == pytest.approx(2, rel=0.03)
    assert np.divide(*extent(None)) == pytest.approx(1, rel=0.03)


def test_uncertainty_goes_from_nothing_to_much_in_one_hue():
    black = Image.new("L", (3, 1))
    panel = uncertainty_panel(black, np.array([[0.0, 0.1, 0.2]]))
    red, green, blue, opacity = panel.colours((panel.overlay[0] - panel.overlay_range[0]) / panel.overlay_range[1]).T
    assert opacity[0] == 0
    assert (np.diff(opacity) > 0.3).all()
    for channel in (red, green, blue):
        np.testing.assert_allclose(channel, channel[0], atol=1e-6)
