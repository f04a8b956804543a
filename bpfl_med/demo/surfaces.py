"""Kinds of drawn pictures that fill the frame: wood, cloth, stone and the like, all flawless."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from bpfl_med.demo.drawing import (
    Drawing,
    any_colour,
    box,
    cells,
    colour,
    ellipse,
    noise,
    rough_noise,
    soft,
    tint,
    turned,
)


def _surface(field: np.ndarray, dark: np.ndarray, light: np.ndarray) -> Drawing:
    return Drawing(np.clip(tint(field, dark, light), 0, 1), np.ones(field.shape, np.float32))


def _angle(generator: Generator) -> float:
    return float(generator.choice([0, np.pi / 2]) + generator.normal(0, 0.1))


def _waves(phase: np.ndarray) -> np.ndarray:
    return (0.5 + 0.5 * np.sin(phase)).astype(np.float32)


def wooden_board(generator: Generator, size: int) -> Drawing:
    """Grain along one direction, with wide rings."""
    along, across = turned(size, _angle(generator))
    bend = noise(generator, size, 3)
    rings = _waves(generator.uniform(8, 30) * (across + 0.12 * along * along) + generator.uniform(0.5, 2) * bend)
    fine = noise(generator, size, (4, size) if generator.random() < 0.5 else (size, 4))
    field = 0.6 * rings + 0.3 + 0.1 * fine
    return _surface(field, colour(generator, 0.35, 0.2, 0.1), colour(generator, 0.75, 0.55, 0.35))


def woven_fabric(generator: Generator, size: int) -> Drawing:
    """Threads over and under one another."""
    along, across = turned(size, generator.uniform(0, np.pi))
    rate = generator.uniform(20, 60)
    over = _waves(rate * along) * _waves(rate * across) + _waves(rate * along + np.pi) * _waves(rate * across + np.pi)
    return _surface(over + 0.08 * noise(generator, size, size), any_colour(generator), any_colour(generator))


def tiled_floor(generator: Generator, size: int) -> Drawing:
    """Square tiles with joints."""
    along, across = turned(size, _angle(generator))
    n = generator.integers(2, 6)
    row, column = (along + 1) * n / 2, (across + 1) * n / 2
    joint = np.minimum(np.abs(row - np.round(row)), np.abs(column - np.round(column)))
    shade = generator.normal(0, 0.08, (16, 16)).astype(np.float32)
    tile = shade[np.floor(row).astype(int) % 16, np.floor(column).astype(int) % 16]
    field = 0.7 + tile + 0.05 * rough_noise(generator, size, 6) - 0.6 * soft(joint - 0.05, 0.05)
    return _surface(field, any_colour(generator), any_colour(generator))


def brushed_metal(generator: Generator, size: int) -> Drawing:
    """Fine streaks and a broad gleam."""
    along, _ = turned(size, generator.uniform(0, np.pi))
    streaks = noise(generator, size, (size, 2) if generator.random() < 0.5 else (2, size))
    gleam = np.exp(-(((along - generator.uniform(-0.7, 0.7)) / generator.uniform(0.4, 1.2)) ** 2))
    field = 0.4 + 0.3 * gleam + 0.07 * streaks + 0.03 * noise(generator, size, size)
    return _surface(field, colour(generator, 0.2, 0.2, 0.22), colour(generator, 0.9, 0.9, 0.92))


def wire_grid(generator: Generator, size: int) -> Drawing:
    """Wires crossing over a plain ground."""
    along, across = turned(size, generator.uniform(0, np.pi))
    rate, width = generator.uniform(3, 8), generator.uniform(0.15, 0.3)
    wires = [np.abs((axis * rate + generator.random()) % 1 - 0.5) for axis in (along, across)]
    field = soft(np.minimum(*wires) - width / 2, 0.1) + 0.04 * noise(generator, size, size)
    return _surface(field, any_colour(generator), any_colour(generator))


def leather(generator: Generator, size: int) -> Drawing:
    """A skin of small irregular cells."""
    border, value = cells(generator, size, int(generator.integers(9, 20)))
    field = 0.75 + 0.12 * (value - 0.5) - 0.5 * np.exp(-6 * border) + 0.05 * noise(generator, size, 8)
    return _surface(field, colour(generator, 0.15, 0.08, 0.05), colour(generator, 0.6, 0.35, 0.2, 0.15))


def carpet(generator: Generator, size: int) -> Drawing:
    """Short fibres, evenly mixed."""
    field = 0.5 + 0.2 * noise(generator, size, size / generator.uniform(1, 2.5))
    return _surface(field, any_colour(generator), any_colour(generator))


def brick_wall(generator: Generator, size: int) -> Drawing:
    """Courses of bricks, each shifted by a half."""
    along, across = turned(size, _angle(generator))
    n = generator.integers(4, 9)
    row = (along + 1) * n / 2
    column = (across + 1) * n / 4 + 0.5 * (np.floor(row) % 2)
    joint = np.minimum(np.abs(row - np.round(row)), 2 * np.abs(column - np.round(column)))
    shade = generator.normal(0, 0.12, (32, 32)).astype(np.float32)
    brick = shade[np.floor(row).astype(int) % 32, np.floor(column).astype(int) % 32]
    field = 0.35 + brick + 0.05 * noise(generator, size, size / 2) + 0.5 * soft(joint - 0.08, 0.06)
    return _surface(field, colour(generator, 0.4, 0.15, 0.1), colour(generator, 0.85, 0.75, 0.7))


def granite(generator: Generator, size: int) -> Drawing:
    """Grains of several minerals."""
    _, first = cells(generator, size, int(generator.integers(18, 34)))
    field = 0.6 * first + 0.2 + 0.1 * noise(generator, size, size / 2)
    return _surface(field, colour(generator, 0.15, 0.15, 0.15, 0.1), colour(generator, 0.8, 0.75, 0.75, 0.15))


def striped_cloth(generator: Generator, size: int) -> Drawing:
    """Straight stripes of two widths."""
    along, _ = turned(size, generator.uniform(0, np.pi))
    field = soft(np.sin(generator.uniform(8, 40) * along) - generator.uniform(-0.6, 0.6), 0.3)
    field = field * generator.uniform(0.4, 1) + 0.05 * noise(generator, size, size)
    return _surface(field, any_colour(generator), any_colour(generator))


def gravel(generator: Generator, size: int) -> Drawing:
    """Pebbles side by side, each lit from above."""
    border, value = cells(generator, size, int(generator.integers(6, 14)), 0.7)
    field = (0.35 + 0.5 * value) * np.clip(border * 3, 0, 1) + 0.04 * noise(generator, size, size / 2)
    return _surface(field, colour(generator, 0.1, 0.1, 0.1), colour(generator, 0.85, 0.8, 0.7, 0.15))


def marble(generator: Generator, size: int) -> Drawing:
    """Veins in a pale stone."""
    along, _ = turned(size, generator.uniform(0, np.pi))
    bend = rough_noise(generator, size, 3, 4)
    veins = 1 - np.abs(np.sin(generator.uniform(2, 5) * along + generator.uniform(0.8, 1.6) * bend))
    field = 0.85 - 0.6 * veins**3 + 0.04 * noise(generator, size, 10)
    return _surface(field, any_colour(generator), colour(generator, 0.9, 0.88, 0.85))


def sand(generator: Generator, size: int) -> Drawing:
    """Ripples left by the wind."""
    along, _ = turned(size, generator.uniform(0, np.pi))
    bend = noise(generator, size, 4)
    field = 0.5 + 0.25 * np.sin(generator.uniform(15, 35) * along + bend) + 0.08 * noise(generator, size, size)
    return _surface(field, colour(generator, 0.5, 0.4, 0.25), colour(generator, 0.9, 0.8, 0.6))


def layered_rock(generator: Generator, size: int) -> Drawing:
    """Layers of different grey, gently folded."""
    along, _ = turned(size, generator.uniform(0, np.pi))
    depth = (along + 2 + 0.12 * noise(generator, size, 3)) * generator.uniform(2, 6)
    shades = generator.random(32, dtype=np.float32)
    layer = np.floor(depth).astype(int) % 31
    step = np.clip((depth % 1) * 6, 0, 1)
    field = shades[layer] * (1 - step) + shades[layer + 1] * step + 0.05 * rough_noise(generator, size, 12)
    return _surface(field, colour(generator, 0.3, 0.25, 0.2, 0.15), colour(generator, 0.85, 0.8, 0.7, 0.15))


def honeycomb(generator: Generator, size: int) -> Drawing:
    """Six-sided cells with walls."""
    along, across = turned(size, generator.uniform(0, np.pi))
    rate = generator.uniform(5, 12)
    row = along * rate
    column = across * rate * 0.866 + 0.5 * (np.round(row * 1.0) % 2)
    radius = np.hypot(row - np.round(row), column - np.round(column))
    field = soft(radius - generator.uniform(0.35, 0.45), 0.15) + 0.05 * noise(generator, size, size / 2)
    return _surface(field, colour(generator, 0.8, 0.6, 0.2, 0.2), colour(generator, 0.3, 0.18, 0.05, 0.2))


def cardboard(generator: Generator, size: int) -> Drawing:
    """A nearly plain sheet, faintly lit from one side."""
    along, _ = turned(size, generator.uniform(0, 2 * np.pi))
    field = 0.5 + generator.uniform(0, 0.3) * along + generator.uniform(0.02, 0.1) * rough_noise(generator, size, 5)
    return _surface(field, any_colour(generator), any_colour(generator))


def cloudy_glass(generator: Generator, size: int) -> Drawing:
    """Soft clouds without any edge."""
    field = 0.5 + generator.uniform(0.1, 0.3) * rough_noise(generator, size, generator.uniform(3, 10), 2)
    return _surface(field, any_colour(generator), any_colour(generator))


def cork(generator: Generator, size: int) -> Drawing:
    """Pressed crumbs, some of them dark."""
    border, value = cells(generator, size, int(generator.integers(10, 20)))
    field = 0.7 - 0.5 * (value > 0.85) * np.clip(border * 4, 0, 1) + 0.1 * rough_noise(generator, size, 20, 2)
    return _surface(field, colour(generator, 0.3, 0.18, 0.1), colour(generator, 0.8, 0.62, 0.42))


def dotted_paper(generator: Generator, size: int) -> Drawing:
    """A regular pattern of equal dots."""
    along, across = turned(size, generator.uniform(0, np.pi))
    rate, radius = generator.uniform(4, 10), generator.uniform(0.15, 0.35)
    row, column = along * rate, across * rate
    field = soft(np.hypot(row - np.round(row), column - np.round(column)) - radius, 0.12)
    return _surface(field + 0.03 * noise(generator, size, size), any_colour(generator), any_colour(generator))


def corrugated_sheet(generator: Generator, size: int) -> Drawing:
    """Broad smooth waves of a bent sheet."""
    along, across = turned(size, generator.uniform(0, np.pi))
    field = 0.5 + 0.35 * np.sin(generator.uniform(6, 16) * along) + 0.1 * across
    field = field + 0.04 * rough_noise(generator, size, 8)
    return _surface(field, any_colour(generator), any_colour(generator))


def window_panes(generator: Generator, size: int) -> Drawing:
    """Two to three rows of panes in a frame."""
    along, across = turned(size, _angle(generator))
    n, m = generator.integers(2, 4, 2)
    row, column = ((along + 1) * n / 2) % 1 - 0.5, ((across + 1) * m / 2) % 1 - 0.5
    pane = box(row, column, (0.42, 0.42), 0.08)
    field = pane * (0.7 + 0.1 * noise(generator, size, 3)) + 0.1 + 0.03 * noise(generator, size, size)
    return _surface(field, any_colour(generator), any_colour(generator))


def wicker(generator: Generator, size: int) -> Drawing:
    """Bundles of rods, plaited."""
    along, across = turned(size, _angle(generator))
    rate = generator.uniform(4, 8)
    row, column = along * rate, across * rate
    turn = (np.floor(row) + np.floor(column)) % 2
    rods = np.where(turn > 0, np.sin(3 * 2 * np.pi * row), np.sin(3 * 2 * np.pi * column))
    bend = np.where(turn > 0, np.sin(np.pi * (column % 1)), np.sin(np.pi * (row % 1)))
    field = 0.25 + 0.5 * bend + 0.15 * rods + 0.05 * noise(generator, size, size)
    return _surface(field.astype(np.float32), colour(generator, 0.25, 0.15, 0.08), colour(generator, 0.8, 0.65, 0.45))


def terrazzo(generator: Generator, size: int) -> Drawing:
    """Chips of stone in cement."""
    border, value = cells(generator, size, int(generator.integers(7, 12)))
    chips = np.clip((border - 0.25) * 6, 0, 1) * (value - 0.3)
    field = 0.5 + 0.7 * chips + 0.04 * noise(generator, size, size)
    return _surface(field, any_colour(generator), any_colour(generator))


def circuit_board(generator: Generator, size: int) -> Drawing:
    """Pads and tracks on a regular raster."""
    along, across = turned(size, _angle(generator))
    n = int(generator.integers(4, 8))
    row, column = (along + 1.5) * n / 2, (across + 1.5) * n / 2
    kind = generator.integers(0, 3, (32, 32))[np.floor(row).astype(int) % 32, np.floor(column).astype(int) % 32]
    dy, dx = row % 1 - 0.5, column % 1 - 0.5
    pad = ellipse(dy, dx, (0.28, 0.28)) - 0.8 * ellipse(dy, dx, (0.12, 0.12))
    track = soft(np.abs(dy) - 0.08, 0.05)
    field = np.where(kind == 0, pad, np.where(kind == 1, track, 0.0)).astype(np.float32)
    image = tint(field, colour(generator, 0.05, 0.3, 0.15, 0.15), colour(generator, 0.8, 0.75, 0.5))
    image = image + 0.02 * noise(generator, size, size)[..., None]
    return Drawing(np.clip(image, 0, 1).astype(np.float32), np.ones((size, size), np.float32))
