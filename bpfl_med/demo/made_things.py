"""Kinds of drawn pictures that show one thing that was made: nuts, pills, plates and the like, all flawless."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from bpfl_med.demo.drawing import (
    Drawing,
    any_colour,
    box,
    colour,
    ellipse,
    filled,
    mix,
    noise,
    polygon_radius,
    soft,
    stroke,
    tint,
)
from bpfl_med.demo.placing import grain, on_ground, polar, pose


def metal_nut(generator: Generator, size: int) -> Drawing:
    """Six corners and a threaded hole."""
    along, across = pose(generator, size)
    radius, angle = polar(along, across)
    outer, hole = generator.uniform(0.55, 0.8), generator.uniform(0.25, 0.4)
    body = soft(radius / polygon_radius(angle, 6) - outer) * (1 - soft(radius - hole))
    field = 0.55 + 0.2 * np.cos(angle - generator.uniform(0, 6)) - 0.3 * soft(np.abs(radius - hole - 0.05) - 0.02)
    image = tint(field, colour(generator, 0.1, 0.1, 0.1), colour(generator, 0.85, 0.83, 0.8)) + grain(generator, size)
    return on_ground(generator, image, body)


def washer(generator: Generator, size: int) -> Drawing:
    """A flat ring."""
    radius, angle = polar(*pose(generator, size))
    outer = generator.uniform(0.6, 0.85)
    body = soft(radius - outer) * (1 - soft(radius - outer * generator.uniform(0.3, 0.7)))
    field = 0.5 + 0.15 * np.sin(2 * angle)
    return on_ground(
        generator, tint(field, any_colour(generator), any_colour(generator)) + grain(generator, size), body
    )


def capsule(generator: Generator, size: int) -> Drawing:
    """A long pill of two halves with a gleam."""
    along, across = pose(generator, size)
    half = (generator.uniform(0.6, 0.8), generator.uniform(0.22, 0.35))
    body = box(along, across, half, half[1])
    image = mix(any_colour(generator), any_colour(generator), soft(along - generator.uniform(-0.1, 0.1)))
    shade = 1 - 0.5 * (across / half[1]) ** 2
    return on_ground(generator, image * shade[..., None] + grain(generator, size, 0.03), body)


def tablet(generator: Generator, size: int) -> Drawing:
    """A round pill with a score line."""
    along, across = pose(generator, size)
    radius = generator.uniform(0.5, 0.8)
    body = ellipse(along, across, (radius, radius * generator.uniform(0.6, 1)))
    shade = 0.85 - 0.2 * soft(np.abs(along) - 0.03) + 0.1 * across
    return on_ground(generator, any_colour(generator) * shade[..., None] + grain(generator, size), body)


def ceramic_plate(generator: Generator, size: int) -> Drawing:
    """A round plate with a rim and painted rings."""
    radius, _ = polar(*pose(generator, size))
    outer = generator.uniform(0.75, 0.92)
    field = 0.9 - 0.2 * soft(np.abs(radius - 0.65 * outer) - 0.02, 0.06)
    image = any_colour(generator) * field[..., None]
    ring = soft(np.abs(radius - outer * generator.uniform(0.75, 0.92)) - generator.uniform(0.01, 0.05))
    return on_ground(
        generator, mix(image, any_colour(generator), ring) + grain(generator, size, 0.03), soft(radius - outer)
    )


def button(generator: Generator, size: int) -> Drawing:
    """A disc with two or four holes."""
    along, across = pose(generator, size)
    radius, _ = polar(along, across)
    outer, gap = generator.uniform(0.6, 0.85), generator.uniform(0.14, 0.2)
    holes = [(gap, gap), (-gap, -gap), (gap, -gap), (-gap, gap)][: generator.choice([2, 4])]
    body = soft(radius - outer)
    for row, column in holes:
        body = body * (1 - ellipse(along - row, across - column, (0.08, 0.08)))
    shade = 0.8 + 0.2 * soft(np.abs(radius - 0.8 * outer) - 0.04, 0.08)
    return on_ground(generator, any_colour(generator) * shade[..., None] + grain(generator, size), body)


def screw(generator: Generator, size: int) -> Drawing:
    """A head and a thread."""
    along, across = pose(generator, size)
    shaft, head = generator.uniform(0.12, 0.2), generator.uniform(0.28, 0.4)
    pitch = generator.uniform(20, 40)
    thread = shaft + 0.04 * np.sin(pitch * along)
    body = np.maximum(
        soft(np.abs(across) - thread) * soft(np.abs(along - 0.1) - 0.7), box(along + 0.6, across, (0.14, head))
    )
    shade = 0.55 + 0.3 * np.cos(across / shaft) + 0.15 * np.sin(pitch * along - 6 * across) * (along > -0.45)
    image = tint(shade, colour(generator, 0.1, 0.1, 0.1), colour(generator, 0.75, 0.73, 0.7))
    return on_ground(generator, image + grain(generator, size), body)


def coin(generator: Generator, size: int) -> Drawing:
    """A disc with a rim and a star in relief."""
    radius, angle = polar(*pose(generator, size))
    outer, points = generator.uniform(0.65, 0.9), generator.integers(5, 9)
    star = soft(radius - outer * (0.45 + 0.18 * np.cos(points * angle)))
    rim = soft(np.abs(radius - 0.93 * outer) - 0.04)
    field = 0.5 + 0.25 * star + 0.3 * rim + 0.1 * np.cos(angle)
    image = tint(field, colour(generator, 0.2, 0.15, 0.1), colour(generator, 0.85, 0.75, 0.5, 0.15))
    return on_ground(generator, image + grain(generator, size), soft(radius - outer))


def biscuit(generator: Generator, size: int) -> Drawing:
    """A baked square with a wavy edge and rows of holes."""
    along, across = pose(generator, size)
    half, rate = generator.uniform(0.55, 0.75), generator.uniform(2.5, 4.5)
    body = box(along + 0.02 * np.sin(20 * across), across + 0.02 * np.sin(20 * along), (half, half * 0.9), 0.1)
    row, column = along * rate, across * rate
    holes = soft(np.hypot(row - np.round(row), column - np.round(column)) - 0.12, 0.1)
    image = tint(0.8 - 0.6 * holes, colour(generator, 0.35, 0.2, 0.08), colour(generator, 0.85, 0.65, 0.38, 0.12))
    return on_ground(generator, image + grain(generator, size, 0.1), body)


def cable_section(generator: Generator, size: int) -> Drawing:
    """Three cores in a sheath."""
    along, across = pose(generator, size)
    radius, _ = polar(along, across)
    outer, n = generator.uniform(0.7, 0.9), generator.integers(2, 5)
    image = np.broadcast_to(any_colour(generator), (size, size, 3))
    image = mix(image, any_colour(generator), soft(radius - 0.86 * outer))
    core, copper, reach = any_colour(generator), any_colour(generator), 0.48 * outer
    for turn in np.arange(n) * 2 * np.pi / n:
        dy, dx = along - reach * np.float32(np.sin(turn)), across - reach * np.float32(np.cos(turn))
        image = mix(
            mix(image, core, ellipse(dy, dx, (0.36 * outer, 0.36 * outer))), copper, ellipse(dy, dx, (0.22, 0.22))
        )
    return on_ground(generator, image + grain(generator, size), soft(radius - outer))


def microchip(generator: Generator, size: int) -> Drawing:
    """A dark package with two rows of pins."""
    along, across = pose(generator, size)
    half, n = (generator.uniform(0.55, 0.75), generator.uniform(0.3, 0.45)), generator.integers(4, 9)
    package = box(along, across, half)
    pitch = along / half[0] * n / 2
    pins = soft(np.abs(pitch - np.floor(pitch) - 0.5) - 0.2, 0.1) * box(along, across, (half[0] - 0.03, half[1] + 0.15))
    body = np.maximum(package, pins)
    image = mix(colour(generator, 0.75, 0.75, 0.75), colour(generator, 0.12, 0.12, 0.13, 0.12), package)
    mark = ellipse(along + half[0] * 0.75, across, (0.06, 0.06))
    return on_ground(generator, mix(image, any_colour(generator), mark) + grain(generator, size, 0.04), body)


def bottle(generator: Generator, size: int) -> Drawing:
    """Seen from the side: neck, shoulders, label."""
    along, across = pose(generator, size, 0.1)
    belly, neck = generator.uniform(0.3, 0.42), generator.uniform(0.1, 0.16)
    step = np.clip((along + generator.uniform(0.2, 0.45)) * 5, 0, 1)
    body = soft(np.abs(across) - (neck + (belly - neck) * step)) * soft(np.abs(along) - 0.88)
    gleam = np.exp(-(((across - 0.4 * belly) / 0.07) ** 2))
    image = any_colour(generator) * (0.8 - 0.5 * (across / belly) ** 2 + 0.4 * gleam)[..., None]
    label = box(along - 0.3, across, (generator.uniform(0.15, 0.3), belly), 0.02)
    return on_ground(generator, mix(image, any_colour(generator), label) + grain(generator, size, 0.03), body)


def picture_frame(generator: Generator, size: int) -> Drawing:
    """A moulded frame around an empty sheet."""
    along, across = pose(generator, size, 0.05)
    half, wide = (generator.uniform(0.65, 0.85), generator.uniform(0.65, 0.85)), generator.uniform(0.12, 0.25)
    body = box(along, across, half, 0.02)
    inner = box(along, across, (half[0] - wide, half[1] - wide), 0.01)
    edge = np.maximum(np.abs(along) - half[0], np.abs(across) - half[1])
    image = any_colour(generator) * (0.7 + 0.3 * np.sin(edge * generator.uniform(20, 60)))[..., None]
    return on_ground(generator, mix(image, any_colour(generator), inner) + grain(generator, size), body)


def fork(generator: Generator, size: int) -> Drawing:
    """A handle and three to five tines."""
    along, across = pose(generator, size)
    n, wide = generator.integers(3, 6), generator.uniform(0.22, 0.32)
    pitch = across / wide * n / 2 + (n % 2) / 2
    tines = soft(np.abs(pitch - np.floor(pitch) - 0.5) - 0.25, 0.1) * box(along + 0.55, across, (0.35, wide), 0.02)
    body = np.maximum(
        np.maximum(tines, box(along + 0.1, across, (0.18, wide), 0.12)), box(along - 0.45, across, (0.45, 0.09), 0.08)
    )
    field = 0.65 + 0.2 * np.cos(3 * across + generator.uniform(0, 6))
    image = tint(field, colour(generator, 0.2, 0.2, 0.2), colour(generator, 0.85, 0.85, 0.87))
    return on_ground(generator, image + grain(generator, size, 0.04), body)


def gear(generator: Generator, size: int) -> Drawing:
    """Teeth, spokes and a shaft hole."""
    radius, angle = polar(*pose(generator, size))
    teeth, outer = generator.integers(10, 22), generator.uniform(0.65, 0.85)
    edge = outer + 0.05 * np.clip(3 * np.sin(teeth * angle), -1, 1)
    holes = soft(np.abs(radius - 0.55 * outer) - 0.12) * soft(np.cos(generator.integers(3, 6) * angle) + 0.2, 0.2)
    body = soft(radius - edge) * (1 - soft(radius - 0.15)) * (1 - holes)
    image = tint(0.5 + 0.2 * np.cos(angle), any_colour(generator), any_colour(generator))
    return on_ground(generator, image + grain(generator, size), body)


def zipper(generator: Generator, size: int) -> Drawing:
    """Two rows of teeth between strips of cloth."""
    along, across = pose(generator, size, 0.2)
    rate = generator.uniform(5, 9)
    left = soft(np.abs((along * rate) % 1 - 0.5) - 0.28, 0.1) * box(along, across + 0.1, (2, 0.13), 0.01)
    right = soft(np.abs((along * rate + 0.5) % 1 - 0.5) - 0.28, 0.1) * box(along, across - 0.1, (2, 0.13), 0.01)
    weave = 0.6 + 0.08 * np.sin(50 * across) * np.sin(50 * along) + 0.04 * noise(generator, size, size)
    image = any_colour(generator) * weave[..., None]
    image = mix(image, any_colour(generator), np.maximum(left, right))
    return on_ground(generator, image, soft(np.abs(across) - generator.uniform(0.5, 0.8)))


def pencil_bundle(generator: Generator, size: int) -> Drawing:
    """Pencils side by side, points up."""
    n, sharp = int(generator.integers(4, 8)), generator.uniform(0.15, 0.3)
    image, body = np.zeros((size, size, 3), np.float32), np.zeros((size, size), np.float32)
    for k in range(n):
        left, right = -0.8 + 1.6 * k / n + 0.02, -0.8 + 1.6 * (k + 1) / n - 0.02
        top, middle = -0.75 + generator.uniform(0, 0.1), (left + right) / 2
        corners = [
            (0.85, left),
            (top + sharp, left),
            (top, middle),
            (top + sharp, right),
            (0.85, right),
        ]
        shape = filled(np.array(corners), size)
        image = mix(image, any_colour(generator), shape)
        image = mix(
            image,
            colour(generator, 0.1, 0.1, 0.1),
            stroke(np.array([(top + 0.02, middle), (top + 0.1, middle)]), 0.04, size),
        )
        body = np.maximum(body, shape)
    return on_ground(generator, image + grain(generator, size, 0.04), body)
