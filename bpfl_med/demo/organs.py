"""What drawn body parts are made of: tissue, organs and vessels, laid on one another in grey."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from bpfl_med.demo.drawing import Drawing, blob, rough_noise, soft, turned


def body_frame(generator: Generator, size: int, turn: float = 0.15) -> tuple[np.ndarray, np.ndarray]:
    """Give coordinates ``[size, size]`` along and across a body that lies nearly upright, in the middle."""
    centre = generator.normal(0, 0.04, 2)
    return turned(size, generator.uniform(-turn, turn), centre)


def oval(along: np.ndarray, across: np.ndarray, radii: np.ndarray | tuple[float, float], power: float) -> np.ndarray:
    """Give the signed distance of a superellipse around the origin, an ellipse if the power is 2."""
    shape = (np.abs(along / np.float32(radii[0])) ** power + np.abs(across / np.float32(radii[1])) ** power) ** (
        1 / power
    )
    return (shape - 1) * np.float32(min(radii))


def soft_edge(generator: Generator, distance: np.ndarray) -> np.ndarray:
    """Turn a signed distance into coverage with an edge of one to four pixels."""
    return soft(distance, generator.uniform(1, 4) * 2 / len(distance))


def contrast(generator: Generator) -> np.float32:
    """Give a step of grey to either side."""
    return np.float32(generator.choice([-1, 1]) * generator.uniform(0.08, 0.55))


def even_tissue(generator: Generator, size: int) -> np.ndarray:
    """Give an even grey with a faint texture, ``[size, size]``."""
    texture = rough_noise(generator, size, generator.uniform(3, size / 3), 2)
    return np.float32(generator.uniform(0.15, 0.6)) + np.float32(generator.uniform(0, 0.05)) * texture


def mixed(below: np.ndarray | float, above: np.ndarray | float, coverage: np.ndarray) -> np.ndarray:
    """Lay one grey over another where `coverage` ``[size, size]`` is 1."""
    return below + coverage * (above - below)


def organ_pair(generator: Generator, grey: np.ndarray, along: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Lay two mirrored organs to the left and the right, large or long ones."""
    radii = generator.permutation(np.exp(generator.uniform(np.log([0.2, 0.05]), np.log([0.7, 0.4]))))
    apart = generator.uniform(0.3, 1) * 0.5 + 0.5 * radii[1]
    distance = oval(along - generator.uniform(-0.45, 0.45), np.abs(across) - np.float32(apart), radii, 2)
    return grey + contrast(generator) * soft_edge(generator, distance)


def central_organ(generator: Generator, grey: np.ndarray, along: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Lay an organ on the line of symmetry, small ones exactly so; perhaps with a core."""
    radii = np.exp(generator.uniform(np.log(0.08), np.log(0.2 if generator.random() < 0.5 else 0.5), 2))
    aside = generator.uniform(-0.2, 0.2) if min(radii) > 0.2 else 0.0
    distance = oval(along - generator.uniform(-0.6, 0.6), across - np.float32(aside), radii, 2)
    grey = _laid(generator, grey, soft_edge(generator, distance))
    if generator.random() < 0.3:
        grey = grey + contrast(generator) * soft_edge(generator, distance + 0.4 * np.float32(min(radii)))
    return grey


def lone_organ(generator: Generator, grey: np.ndarray, size: int) -> np.ndarray:
    """Lay one large organ anywhere, with a smooth outline."""
    distance = blob(generator, size, generator.uniform(-0.55, 0.55, 2), generator.uniform(0.25, 0.5), 0)
    return _laid(generator, grey, soft_edge(generator, distance))


def _laid(generator: Generator, grey: np.ndarray, coverage: np.ndarray) -> np.ndarray:
    """Add a step of grey, or hide what lies below under one grey."""
    if generator.random() < 0.5:
        return grey + contrast(generator) * coverage
    return mixed(grey, generator.uniform(0.05, 1), coverage)


def column(generator: Generator, grey: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Lay a band along the line of symmetry, as a spine is in projection."""
    tone, half = contrast(generator), generator.uniform(0.05, 0.2)
    return grey + tone * soft(np.abs(across) - half, generator.uniform(0.04, 0.2))


def ribs(generator: Generator, grey: np.ndarray, along: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Lay bent bands at even distances, mirrored."""
    side = np.abs(across)
    pitch, slope, bend = generator.uniform(0.12, 0.35), generator.uniform(-0.6, 0.6), generator.uniform(-0.6, 0.6)
    row = (along - slope * side - bend * side**2) / np.float32(pitch)
    distance = np.abs(row % 1 - 0.5) - generator.uniform(0.1, 0.2)
    region = soft(side - generator.uniform(0.6, 1), 0.05)
    return grey + 0.5 * contrast(generator) * region * soft(distance * pitch, 0.04)


def haze(generator: Generator, grey: np.ndarray, size: int) -> np.ndarray:
    """Lay a round change of brightness without any edge."""
    centre, width = generator.uniform(-0.6, 0.6, 2), generator.uniform(0.1, 0.35)
    radius = np.hypot(*turned(size, 0.0, centre))
    return grey + contrast(generator) * np.exp(-((radius / np.float32(width)) ** 2))


def vessel_ends(generator: Generator, grey: np.ndarray, along: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Lay two to four equal, small round vessels side by side."""
    start, step = generator.uniform(-0.5, 0.5, 2), generator.uniform(-0.2, 0.2, 2)
    tone, radius = contrast(generator), generator.uniform(0.02, 0.045)
    for k in range(generator.integers(2, 5)):
        row, column = (start + k * step).astype(np.float32)
        grey = grey + tone * soft(np.hypot(along - row, across - column) - radius)
    return grey


def rgb(grey: np.ndarray) -> np.ndarray:
    """Turn grey ``[size, size]`` into RGB in [0, 1]."""
    return np.repeat(clipped(grey)[..., None], 3, -1)


def clipped(image: np.ndarray) -> np.ndarray:
    """Cut to [0, 1], in float32."""
    return np.clip(image, 0, 1).astype(np.float32)


def scan(generator: Generator, grey: np.ndarray, outline: np.ndarray, body: np.ndarray) -> Drawing:
    """Show grey inside of an outline, on a ground that is nearly black."""
    ground = generator.uniform(0, 0.06)
    return Drawing(rgb(ground + outline * (grey - ground)), body.astype(np.float32))
