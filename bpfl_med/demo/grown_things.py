"""Kinds of drawn pictures that show one thing that has grown: leaves, fruit, stones and the like, all flawless."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from bpfl_med.demo.drawing import (
    Drawing,
    any_colour,
    blob,
    box,
    cells,
    colour,
    ellipse,
    mix,
    noise,
    rough_noise,
    soft,
    tint,
)
from bpfl_med.demo.placing import grain, on_ground, polar, pose


def leaf(generator: Generator, size: int) -> Drawing:
    """A pointed blade with a midrib and side veins."""
    along, across = pose(generator, size)
    length, width = generator.uniform(0.75, 0.95), generator.uniform(0.25, 0.45)
    outline = width * np.cos(np.clip(along / length, -1, 1) * np.pi / 2)
    body = soft(np.abs(across) - outline)
    side = np.abs(((along - 0.7 * np.abs(across)) * generator.uniform(3, 6)) % 1 - 0.5)
    veins = np.maximum(soft(np.abs(across) - 0.02), 0.6 * soft(side - 0.06, 0.1))
    image = tint(0.4 + 0.4 * veins, colour(generator, 0.05, 0.2, 0.05), colour(generator, 0.5, 0.75, 0.3, 0.15))
    return on_ground(generator, image + grain(generator, size), body)


def citrus_slice(generator: Generator, size: int) -> Drawing:
    """Rind, pith and segments of a cut fruit."""
    radius, angle = polar(*pose(generator, size))
    outer, n = generator.uniform(0.65, 0.88), generator.integers(8, 12)
    wall = np.abs((angle * n / (2 * np.pi)) % 1 - 0.5) * radius * 2 * np.pi / n
    flesh = soft(radius - 0.85 * outer) * (1 - soft(wall - 0.02)) * (1 - soft(radius - 0.08))
    image = mix(colour(generator, 0.95, 0.9, 0.75), colour(generator, 0.9, 0.6, 0.15, 0.2), flesh)
    image = mix(image, colour(generator, 0.85, 0.5, 0.1, 0.2), soft(-(radius - 0.93 * outer)))
    return on_ground(generator, image + grain(generator, size, 0.08), soft(radius - outer))


def tree_slice(generator: Generator, size: int) -> Drawing:
    """Yearly rings and bark."""
    radius, angle = polar(*pose(generator, size))
    outer = generator.uniform(0.65, 0.88) * (1 + 0.03 * np.sin(3 * angle + 1) + 0.02 * noise(generator, size, 6))
    rings = 0.5 + 0.5 * np.sin(generator.uniform(25, 60) * radius + 0.8 * noise(generator, size, 4))
    image = tint(0.3 + 0.7 * rings, colour(generator, 0.5, 0.35, 0.2), colour(generator, 0.85, 0.7, 0.5))
    image = mix(image, colour(generator, 0.2, 0.13, 0.08), soft(0.9 * outer - radius, 0.05))
    return on_ground(generator, image + grain(generator, size), soft(radius - outer))


def egg(generator: Generator, size: int) -> Drawing:
    """A smooth shell, lit from one side."""
    along, across = pose(generator, size)
    length, light = generator.uniform(0.6, 0.85), generator.uniform(0, 2 * np.pi)
    body = ellipse(along, across * (1 + 0.25 * along), (length, 0.75 * length))
    shade = 0.75 + 0.3 * (np.cos(light) * along + np.sin(light) * across)
    speckle = generator.uniform(0, 0.06) * noise(generator, size, size / 2)
    return on_ground(generator, colour(generator, 0.85, 0.75, 0.65, 0.2) * (shade + speckle)[..., None], body)


def seed_pod(generator: Generator, size: int) -> Drawing:
    """A long husk with a row of seeds."""
    along, across = pose(generator, size)
    length, width, n = generator.uniform(0.75, 0.95), generator.uniform(0.22, 0.35), generator.integers(3, 7)
    image = np.broadcast_to(any_colour(generator), (size, size, 3))
    seed = any_colour(generator)
    for place in np.linspace(-0.68, 0.68, n) * length:
        image = mix(image, seed, ellipse(along - np.float32(place), across, (0.5 * length / n, 0.6 * width)))
    return on_ground(generator, image + grain(generator, size), ellipse(along, across, (length, width)))


def stone_fruit(generator: Generator, size: int) -> Drawing:
    """Skin, flesh and a stone, cut in half."""
    along, across = pose(generator, size)
    outer = generator.uniform(0.65, 0.88)
    radii = (outer, outer * generator.uniform(0.75, 1))
    skin, flesh, stone = (any_colour(generator) for _ in range(3))
    image = mix(skin, flesh, ellipse(along, across, (radii[0] * 0.93, radii[1] * 0.93)))
    core = generator.uniform(0.2, 0.4)
    inner = ellipse(along - generator.uniform(-0.1, 0.1), across, (core, core * generator.uniform(0.6, 1)))
    image = mix(image + grain(generator, size, 0.08), stone + grain(generator, size, 0.08), inner)
    return on_ground(generator, image, ellipse(along, across, radii))


def agate(generator: Generator, size: int) -> Drawing:
    """Bands that follow an irregular outline inwards."""
    distance = blob(generator, size, generator.normal(0, 0.05, 2), generator.uniform(0.6, 0.75), 0.6)
    shades = generator.random(32, dtype=np.float32)
    depth = np.clip(-distance * generator.uniform(6, 16) + 0.3 * noise(generator, size, 5), 0, 30)
    layer, step = np.floor(depth).astype(int), np.clip((depth % 1) * 4, 0, 1)
    field = shades[layer] * (1 - step) + shades[layer + 1] * step
    image = tint(field, any_colour(generator), any_colour(generator)) + grain(generator, size)
    return on_ground(generator, image, soft(distance))


def pebble(generator: Generator, size: int) -> Drawing:
    """One rounded stone with a mottled face."""
    distance = blob(generator, size, generator.normal(0, 0.08, 2), generator.uniform(0.5, 0.75), 0.3)
    field = 0.5 + 0.6 * np.clip(-distance, 0, 0.5) + generator.uniform(0.02, 0.15) * rough_noise(generator, size, 8)
    image = tint(field, any_colour(generator), any_colour(generator))
    return on_ground(generator, image, soft(distance))


def starfish(generator: Generator, size: int) -> Drawing:
    """Five arms with a row of knobs on each."""
    radius, angle = polar(*pose(generator, size))
    arms, outer = generator.integers(5, 8), generator.uniform(0.7, 0.95)
    reach = outer * (0.35 + 0.65 * np.abs(np.cos(arms * angle / 2)) ** generator.uniform(1.5, 4))
    knobs = 0.5 + 0.5 * np.sin(generator.uniform(20, 35) * radius)
    image = tint(
        0.5 + 0.3 * knobs * soft(np.abs(np.sin(arms * angle / 2)) - 0.15, 0.2),
        any_colour(generator),
        any_colour(generator),
    )
    return on_ground(generator, image + grain(generator, size), soft(radius - reach))


def flower(generator: Generator, size: int) -> Drawing:
    """Petals around a disc."""
    radius, angle = polar(*pose(generator, size))
    n, outer = generator.integers(5, 12), generator.uniform(0.7, 0.92)
    petals = soft(radius - outer * (0.55 + 0.45 * np.abs(np.cos(n * angle / 2))))
    image = any_colour(generator) * (0.7 + 0.3 * np.abs(np.cos(n * angle / 2)))[..., None]
    disc = soft(radius - generator.uniform(0.15, 0.3))
    return on_ground(generator, mix(image, any_colour(generator), disc) + grain(generator, size), petals)


def avocado(generator: Generator, size: int) -> Drawing:
    """A pear-shaped half with a round stone."""
    along, across = pose(generator, size)
    scale = generator.uniform(0.7, 0.85)
    radius = np.hypot(along, across * (1.3 - 0.45 * along)) / scale
    image = tint(np.clip(1.2 - radius, 0, 1), colour(generator, 0.3, 0.5, 0.1), colour(generator, 0.95, 0.9, 0.5))
    image = mix(image, colour(generator, 0.1, 0.15, 0.05), soft(0.93 - radius))
    image = mix(image, colour(generator, 0.4, 0.22, 0.1), ellipse(along - 0.2, across, (0.28, 0.28)))
    return on_ground(generator, image + grain(generator, size), soft(radius - 1))


def loaf_slice(generator: Generator, size: int) -> Drawing:
    """Crust around a crumb with pores."""
    along, across = pose(generator, size, 0.15)
    half = (generator.uniform(0.55, 0.75), generator.uniform(0.6, 0.8))
    distance = box(along, across, half, 0.3)
    crumb = box(along, across, (half[0] - 0.07, half[1] - 0.07), 0.25)
    border, value = cells(generator, size, int(generator.integers(9, 16)))
    pores = np.clip(border * 3, 0, 1) * (value > 0.7)
    image = tint(0.85 - 0.25 * pores, colour(generator, 0.4, 0.3, 0.2), colour(generator, 0.95, 0.88, 0.72))
    return on_ground(generator, mix(colour(generator, 0.5, 0.3, 0.12), image, crumb) + grain(generator, size), distance)
