"""The types of damage that are drawn: what changes, and where."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from scipy.ndimage import gaussian_filter, map_coordinates

from bpfl_med.demo.drawing import Drawing, any_colour, axes, blob, filled, mix, noise, rough_noise, soft, stroke


class Place(NamedTuple):
    """Where damage goes: its centre (row, column in [-1, 1]) and its radius in that unit."""

    centre: tuple[float, float]
    radius: float


DrawDamage = Callable[[Generator, Drawing, Place], tuple[np.ndarray, np.ndarray]]  # new content, coverage


def any_point(generator: Generator, pixels: np.ndarray, size: int) -> tuple[float, float]:
    """Give row and column, in [-1, 1], of one of some pixels, which are places in the flattened canvas."""
    row, column = divmod(int(pixels[generator.integers(len(pixels))]), size)
    axis = axes(size)[1][0]
    return float(axis[row]), float(axis[column])


def _patch(generator: Generator, drawing: Drawing, place: Place) -> np.ndarray:
    """Give the coverage of an irregular patch with an edge between sharp and soft."""
    distance = blob(generator, len(drawing.body), place.centre, place.radius, generator.uniform(0, 1))
    return soft(distance, place.radius * generator.uniform(0.1, 0.8))


def _step(generator: Generator) -> float:
    """Give a change of brightness to either side that can be seen."""
    return float(generator.choice([-1, 1]) * generator.uniform(0.12, 0.6))


def _level(generator: Generator, drawing: Drawing, coverage: np.ndarray) -> np.ndarray:
    """Give a colour that stands out from what is covered."""
    other = (
        _mean_colour(drawing.image, coverage) + _step(generator) if generator.random() < 0.6 else any_colour(generator)
    )
    return np.clip(other, 0, 1).astype(np.float32)


def _mean_colour(image: np.ndarray, coverage: np.ndarray) -> np.ndarray:
    weight = coverage[..., None] + 1e-6
    return (image * weight).sum((0, 1)) / weight.sum()


def _spot(generator: Generator, drawing: Drawing, place: Place) -> tuple[np.ndarray, np.ndarray]:
    radius = min(place.radius, generator.uniform(0.06, 0.2))
    coverage = soft(blob(generator, len(drawing.body), place.centre, radius, 0.2), radius * generator.uniform(0.1, 1))
    return drawing.image + np.float32(_step(generator)), coverage


def _stain(generator: Generator, drawing: Drawing, place: Place) -> tuple[np.ndarray, np.ndarray]:
    size = len(drawing.body)
    ragged = blob(generator, size, place.centre, place.radius, 1.0) + 0.15 * place.radius * rough_noise(
        generator, size, 10
    )
    coverage = soft(ragged, place.radius * generator.uniform(0.3, 0.9)) * generator.uniform(0.6, 1)
    return np.broadcast_to(_level(generator, drawing, coverage), drawing.image.shape), coverage


def _lump(generator: Generator, drawing: Drawing, place: Place) -> tuple[np.ndarray, np.ndarray]:
    """Draw a solid mass with a texture of its own and some shading."""
    size = len(drawing.body)
    distance = blob(generator, size, place.centre, place.radius, generator.uniform(0.1, 0.8))
    coverage = soft(distance, place.radius * generator.uniform(0.1, 0.5))
    texture = generator.uniform(0.01, 0.12) * rough_noise(generator, size, generator.uniform(8, size / 2), 2)
    dome = generator.uniform(-0.3, 0.4) * np.clip(-distance / place.radius, 0, 1)
    return _level(generator, drawing, coverage) + (texture + dome)[..., None], coverage


def _lesion(generator: Generator, drawing: Drawing, place: Place) -> tuple[np.ndarray, np.ndarray]:
    """Draw an irregular region that is brighter or darker by one step and keeps the texture below, mostly."""
    size = len(drawing.body)
    radius = np.exp(generator.uniform(np.log(0.08), np.log(0.19)))
    coverage = soft(
        blob(generator, size, place.centre, radius, generator.uniform(0.1, 0.6)), generator.uniform(2, 8) / size
    )
    step = generator.choice([-1, 1]) * generator.uniform(0.2, 0.45)
    texture = generator.uniform(0, 0.06) * noise(generator, size, size / 4)
    return drawing.image + (np.float32(step) + texture)[..., None], coverage


def _hole(generator: Generator, drawing: Drawing, place: Place) -> tuple[np.ndarray, np.ndarray]:
    """Draw a dark opening with a rim."""
    distance = blob(generator, len(drawing.body), place.centre, place.radius, generator.uniform(0, 0.6))
    rim = soft(-distance - 0.2 * place.radius, 0.2 * place.radius)
    content = drawing.image * generator.uniform(0.5, 1.5)
    return mix(content, np.full(3, generator.uniform(0, 0.12), np.float32), rim), soft(distance)


def _curve(generator: Generator, place: Place, length: float, unrest: float) -> np.ndarray:
    """Give points ``[12, 2]`` of a bent line through the place."""
    heading = generator.uniform(0, 2 * np.pi) + np.cumsum(generator.normal(0, unrest, 12))
    steps = np.stack([np.sin(heading), np.cos(heading)], 1) * length / 12
    points = np.cumsum(steps, 0)
    return points - points.mean(0) + place.centre


def _scratch(generator: Generator, drawing: Drawing, place: Place) -> tuple[np.ndarray, np.ndarray]:
    size = len(drawing.body)
    coverage = np.zeros((size, size), np.float32)
    points = _curve(generator, place, generator.uniform(0.3, 1.4), generator.uniform(0, 0.15))
    for _ in range(generator.integers(1, 4)):
        line = points + generator.normal(0, 0.06, 2)
        coverage = np.maximum(coverage, stroke(line, generator.uniform(0.02, 0.06), size))
    return drawing.image + np.float32(_step(generator)), coverage


def _crack(generator: Generator, drawing: Drawing, place: Place) -> tuple[np.ndarray, np.ndarray]:
    """Draw a dark jagged line with branches."""
    size = len(drawing.body)
    trunk = _curve(generator, place, generator.uniform(0.5, 1.5), 0.5)
    coverage = stroke(trunk, generator.uniform(0.03, 0.07), size)
    for _ in range(generator.integers(0, 4)):
        root = trunk[generator.integers(len(trunk))]
        branch = _curve(generator, place, generator.uniform(0.2, 0.5), 0.5)
        coverage = np.maximum(coverage, stroke(branch - branch[0] + root, 0.03, size))
    return drawing.image * np.float32(generator.uniform(0, 0.5)), coverage


def _missing_part(generator: Generator, drawing: Drawing, place: Place) -> tuple[np.ndarray, np.ndarray]:
    """Bite off an edge, showing the ground; a surface shows black or white."""
    size = len(drawing.body)
    edge = np.flatnonzero((drawing.body > 0.5) & (gaussian_filter(drawing.body, 0.03 * size) < 0.75))
    centre, level = place.centre, np.full(3, generator.choice([0.03, 0.95]), np.float32)
    if len(edge):
        centre = any_point(generator, edge, size)
        level = np.median(drawing.image[drawing.body < 0.1], axis=0) if (drawing.body < 0.1).any() else level
    radius = max(place.radius, 0.12)
    return np.broadcast_to(level, drawing.image.shape), soft(blob(generator, size, centre, radius, 0.7))


def _distortion(generator: Generator, drawing: Drawing, place: Place) -> tuple[np.ndarray, np.ndarray]:
    """Twist and push what lies around the place."""
    size = len(drawing.body)
    radius = max(place.radius, 0.18)
    y, x = axes(size)
    distance = np.hypot(y - place.centre[0], x - place.centre[1])
    weight = np.clip(1 - (distance / radius) ** 2, 0, 1)
    angle = generator.choice([-1, 1]) * generator.uniform(1, 3) * weight
    dy, dx = y - place.centre[0], x - place.centre[1]
    rows = place.centre[0] + np.cos(angle) * dy - np.sin(angle) * dx
    columns = place.centre[1] + np.sin(angle) * dy + np.cos(angle) * dx
    push = generator.normal(0, 0.3 * radius, 2)
    at = np.stack([rows + push[0] * weight, columns + push[1] * weight])
    return _sampled(drawing.image, (at + 1) / 2 * (size - 1)), soft(distance - 0.95 * radius, 0.1 * radius)


def _discoloration(generator: Generator, drawing: Drawing, place: Place) -> tuple[np.ndarray, np.ndarray]:
    """Change the colour and keep the texture."""
    gain = np.float32(1 + generator.choice([-1, 1]) * generator.uniform(0.25, 0.7))
    cast = generator.normal(0, 0.15, 3) if generator.random() < 0.6 else np.full(3, generator.normal(0, 0.1))
    return drawing.image * gain + cast.astype(np.float32), _patch(generator, drawing, place)


def _rough_patch(generator: Generator, drawing: Drawing, place: Place) -> tuple[np.ndarray, np.ndarray]:
    """Change the texture and keep the mean colour."""
    size = len(drawing.body)
    coverage = _patch(generator, drawing, place)
    mean = _mean_colour(drawing.image, coverage)
    texture = generator.uniform(0.1, 0.25) * noise(generator, size, np.exp(generator.uniform(np.log(10), np.log(size))))
    keep = np.float32(generator.choice([0, 0, 1]))
    return mean + keep * (drawing.image - mean) + texture[..., None], coverage


def _foreign_body(generator: Generator, drawing: Drawing, place: Place) -> tuple[np.ndarray, np.ndarray]:
    """Lay a small thing on: a chip with corners, a thread or a ring."""
    size, form = len(drawing.body), generator.integers(3)
    if form == 0:
        turns = np.sort(generator.uniform(0, 2 * np.pi, generator.integers(3, 7)))
        reach = place.radius * generator.uniform(0.7, 1.3, len(turns))
        coverage = filled(np.stack([np.sin(turns), np.cos(turns)], 1) * reach[:, None] + place.centre, size)
    elif form == 1:
        coverage = stroke(
            _curve(generator, place, generator.uniform(0.3, 0.9), 0.5), generator.uniform(0.04, 0.09), size
        )
    else:
        distance = blob(generator, size, place.centre, max(place.radius, 0.1), 0.1)
        coverage = soft(np.abs(distance) - generator.uniform(0.025, 0.06))
    return np.broadcast_to(_level(generator, drawing, coverage), drawing.image.shape), coverage


def _blurred_patch(generator: Generator, drawing: Drawing, place: Place) -> tuple[np.ndarray, np.ndarray]:
    sigma = len(drawing.body) * generator.uniform(0.03, 0.08)
    blurred = gaussian_filter(drawing.image, (sigma, sigma, 0))
    return blurred, _patch(generator, drawing, place._replace(radius=max(place.radius, 0.15)))


def _misplaced_piece(generator: Generator, drawing: Drawing, place: Place) -> tuple[np.ndarray, np.ndarray]:
    """Lay a piece of another part of the same thing here, turned."""
    image = np.rot90(drawing.image, int(generator.integers(1, 4)))
    shift = generator.integers(len(image) // 6, len(image) - len(image) // 6, 2)
    return np.roll(image, tuple(shift), (0, 1)), _patch(generator, drawing, place)


def _pitting(generator: Generator, drawing: Drawing, place: Place) -> tuple[np.ndarray, np.ndarray]:
    """Scatter small spots around the place."""
    size = len(drawing.body)
    y, x = axes(size)
    coverage = np.zeros((size, size), np.float32)
    for _ in range(generator.integers(3, 10)):
        row, column = generator.normal(place.centre, 0.5 * place.radius + 0.04)
        coverage = np.maximum(coverage, soft(np.hypot(y - row, x - column) - generator.uniform(0.025, 0.06), 0.04))
    return drawing.image + np.float32(_step(generator)), coverage


def _sampled(image: np.ndarray, at: np.ndarray) -> np.ndarray:
    return np.stack([map_coordinates(image[..., k], at, order=1, mode="reflect") for k in range(3)], -1)


DAMAGES: dict[str, DrawDamage] = {
    "scratch": _scratch,
    "spot": _spot,
    "stain": _stain,
    "lump": _lump,
    "lesion": _lesion,
    "hole": _hole,
    "crack": _crack,
    "missing part": _missing_part,
    "distortion": _distortion,
    "discoloration": _discoloration,
    "rough patch": _rough_patch,
    "foreign body": _foreign_body,
    "blurred patch": _blurred_patch,
    "misplaced piece": _misplaced_piece,
    "pitting": _pitting,
}
