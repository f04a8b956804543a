"""Kinds of drawn pictures that show one thing on a ground: nuts, pills, fruit and the like, all flawless."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator

from bpfl_med.demo.drawing import (
    any_colour,
    blob,
    box,
    cells,
    colour,
    ellipse,
    filled,
    mix,
    noise,
    polygon_radius,
    rough_noise,
    soft,
    stroke,
    tint,
    turned,
)
from bpfl_med.demo.surfaces import Draw, Drawing

Point = tuple[float, float]


def _pose(generator: Generator, size: int, turns: float = np.pi) -> tuple[np.ndarray, np.ndarray]:
    """Give coordinates of a thing that lies nearly in the middle, turned anyhow."""
    centre = generator.normal(0, 0.06, 2)
    return turned(size, generator.uniform(0, 2 * turns), (float(centre[0]), float(centre[1])))


def _on_ground(generator: Generator, image: np.ndarray, body: np.ndarray) -> Drawing:
    """Lay a thing on a plain ground, black in half of the pictures."""
    size = len(body)
    ground = np.full(3, generator.uniform(0, 0.08), np.float32) if generator.random() < 0.5 else any_colour(generator)
    texture = ground + generator.uniform(0, 0.05) * noise(generator, size, generator.uniform(4, size))[..., None]
    return Drawing(np.clip(mix(texture, image, body), 0, 1).astype(np.float32), body)


def _grain(generator: Generator, size: int, strength: float = 0.06) -> np.ndarray:
    """Give the faint texture of a material, ``[size, size, 1]``."""
    field = rough_noise(generator, size, generator.uniform(3, size / 3), 2)
    return generator.uniform(0.2, 1) * np.float32(strength) * field[..., None]


def _polar(along: np.ndarray, across: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.hypot(along, across), np.arctan2(along, across)


def metal_nut(generator: Generator, size: int) -> Drawing:
    """Six corners and a threaded hole."""
    along, across = _pose(generator, size)
    radius, angle = _polar(along, across)
    outer, hole = generator.uniform(0.55, 0.8), generator.uniform(0.25, 0.4)
    body = soft(radius / polygon_radius(angle, 6) - outer) * (1 - soft(radius - hole))
    field = 0.55 + 0.2 * np.cos(angle - generator.uniform(0, 6)) - 0.3 * soft(np.abs(radius - hole - 0.05) - 0.02)
    image = tint(field, colour(generator, 0.1, 0.1, 0.1), colour(generator, 0.85, 0.83, 0.8)) + _grain(generator, size)
    return _on_ground(generator, image, body)


def washer(generator: Generator, size: int) -> Drawing:
    """A flat ring."""
    radius, angle = _polar(*_pose(generator, size))
    outer = generator.uniform(0.6, 0.85)
    body = soft(radius - outer) * (1 - soft(radius - outer * generator.uniform(0.3, 0.7)))
    field = 0.5 + 0.15 * np.sin(2 * angle)
    return _on_ground(
        generator, tint(field, any_colour(generator), any_colour(generator)) + _grain(generator, size), body
    )


def capsule(generator: Generator, size: int) -> Drawing:
    """A long pill of two halves with a gleam."""
    along, across = _pose(generator, size)
    half = (generator.uniform(0.6, 0.8), generator.uniform(0.22, 0.35))
    body = box(along, across, half, half[1])
    image = mix(any_colour(generator), any_colour(generator), soft(along - generator.uniform(-0.1, 0.1)))
    shade = 1 - 0.5 * (across / half[1]) ** 2
    return _on_ground(generator, image * shade[..., None] + _grain(generator, size, 0.03), body)


def tablet(generator: Generator, size: int) -> Drawing:
    """A round pill with a score line."""
    along, across = _pose(generator, size)
    radius = generator.uniform(0.5, 0.8)
    body = ellipse(along, across, (radius, radius * generator.uniform(0.6, 1)))
    shade = 0.85 - 0.2 * soft(np.abs(along) - 0.03) + 0.1 * across
    return _on_ground(generator, any_colour(generator) * shade[..., None] + _grain(generator, size), body)


def leaf(generator: Generator, size: int) -> Drawing:
    """A pointed blade with a midrib and side veins."""
    along, across = _pose(generator, size)
    length, width = generator.uniform(0.75, 0.95), generator.uniform(0.25, 0.45)
    outline = width * np.cos(np.clip(along / length, -1, 1) * np.pi / 2)
    body = soft(np.abs(across) - outline)
    side = np.abs(((along - 0.7 * np.abs(across)) * generator.uniform(3, 6)) % 1 - 0.5)
    veins = np.maximum(soft(np.abs(across) - 0.02), 0.6 * soft(side - 0.06, 0.1))
    image = tint(0.4 + 0.4 * veins, colour(generator, 0.05, 0.2, 0.05), colour(generator, 0.5, 0.75, 0.3, 0.15))
    return _on_ground(generator, image + _grain(generator, size), body)


def ceramic_plate(generator: Generator, size: int) -> Drawing:
    """A round plate with a rim and painted rings."""
    radius, _ = _polar(*_pose(generator, size))
    outer = generator.uniform(0.75, 0.92)
    field = 0.9 - 0.2 * soft(np.abs(radius - 0.65 * outer) - 0.02, 0.06)
    image = any_colour(generator) * field[..., None]
    ring = soft(np.abs(radius - outer * generator.uniform(0.75, 0.92)) - generator.uniform(0.01, 0.05))
    return _on_ground(
        generator, mix(image, any_colour(generator), ring) + _grain(generator, size, 0.03), soft(radius - outer)
    )


def citrus_slice(generator: Generator, size: int) -> Drawing:
    """Rind, pith and segments of a cut fruit."""
    radius, angle = _polar(*_pose(generator, size))
    outer, n = generator.uniform(0.65, 0.88), generator.integers(8, 12)
    wall = np.abs((angle * n / (2 * np.pi)) % 1 - 0.5) * radius * 2 * np.pi / n
    flesh = soft(radius - 0.85 * outer) * (1 - soft(wall - 0.02)) * (1 - soft(radius - 0.08))
    image = mix(colour(generator, 0.95, 0.9, 0.75), colour(generator, 0.9, 0.6, 0.15, 0.2), flesh)
    image = mix(image, colour(generator, 0.85, 0.5, 0.1, 0.2), soft(-(radius - 0.93 * outer)))
    return _on_ground(generator, image + _grain(generator, size, 0.08), soft(radius - outer))


def tree_slice(generator: Generator, size: int) -> Drawing:
    """Yearly rings and bark."""
    radius, angle = _polar(*_pose(generator, size))
    outer = generator.uniform(0.65, 0.88) * (1 + 0.03 * np.sin(3 * angle + 1) + 0.02 * noise(generator, size, 6))
    rings = 0.5 + 0.5 * np.sin(generator.uniform(25, 60) * radius + 0.8 * noise(generator, size, 4))
    image = tint(0.3 + 0.7 * rings, colour(generator, 0.5, 0.35, 0.2), colour(generator, 0.85, 0.7, 0.5))
    image = mix(image, colour(generator, 0.2, 0.13, 0.08), soft(0.9 * outer - radius, 0.05))
    return _on_ground(generator, image + _grain(generator, size), soft(radius - outer))


def egg(generator: Generator, size: int) -> Drawing:
    """A smooth shell, lit from one side."""
    along, across = _pose(generator, size)
    length, light = generator.uniform(0.6, 0.85), generator.uniform(0, 2 * np.pi)
    body = ellipse(along, across * (1 + 0.25 * along), (length, 0.75 * length))
    shade = 0.75 + 0.3 * (np.cos(light) * along + np.sin(light) * across)
    speckle = generator.uniform(0, 0.06) * noise(generator, size, size / 2)
    return _on_ground(generator, colour(generator, 0.85, 0.75, 0.65, 0.2) * (shade + speckle)[..., None], body)


def button(generator: Generator, size: int) -> Drawing:
    """A disc with two or four holes."""
    along, across = _pose(generator, size)
    radius, _ = _polar(along, across)
    outer, gap = generator.uniform(0.6, 0.85), generator.uniform(0.14, 0.2)
    holes = [(gap, gap), (-gap, -gap), (gap, -gap), (-gap, gap)][: generator.choice([2, 4])]
    body = soft(radius - outer)
    for row, column in holes:
        body = body * (1 - ellipse(along - row, across - column, (0.08, 0.08)))
    shade = 0.8 + 0.2 * soft(np.abs(radius - 0.8 * outer) - 0.04, 0.08)
    return _on_ground(generator, any_colour(generator) * shade[..., None] + _grain(generator, size), body)


def screw(generator: Generator, size: int) -> Drawing:
    """A head and a thread."""
    along, across = _pose(generator, size)
    shaft, head = generator.uniform(0.12, 0.2), generator.uniform(0.28, 0.4)
    pitch = generator.uniform(20, 40)
    thread = shaft + 0.04 * np.sin(pitch * along)
    body = np.maximum(
        soft(np.abs(across) - thread) * soft(np.abs(along - 0.1) - 0.7), box(along + 0.6, across, (0.14, head))
    )
    shade = 0.55 + 0.3 * np.cos(across / shaft) + 0.15 * np.sin(pitch * along - 6 * across) * (along > -0.45)
    image = tint(shade, colour(generator, 0.1, 0.1, 0.1), colour(generator, 0.75, 0.73, 0.7))
    return _on_ground(generator, image + _grain(generator, size), body)


def coin(generator: Generator, size: int) -> Drawing:
    """A disc with a rim and a star in relief."""
    radius, angle = _polar(*_pose(generator, size))
    outer, points = generator.uniform(0.65, 0.9), generator.integers(5, 9)
    star = soft(radius - outer * (0.45 + 0.18 * np.cos(points * angle)))
    rim = soft(np.abs(radius - 0.93 * outer) - 0.04)
    field = 0.5 + 0.25 * star + 0.3 * rim + 0.1 * np.cos(angle)
    image = tint(field, colour(generator, 0.2, 0.15, 0.1), colour(generator, 0.85, 0.75, 0.5, 0.15))
    return _on_ground(generator, image + _grain(generator, size), soft(radius - outer))


def biscuit(generator: Generator, size: int) -> Drawing:
    """A baked square with a wavy edge and rows of holes."""
    along, across = _pose(generator, size)
    half, rate = generator.uniform(0.55, 0.75), generator.uniform(2.5, 4.5)
    body = box(along + 0.02 * np.sin(20 * across), across + 0.02 * np.sin(20 * along), (half, half * 0.9), 0.1)
    row, column = along * rate, across * rate
    holes = soft(np.hypot(row - np.round(row), column - np.round(column)) - 0.12, 0.1)
    image = tint(0.8 - 0.6 * holes, colour(generator, 0.35, 0.2, 0.08), colour(generator, 0.85, 0.65, 0.38, 0.12))
    return _on_ground(generator, image + _grain(generator, size, 0.1), body)


def cable_section(generator: Generator, size: int) -> Drawing:
    """Three cores in a sheath."""
    along, across = _pose(generator, size)
    radius, _ = _polar(along, across)
    outer, n = generator.uniform(0.7, 0.9), generator.integers(2, 5)
    image = np.broadcast_to(any_colour(generator), (size, size, 3))
    image = mix(image, any_colour(generator), soft(radius - 0.86 * outer))
    core, copper, reach = any_colour(generator), any_colour(generator), 0.48 * outer
    for turn in np.arange(n) * 2 * np.pi / n:
        dy, dx = along - reach * np.float32(np.sin(turn)), across - reach * np.float32(np.cos(turn))
        image = mix(
            mix(image, core, ellipse(dy, dx, (0.36 * outer, 0.36 * outer))), copper, ellipse(dy, dx, (0.22, 0.22))
        )
    return _on_ground(generator, image + _grain(generator, size), soft(radius - outer))


def seed_pod(generator: Generator, size: int) -> Drawing:
    """A long husk with a row of seeds."""
    along, across = _pose(generator, size)
    length, width, n = generator.uniform(0.75, 0.95), generator.uniform(0.22, 0.35), generator.integers(3, 7)
    image = np.broadcast_to(any_colour(generator), (size, size, 3))
    seed = any_colour(generator)
    for place in np.linspace(-0.68, 0.68, n) * length:
        image = mix(image, seed, ellipse(along - np.float32(place), across, (0.5 * length / n, 0.6 * width)))
    return _on_ground(generator, image + _grain(generator, size), ellipse(along, across, (length, width)))


def stone_fruit(generator: Generator, size: int) -> Drawing:
    """Skin, flesh and a stone, cut in half."""
    along, across = _pose(generator, size)
    outer = generator.uniform(0.65, 0.88)
    radii = (outer, outer * generator.uniform(0.75, 1))
    skin, flesh, stone = (any_colour(generator) for _ in range(3))
    image = mix(skin, flesh, ellipse(along, across, (radii[0] * 0.93, radii[1] * 0.93)))
    core = generator.uniform(0.2, 0.4)
    inner = ellipse(along - generator.uniform(-0.1, 0.1), across, (core, core * generator.uniform(0.6, 1)))
    image = mix(image + _grain(generator, size, 0.08), stone + _grain(generator, size, 0.08), inner)
    return _on_ground(generator, image, ellipse(along, across, radii))


def agate(generator: Generator, size: int) -> Drawing:
    """Bands that follow an irregular outline inwards."""
    centre = generator.normal(0, 0.05, 2)
    distance = blob(generator, size, (float(centre[0]), float(centre[1])), generator.uniform(0.6, 0.75), 0.6)
    shades = generator.random(32, dtype=np.float32)
    depth = np.clip(-distance * generator.uniform(6, 16) + 0.3 * noise(generator, size, 5), 0, 30)
    layer, step = np.floor(depth).astype(int), np.clip((depth % 1) * 4, 0, 1)
    field = shades[layer] * (1 - step) + shades[layer + 1] * step
    image = tint(field, any_colour(generator), any_colour(generator)) + _grain(generator, size)
    return _on_ground(generator, image, soft(distance))


def pebble(generator: Generator, size: int) -> Drawing:
    """One rounded stone with a mottled face."""
    centre = generator.normal(0, 0.08, 2)
    distance = blob(generator, size, (float(centre[0]), float(centre[1])), generator.uniform(0.5, 0.75), 0.3)
    field = 0.5 + 0.6 * np.clip(-distance, 0, 0.5) + generator.uniform(0.02, 0.15) * rough_noise(generator, size, 8)
    image = tint(field, any_colour(generator), any_colour(generator))
    return _on_ground(generator, image, soft(distance))


def loaf_slice(generator: Generator, size: int) -> Drawing:
    """Crust around a crumb with pores."""
    along, across = _pose(generator, size, 0.15)
    half = (generator.uniform(0.55, 0.75), generator.uniform(0.6, 0.8))
    distance = box(along, across, half, 0.3)
    crumb = box(along, across, (half[0] - 0.07, half[1] - 0.07), 0.25)
    border, value = cells(generator, size, int(generator.integers(9, 16)))
    pores = np.clip(border * 3, 0, 1) * (value > 0.7)
    image = tint(0.85 - 0.25 * pores, colour(generator, 0.4, 0.3, 0.2), colour(generator, 0.95, 0.88, 0.72))
    return _on_ground(
        generator, mix(colour(generator, 0.5, 0.3, 0.12), image, crumb) + _grain(generator, size), distance
    )


def microchip(generator: Generator, size: int) -> Drawing:
    """A dark package with two rows of pins."""
    along, across = _pose(generator, size)
    half, n = (generator.uniform(0.55, 0.75), generator.uniform(0.3, 0.45)), generator.integers(4, 9)
    package = box(along, across, half)
    pitch = along / half[0] * n / 2
    pins = soft(np.abs(pitch - np.floor(pitch) - 0.5) - 0.2, 0.1) * box(along, across, (half[0] - 0.03, half[1] + 0.15))
    body = np.maximum(package, pins)
    image = mix(colour(generator, 0.75, 0.75, 0.75), colour(generator, 0.12, 0.12, 0.13, 0.12), package)
    mark = ellipse(along + half[0] * 0.75, across, (0.06, 0.06))
    return _on_ground(generator, mix(image, any_colour(generator), mark) + _grain(generator, size, 0.04), body)


def bottle(generator: Generator, size: int) -> Drawing:
    """Seen from the side: neck, shoulders, label."""
    along, across = _pose(generator, size, 0.1)
    belly, neck = generator.uniform(0.3, 0.42), generator.uniform(0.1, 0.16)
    step = np.clip((along + generator.uniform(0.2, 0.45)) * 5, 0, 1)
    body = soft(np.abs(across) - (neck + (belly - neck) * step)) * soft(np.abs(along) - 0.88)
    gleam = np.exp(-(((across - 0.4 * belly) / 0.07) ** 2))
    image = any_colour(generator) * (0.8 - 0.5 * (across / belly) ** 2 + 0.4 * gleam)[..., None]
    label = box(along - 0.3, across, (generator.uniform(0.15, 0.3), belly), 0.02)
    return _on_ground(generator, mix(image, any_colour(generator), label) + _grain(generator, size, 0.03), body)


def starfish(generator: Generator, size: int) -> Drawing:
    """Five arms with a row of knobs on each."""
    radius, angle = _polar(*_pose(generator, size))
    arms, outer = generator.integers(5, 8), generator.uniform(0.7, 0.95)
    reach = outer * (0.35 + 0.65 * np.abs(np.cos(arms * angle / 2)) ** generator.uniform(1.5, 4))
    knobs = 0.5 + 0.5 * np.sin(generator.uniform(20, 35) * radius)
    image = tint(
        0.5 + 0.3 * knobs * soft(np.abs(np.sin(arms * angle / 2)) - 0.15, 0.2),
        any_colour(generator),
        any_colour(generator),
    )
    return _on_ground(generator, image + _grain(generator, size), soft(radius - reach))


def picture_frame(generator: Generator, size: int) -> Drawing:
    """A moulded frame around an empty sheet."""
    along, across = _pose(generator, size, 0.05)
    half, wide = (generator.uniform(0.65, 0.85), generator.uniform(0.65, 0.85)), generator.uniform(0.12, 0.25)
    body = box(along, across, half, 0.02)
    inner = box(along, across, (half[0] - wide, half[1] - wide), 0.01)
    edge = np.maximum(np.abs(along) - half[0], np.abs(across) - half[1])
    image = any_colour(generator) * (0.7 + 0.3 * np.sin(edge * generator.uniform(20, 60)))[..., None]
    return _on_ground(generator, mix(image, any_colour(generator), inner) + _grain(generator, size), body)


def fork(generator: Generator, size: int) -> Drawing:
    """A handle and three to five tines."""
    along, across = _pose(generator, size)
    n, wide = generator.integers(3, 6), generator.uniform(0.22, 0.32)
    pitch = across / wide * n / 2 + (n % 2) / 2
    tines = soft(np.abs(pitch - np.floor(pitch) - 0.5) - 0.25, 0.1) * box(along + 0.55, across, (0.35, wide), 0.02)
    body = np.maximum(
        np.maximum(tines, box(along + 0.1, across, (0.18, wide), 0.12)), box(along - 0.45, across, (0.45, 0.09), 0.08)
    )
    field = 0.65 + 0.2 * np.cos(3 * across + generator.uniform(0, 6))
    image = tint(field, colour(generator, 0.2, 0.2, 0.2), colour(generator, 0.85, 0.85, 0.87))
    return _on_ground(generator, image + _grain(generator, size, 0.04), body)


def flower(generator: Generator, size: int) -> Drawing:
    """Petals around a disc."""
    radius, angle = _polar(*_pose(generator, size))
    n, outer = generator.integers(5, 12), generator.uniform(0.7, 0.92)
    petals = soft(radius - outer * (0.55 + 0.45 * np.abs(np.cos(n * angle / 2))))
    image = any_colour(generator) * (0.7 + 0.3 * np.abs(np.cos(n * angle / 2)))[..., None]
    disc = soft(radius - generator.uniform(0.15, 0.3))
    return _on_ground(generator, mix(image, any_colour(generator), disc) + _grain(generator, size), petals)


def gear(generator: Generator, size: int) -> Drawing:
    """Teeth, spokes and a shaft hole."""
    radius, angle = _polar(*_pose(generator, size))
    teeth, outer = generator.integers(10, 22), generator.uniform(0.65, 0.85)
    edge = outer + 0.05 * np.clip(3 * np.sin(teeth * angle), -1, 1)
    holes = soft(np.abs(radius - 0.55 * outer) - 0.12) * soft(np.cos(generator.integers(3, 6) * angle) + 0.2, 0.2)
    body = soft(radius - edge) * (1 - soft(radius - 0.15)) * (1 - holes)
    image = tint(0.5 + 0.2 * np.cos(angle), any_colour(generator), any_colour(generator))
    return _on_ground(generator, image + _grain(generator, size), body)


def avocado(generator: Generator, size: int) -> Drawing:
    """A pear-shaped half with a round stone."""
    along, across = _pose(generator, size)
    scale = generator.uniform(0.7, 0.85)
    radius = np.hypot(along, across * (1.3 - 0.45 * along)) / scale
    image = tint(np.clip(1.2 - radius, 0, 1), colour(generator, 0.3, 0.5, 0.1), colour(generator, 0.95, 0.9, 0.5))
    image = mix(image, colour(generator, 0.1, 0.15, 0.05), soft(0.93 - radius))
    image = mix(image, colour(generator, 0.4, 0.22, 0.1), ellipse(along - 0.2, across, (0.28, 0.28)))
    return _on_ground(generator, image + _grain(generator, size), soft(radius - 1))


def zipper(generator: Generator, size: int) -> Drawing:
    """Two rows of teeth between strips of cloth."""
    along, across = _pose(generator, size, 0.2)
    rate = generator.uniform(5, 9)
    left = soft(np.abs((along * rate) % 1 - 0.5) - 0.28, 0.1) * box(along, across + 0.1, (2, 0.13), 0.01)
    right = soft(np.abs((along * rate + 0.5) % 1 - 0.5) - 0.28, 0.1) * box(along, across - 0.1, (2, 0.13), 0.01)
    weave = 0.6 + 0.08 * np.sin(50 * across) * np.sin(50 * along) + 0.04 * noise(generator, size, size)
    image = any_colour(generator) * weave[..., None]
    image = mix(image, any_colour(generator), np.maximum(left, right))
    return _on_ground(generator, image, soft(np.abs(across) - generator.uniform(0.5, 0.8)))


def pencil_bundle(generator: Generator, size: int) -> Drawing:
    """Pencils side by side, points up."""
    n, sharp = int(generator.integers(4, 8)), generator.uniform(0.15, 0.3)
    image, body = np.zeros((size, size, 3), np.float32), np.zeros((size, size), np.float32)
    for k in range(n):
        left, right = -0.8 + 1.6 * k / n + 0.02, -0.8 + 1.6 * (k + 1) / n - 0.02
        top, middle = -0.75 + generator.uniform(0, 0.1), (left + right) / 2
        corners: Sequence[Point] = [
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
    return _on_ground(generator, image + _grain(generator, size, 0.04), body)


TRAINING_OBJECTS: dict[str, Draw] = {
    "metal nut": metal_nut,
    "washer": washer,
    "capsule": capsule,
    "tablet": tablet,
    "leaf": leaf,
    "ceramic plate": ceramic_plate,
    "citrus slice": citrus_slice,
    "tree slice": tree_slice,
    "egg": egg,
    "button": button,
    "screw": screw,
    "coin": coin,
    "biscuit": biscuit,
    "cable": cable_section,
    "seed pod": seed_pod,
    "stone fruit": stone_fruit,
    "agate": agate,
    "pebble": pebble,
    "slice of bread": loaf_slice,
    "microchip": microchip,
    "bottle": bottle,
    "starfish": starfish,
    "picture frame": picture_frame,
    "fork": fork,
    "flower": flower,
    "bundle of pencils": pencil_bundle,
}
VALIDATION_OBJECTS: dict[str, Draw] = {"gear": gear, "avocado": avocado, "zipper": zipper}
