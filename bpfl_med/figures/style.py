"""What all figures and pictures look like: colours, and the sentence that must not be overlooked."""

from __future__ import annotations

from matplotlib.figure import Figure

BLACK, ORANGE, SKY_BLUE, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
"""Okabe and Ito's palette, made for colour-blind readers."""

GREY = "#999999"
_WARNING_RED = "#B00020"


def write_notice(figure: Figure, notice: str | None) -> None:
    """Write a sentence below all of a figure, if there is one."""
    if notice:
        figure.supxlabel(notice, fontsize=7, color=_WARNING_RED, wrap=True, parse_math=False)
