"""How a thing lies in its picture: pose, ground and grain."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from bpfl_med.demo.drawing import Drawing, any_colour, mix, noise, rough_noise, turned


def pose(generator: Generator, size: int, turns: float = np.pi) -> tuple[np.ndarray, np.ndarray]:
    """Give coordinates of a thing that lies nearly in the middle, turned anyhow."""
    centre = generator.normal(0, 0.06, 2)
    return turned(size, generator.uniform(0, 2 * turns), centre)


def on_ground(generator: Generator, image: np.ndarray, body: np.ndarray) -> Drawing:
    """Lay a thing on a plain ground, black in half of the pictures."""
    size = len(body)
    ground = np.full(3, generator.uniform(0, 0.08), np.float32) if generator.random() < 0.5 else any_colour(generator)
    texture = ground + generator.uniform(0, 0.05) * noise(generator, size, generator.uniform(4, size))[..., None]
    return Drawing(np.clip(mix(texture, image, body), 0, 1).astype(np.float32), body)


def grain(generator: Generator, size: int, strength: float = 0.06) -> np.ndarray:
    """Give the faint texture of a material, ``[size, size, 1]``."""
    field = rough_noise(generator, size, generator.uniform(3, size / 3), 2)
    return generator.uniform(0.2, 1) * np.float32(strength) * field[..., None]


def polar(along: np.ndarray, across: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give radius and angle of coordinates."""
    return np.hypot(along, across), np.arctan2(along, across)
