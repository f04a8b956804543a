"""What all drawn pictures are made of: a canvas of coordinates, smooth noise, soft shapes, strokes and colours."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw

Point = np.ndarray | tuple[float, float]  # row and column, in [-1, 1]
_OVERSAMPLING = 3  # of strokes and polygons, so that their edges are smooth


class Drawing(NamedTuple):
    """A thing without damage.

    Attributes:
        image: RGB in [0, 1], ``[size, size, 3]``.
        body: coverage of the thing itself, in [0, 1], ``[size, size]``; 1 everywhere for a surface.
    """

    image: np.ndarray
    body: np.ndarray


@cache
def axes(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Give row and column coordinates ``[size, size]`` from -1 to 1, float32; not to be written to."""
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    y, x = np.meshgrid(axis, axis, indexing="ij")
    y.flags.writeable = x.flags.writeable = False
    return y, x


def turned(size: int, angle: float, centre: Point = (0.0, 0.0)) -> tuple[np.ndarray, np.ndarray]:
    """Give coordinates ``[size, size]`` along and across a direction, around a centre (row, column)."""
    y, x = axes(size)
    sine, cosine = np.float32(np.sin(angle)), np.float32(np.cos(angle))
    y, x = y - np.float32(centre[0]), x - np.float32(centre[1])
    return cosine * y - sine * x, sine * y + cosine * x


def noise(generator: Generator, size: int, cells: float | tuple[float, float]) -> np.ndarray:
    """Give smooth noise ``[size, size]`` with mean 0 and standard deviation 1.

    Args:
        generator: of the values.
        size: rows and columns.
        cells: how many independent values lie along a side, or along rows and columns; at most `size`.
    """
    rows, columns = cells if isinstance(cells, tuple) else (cells, cells)
    shape = tuple(int(np.clip(np.ceil(n), 2, size)) for n in (rows, columns))
    coarse = generator.standard_normal(shape, dtype=np.float32)
    field = np.asarray(Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC))
    return (field - field.mean()) / (field.std() + 1e-6)


def rough_noise(generator: Generator, size: int, cells: float, octaves: int = 3) -> np.ndarray:
    """Add noise of ever finer cells at ever smaller weight; mean 0, standard deviation about 1."""
    total = np.sum([0.6**k * noise(generator, size, cells * 2**k) for k in range(octaves)], axis=0)
    return total / np.float32(np.sqrt(sum(0.36**k for k in range(octaves))))


def soft(distance: np.ndarray, width: float | None = None) -> np.ndarray:
    """Turn a signed distance (negative inside) into coverage in [0, 1], with an edge of one pixel or `width`."""
    return np.clip(0.5 - distance / (width or 2 / len(distance)), 0, 1)


def ellipse(along: np.ndarray, across: np.ndarray, radii: tuple[float, float]) -> np.ndarray:
    """Give the coverage of an ellipse around the origin of turned coordinates."""
    return soft((np.hypot(along / radii[0], across / radii[1]) - 1) * min(radii))


def box(along: np.ndarray, across: np.ndarray, half: tuple[float, float], corner: float = 0.05) -> np.ndarray:
    """Give the coverage of a box with round corners around the origin of turned coordinates."""
    dy, dx = np.abs(along) - half[0] + corner, np.abs(across) - half[1] + corner
    return soft(np.hypot(np.maximum(dy, 0), np.maximum(dx, 0)) + np.minimum(np.maximum(dy, dx), 0) - corner)


def polygon_radius(angle: np.ndarray, corners: int) -> np.ndarray:
    """Give the distance of a regular polygon's side from its centre in each direction; 1 at the middle of a side."""
    step = np.float32(2 * np.pi / corners)
    return 1 / np.cos((angle % step) - step / 2)


def blob(generator: Generator, size: int, centre: Point, radius: float, unrest: float) -> np.ndarray:
    """Give the signed distance of an irregular, stretched blob.

    Args:
        generator: of the outline.
        size: rows and columns.
        centre: row and column, in [-1, 1].
        radius: mean radius, in the same unit.
        unrest: how far the outline departs from an ellipse; 0 for an ellipse.
    """
    along, across = turned(size, generator.uniform(0, np.pi), centre)
    stretch = generator.uniform(1, 1.8) ** 0.5
    along, across = along * np.float32(stretch), across / np.float32(stretch)
    angle = np.arctan2(along, across)
    outline = np.ones_like(angle)
    for waves in (2, 3, 5, 7):
        outline += np.float32(unrest * generator.uniform(-0.3, 0.3)) * np.cos(
            waves * angle + np.float32(generator.uniform(0, 2 * np.pi))
        )
    return np.hypot(along, across) - np.float32(radius) * outline


def stroke(points: np.ndarray, width: float, size: int) -> np.ndarray:
    """Give the coverage of a line through points ``[N, 2]`` (row, column in [-1, 1]); `width` is in that unit too."""
    picture, draw, pixels = _oversampled(points, size)
    draw.line(pixels, fill=255, width=max(1, round(width * size * _OVERSAMPLING / 2)), joint="curve")
    return _coverage(picture, size)


def filled(points: np.ndarray, size: int) -> np.ndarray:
    """Give the coverage of the polygon with corners ``[N, 2]`` (row, column in [-1, 1])."""
    picture, draw, pixels = _oversampled(points, size)
    draw.polygon(pixels, fill=255)
    return _coverage(picture, size)


def cells(generator: Generator, size: int, n: int, jitter: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
    """Divide the canvas into about n x n irregular cells.

    Returns:
        How far each pixel is from the border of its cell (0 on it, about 1 in the middle), and a random value in
        [0, 1) that is the same all over a cell; both ``[size, size]``.
    """
    y, x = axes(size)
    row, column = (y + 1) / 2 * n, (x + 1) / 2 * n
    seeds = generator.uniform(0.5 - jitter / 2, 0.5 + jitter / 2, (n + 4, n + 4, 2)).astype(np.float32)
    values = generator.random((n + 4, n + 4), dtype=np.float32)
    home_row, home_column = row.astype(int), column.astype(int)
    first = second = np.full((size, size), 99, np.float32)
    value = np.zeros((size, size), np.float32)
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            i, j = home_row + down, home_column + right
            seed = seeds[i + 1, j + 1]
            distance = np.hypot(i + seed[..., 0] - row, j + seed[..., 1] - column)
            nearer = distance < first
            second = np.where(nearer, first, np.minimum(second, distance))
            value = np.where(nearer, values[i + 1, j + 1], value)
            first = np.where(nearer, distance, first)
    return second - first, value


def tint(field: np.ndarray, dark: np.ndarray, light: np.ndarray) -> np.ndarray:
    """Colour a field: `dark` [3] where it is 0, `light` [3] where it is 1; gives ``[size, size, 3]``."""
    return dark + field[..., None] * (light - dark)


def mix(below: np.ndarray, above: np.ndarray, coverage: np.ndarray) -> np.ndarray:
    """Lay one picture (or a colour [3]) over another where `coverage` ``[size, size]`` is 1."""
    return below + coverage[..., None] * (above - below)


def colour(generator: Generator, red: float, green: float, blue: float, spread: float = 0.08) -> np.ndarray:
    """Give a colour [3] near the given one, in [0, 1]."""
    near = np.array([red, green, blue]) + generator.normal(0, spread / 2, 3) + generator.normal(0, spread)
    return np.clip(near, 0, 1).astype(np.float32)


def any_colour(generator: Generator) -> np.ndarray:
    """Give any colour [3], grey ones included."""
    grey = generator.uniform(0.05, 0.95)
    return np.clip(grey + generator.uniform(0, 0.3) * generator.standard_normal(3), 0, 1).astype(np.float32)


def _oversampled(points: np.ndarray, size: int) -> tuple[Image.Image, ImageDraw.ImageDraw, list[tuple[float, float]]]:
    big = size * _OVERSAMPLING
    picture = Image.new("L", (big, big))
    return picture, ImageDraw.Draw(picture), [((x + 1) / 2 * big, (y + 1) / 2 * big) for y, x in np.asarray(points)]


def _coverage(picture: Image.Image, size: int) -> np.ndarray:
    return np.asarray(picture.reduce(_OVERSAMPLING), np.float32)[:size, :size] / 255
