"""Damage laid on a drawing, at a place and of a size by chance, and always visible."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from scipy.ndimage import gaussian_filter

from bpfl_med.demo.damage_types import DAMAGES, Place, any_point
from bpfl_med.demo.drawing import Drawing, mix

MASK_COVERAGE = 0.3  # from which share of damage on a pixel is called damaged
_LEAST_PIXELS, _LEAST_CHANGE = 8, 0.12  # a smaller or fainter damage is drawn again
_ATTEMPTS = 8


class Damage(NamedTuple):
    """A drawing with damage.

    Attributes:
        image: RGB in [0, 1], ``[size, size, 3]``; outside of `coverage` equal to the flawless drawing but for rounding.
        coverage: share of the damage on each pixel, in [0, 1], ``[size, size]``.
        name: a key of `DAMAGES`.
    """

    image: np.ndarray
    coverage: np.ndarray
    name: str


def add_damage(generator: Generator, drawing: Drawing, name: str | None = None) -> Damage:
    """Damage a drawing in a visible way.

    Args:
        generator: of place, size and look.
        drawing: a flawless one.
        name: a key of `DAMAGES`; any if None.

    Raises:
        KeyError: if there is no damage of that name.
    """
    best, most = None, -1.0
    for _ in range(_ATTEMPTS):
        kind = name or str(generator.choice(list(DAMAGES)))
        content, coverage = DAMAGES[kind](generator, drawing, _place(generator, drawing.body))
        coverage = np.clip(coverage, 0, 1) * (drawing.body > 0.5)
        image = np.clip(mix(drawing.image, content, coverage), 0, 1).astype(np.float32)
        damaged = coverage > MASK_COVERAGE
        change = float(np.abs(image - drawing.image).mean(-1)[damaged].mean()) if damaged.any() else 0.0
        visible = min(damaged.sum() / _LEAST_PIXELS, 1) * min(change / _LEAST_CHANGE, 1)
        if visible > most:
            best, most = Damage(image, coverage.astype(np.float32), kind), visible
        if most == 1:
            break
    assert best is not None
    return best


def _place(generator: Generator, body: np.ndarray) -> Place:
    size = len(body)
    inner = np.flatnonzero(gaussian_filter(body, 0.02 * size) > 0.8)
    if not len(inner):
        inner = np.flatnonzero(body >= body.max())
    centre = any_point(generator, inner, size)
    return Place(centre, float(np.exp(generator.uniform(np.log(0.06), np.log(0.32)))))
