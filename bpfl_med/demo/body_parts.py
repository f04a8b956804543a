"""Kinds of drawn pictures that show invented bodies, outside or inside, after a new plan each time; no real organ.

What they teach is what flawless anatomy has in common: paired and central structures, smooth outlines, walls, vessels.
"""

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
    mix,
    noise,
    rough_noise,
    soft,
    stroke,
    turned,
)
from bpfl_med.demo.organs import (
    body_frame,
    central_organ,
    clipped,
    column,
    contrast,
    even_tissue,
    haze,
    lone_organ,
    mixed,
    organ_pair,
    oval,
    rgb,
    ribs,
    scan,
    soft_edge,
    vessel_ends,
)
from bpfl_med.demo.placing import polar


def body_section(generator: Generator, size: int) -> Drawing:
    """A trunk cut across or in projection: a wall, paired, central and lone organs, ribs, vessels."""
    along, across = body_frame(generator, size)
    radii = generator.uniform(0.65, 0.97, 2)
    outline = oval(along, across, radii, generator.uniform(2, 3))
    wall = generator.uniform(0.05, 0.16)
    inside = outline + np.float32(wall)
    grey = mixed(generator.uniform(0.15, 0.9), even_tissue(generator, size), soft_edge(generator, inside))
    for _ in range(generator.integers(0, 3)):
        grey = organ_pair(generator, grey, along, across)
    if generator.random() < 0.5:
        grey = lone_organ(generator, grey, size)
    if generator.random() < 0.3:
        grey = ribs(generator, grey, along, across)
    if generator.random() < 0.2:
        grey = column(generator, grey, across)
    for _ in range(generator.integers(0, 4)):
        grey = central_organ(generator, grey, along, across)
    if generator.random() < 0.3:
        grey = vessel_ends(generator, grey, along, across)
    if generator.random() < 0.3:
        grey = haze(generator, grey, size)
    body = soft(inside) if generator.random() < 0.8 else soft(outline)
    return scan(generator, grey, soft(outline), body)


def limb_section(generator: Generator, size: int) -> Drawing:
    """An arm or a leg of some animal cut across: skin, fat, bundles of muscle, one or two tubular bones."""
    along, across = body_frame(generator, size)
    outline = oval(along, across, generator.uniform(0.6, 0.95, 2), 2)
    fat = generator.uniform(0.05, 0.25)
    border, value = cells(generator, size, int(generator.integers(3, 6)))
    muscle = even_tissue(generator, size) + np.float32(0.08) * value - np.float32(0.15) * np.exp(-12 * border)
    grey = mixed(generator.uniform(0.1, 0.9), muscle, soft_edge(generator, outline + fat))
    apart = generator.uniform(0.2, 0.35) if generator.random() < 0.5 else 0.0
    for side in (-1, 1) if apart else (0,):
        distance = oval(along - 0.1 * side, across - apart * side, generator.uniform(0.13, 0.26, 2), 2)
        grey = mixed(grey, generator.uniform(0.6, 1), soft_edge(generator, distance))
        grey = mixed(grey, generator.uniform(0.2, 0.7), soft_edge(generator, distance + generator.uniform(0.03, 0.08)))
    return scan(generator, grey, soft(outline), soft(outline + 0.03))


def radiograph(generator: Generator, size: int) -> Drawing:
    """A hand, a wing or a fin in projection: several tubular bones side by side with joints, in soft tissue."""
    along, across = body_frame(generator, size, turn=np.pi)
    n = int(generator.integers(2, 6))
    pitch = generator.uniform(1.2, 1.7) / n
    fan = across / (1 + np.float32(generator.uniform(-0.25, 0.25)) * along)
    lane = np.clip(np.round(fan / pitch + 0.5 * (n % 2 == 0)), -n // 2 + 1, n // 2) - 0.5 * (n % 2 == 0)
    offset = fan - lane * np.float32(pitch)
    joint = np.abs(((along + 0.1 * lane + 1) * generator.uniform(0.6, 1.3)) % 1 - 0.5)
    half = pitch * generator.uniform(0.22, 0.36) * (1 + 0.5 * np.clip(1 - 5 * joint, 0, 1))
    bone = np.maximum(np.abs(offset) - half, 0.03 - joint)
    cortex = bone + pitch * np.float32(generator.uniform(0.05, 0.1))
    tissue = soft(np.abs(fan) - (n + 0.4) * pitch / 2, generator.uniform(0.02, 0.1))
    grey = tissue * generator.uniform(0.1, 0.4) * (1 + 0.05 * rough_noise(generator, size, 6))
    grey = grey + generator.uniform(0.2, 0.5) * soft(bone, 0.05) - generator.uniform(0.05, 0.2) * soft(cortex, 0.06)
    grain = generator.uniform(0, 0.04) * soft(bone, 0.05) * noise(generator, size, size / 2)
    return scan(generator, grey + grain, np.ones_like(grey), tissue)


def ultrasound_scan(generator: Generator, size: int) -> Drawing:
    """A fan or a strip of echoes: layers, perhaps an organ or a vessel, all in speckle."""
    along, across = turned(size, 0.0)
    apex = generator.uniform(1.1, 2.5)
    radius, angle = np.hypot(along + apex, across), np.arctan2(across, along + apex)
    fan = soft(np.abs(angle) - generator.uniform(0.35, 0.7)) * soft(radius - apex - generator.uniform(0.8, 1))
    field = fan if generator.random() < 0.7 else np.ones((size, size), np.float32)
    depth = along + 0.1 * noise(generator, size, 3)
    grey = generator.uniform(0.25, 0.5) + generator.uniform(0, 0.15) * np.sin(generator.uniform(2, 9) * depth)
    along, across = body_frame(generator, size)
    for _ in range(generator.integers(0, 3)):
        grey = lone_organ(generator, grey, size)
    for _ in range(generator.integers(0, 2)):
        grey = central_organ(generator, grey, along, across)
    if generator.random() < 0.4:
        grey = haze(generator, grey, size)
    if generator.random() < 0.4:
        tube = np.abs(along - generator.uniform(-0.5, 0.5) - 0.1 * np.sin(3 * across)) - generator.uniform(0.05, 0.12)
        grey = mixed(grey, generator.uniform(0, 0.2), soft(tube, 0.04))
    speckle = 1 + generator.uniform(0.05, 0.25) * noise(generator, size, size / generator.uniform(1, 3))
    return Drawing(rgb(grey * speckle * field), field)


def angiogram(generator: Generator, size: int) -> Drawing:
    """Vessels that branch from one trunk, or from a round mouth, over an even ground, perhaps in a round window."""
    grey = even_tissue(generator, size)
    if generator.random() < 0.4:
        grey = haze(generator, grey, size)
    tone, angle, width = contrast(generator), generator.uniform(0, 2 * np.pi), generator.uniform(0.04, 0.09)
    ends = [(-0.95 * np.array([np.sin(angle), np.cos(angle)]), angle, width)]
    if generator.random() < 0.7:
        mouth, n = generator.uniform(-0.6, 0.6, 2), int(generator.integers(3, 7))
        along, across = turned(size, 0.0, mouth)
        disc = oval(along, across, generator.uniform(0.08, 0.2) * generator.uniform(0.9, 1.1, 2), 2)
        grey = grey + contrast(generator) * soft_edge(generator, disc)
        ends = [(mouth, angle + 2 * np.pi * k / n + generator.normal(0, 0.3), width) for k in range(n)]
    tree = np.zeros((size, size), np.float32)
    for _ in range(generator.integers(max(5, len(ends)), 13)):
        start, heading, width = ends.pop(0)
        headings = heading + np.cumsum(generator.normal(0, 0.25, 6))
        points = start + np.cumsum(np.stack([np.sin(headings), np.cos(headings)], 1), 0) * generator.uniform(0.08, 0.14)
        tree = np.maximum(tree, stroke(np.concatenate([start[None], points]), width, size))
        ends += [(points[-1], headings[-1] + turn, 0.75 * width) for turn in generator.normal([-0.6, 0.6], 0.2)]
    radius, _ = polar(*body_frame(generator, size))
    window = soft(radius - generator.uniform(0.75, 0.98)) if generator.random() < 0.5 else np.ones_like(tree)
    return scan(generator, grey + tone * tree, window, window)


def endoscopic_view(generator: Generator, size: int) -> Drawing:
    """The lumen of a tube of mucosa, lit from the camera: folds around a dark middle, fine vessels, gleams."""
    radius, angle = polar(*turned(size, 0.0, generator.uniform(-0.5, 0.5, 2)))
    bend = 1 + 0.08 * np.cos(3 * angle + generator.uniform(0, 6)) + 0.05 * noise(generator, size, 4)
    folds = np.sin(generator.uniform(4, 14) * np.log(radius * bend + 0.15) + generator.uniform(0, 6))
    lit = np.clip(generator.uniform(0.4, 1) + generator.uniform(0, 0.5) * np.log(radius * bend + 0.3), 0.05, 1)
    vessels = 1 - np.abs(rough_noise(generator, size, generator.uniform(3, 6), 2))
    field = lit * (1 + generator.uniform(0.03, 0.15) * folds) - generator.uniform(0, 0.08) * np.clip(vessels, 0.7, 1)
    mucosa = colour(generator, 0.85, 0.45, 0.35, 0.12)
    gleam = soft(np.float32(generator.uniform(2.3, 3)) - noise(generator, size, generator.uniform(8, 16)), 0.3)
    image = mix(field[..., None] * mucosa, np.ones(3, np.float32), gleam)
    window = soft(np.hypot(*turned(size, 0.0)) - generator.uniform(0.9, 1.4))
    return Drawing(clipped(image * window[..., None]), window)


def patch_of_skin(generator: Generator, size: int) -> Drawing:
    """Skin with pores, creases and perhaps hair."""
    border, _ = cells(generator, size, int(generator.integers(8, 20)))
    shade = generator.uniform(0.3, 1)
    field = 0.85 - generator.uniform(0.02, 0.12) * np.exp(-8 * border) + 0.04 * rough_noise(generator, size, 5)
    image = shade * field[..., None] * colour(generator, 0.95, 0.75, 0.65, 0.06)
    for _ in range(generator.integers(0, 9) if generator.random() < 0.5 else 0):
        heading, start = generator.normal(0, 0.4), generator.uniform(-1, 1, 2)
        t = np.linspace(0, generator.uniform(0.3, 0.9), 6)
        hair = stroke(start + np.stack([t * np.cos(heading), t * np.sin(heading) + 0.2 * t**2], 1), 0.02, size)
        image = mix(image, 0.2 * shade * np.ones(3, np.float32), 0.8 * hair)
    return Drawing(clipped(image), np.ones((size, size), np.float32))


def slide_of_cells(generator: Generator, size: int) -> Drawing:
    """Stained cells with nuclei, seen through a microscope."""
    border, value = cells(generator, size, int(generator.integers(5, 14)))
    nucleus = soft(generator.uniform(0.55, 0.8) - border, 0.15)
    field = 0.8 + 0.1 * value - generator.uniform(0.1, 0.4) * np.exp(-10 * border)
    image = mix(field[..., None] * any_colour(generator), any_colour(generator), nucleus)
    return Drawing(clipped(image + 0.03 * noise(generator, size, size)[..., None]), np.ones((size, size), np.float32))


def joint(generator: Generator, size: int) -> Drawing:
    """Two round bone ends that face each other across a gap, with cartilage, in stripes of muscle."""
    along, across = body_frame(generator, size, turn=np.pi)
    tissue = soft(np.abs(across) - generator.uniform(0.6, 1), 0.05)
    stripes = np.sin(generator.uniform(10, 40) * across + 0.5 * noise(generator, size, 4))
    grey = (
        generator.uniform(0.15, 0.5) + generator.uniform(0.02, 0.1) * stripes + 0.03 * rough_noise(generator, size, 8)
    )
    level, gap, width = generator.uniform(0.3, 0.95), generator.uniform(0.03, 0.1), generator.uniform(0.3, 0.6)
    spongy = level + generator.uniform(0.01, 0.06) * noise(generator, size, size / 3)
    for side in (-1, 1):
        head = oval(side * along - 0.55, across, (0.55 - gap, width * generator.uniform(0.85, 1.15)), 3)
        shaft = np.maximum(np.abs(across) - 0.7 * width, 0.4 - side * along)
        bone = np.minimum(head, shaft)
        grey = mixed(grey, generator.uniform(0.6, 1), soft(bone - 0.04, 0.04))
        grey = mixed(grey, spongy, soft(bone, 0.04))
    return scan(generator, grey, tissue, tissue)


def muscle(generator: Generator, size: int) -> Drawing:
    """Fibres and clumps of uneven density, fading to one side."""
    along, across = body_frame(generator, size, turn=np.pi)
    fine = noise(generator, size, (4, size / 2) if generator.random() < 0.5 else (size / 2, 4))
    clumps = np.clip(rough_noise(generator, size, generator.uniform(3, 14), 3), 0, 2)
    fade = np.clip(1 - generator.uniform(0, 0.6) * (along + 0.5), 0.2, 1.2)
    grey = (generator.uniform(0.1, 0.4) + generator.uniform(0.03, 0.2) * clumps + 0.03 * fine) * fade
    outline = oval(along, across, generator.uniform(0.6, 1.3, 2), generator.uniform(2, 4))
    body = soft(outline, generator.uniform(0.02, 0.1))
    return scan(generator, grey, body, soft(outline + 0.08))


def heart_section(generator: Generator, size: int) -> Drawing:
    """A thick wall around one or two chambers with strands in them, beside other tissue."""
    along, across = body_frame(generator, size, turn=np.pi)
    around = even_tissue(generator, size)
    outer = oval(along, across, generator.uniform(0.5, 0.8, 2), 2)
    grey = mixed(around, np.float32(generator.uniform(0.2, 0.8)) + 0.03 * noise(generator, size, 12), soft(outer, 0.05))
    blood, wall = generator.uniform(0, 1), generator.uniform(0.1, 0.25)
    half_septum = generator.uniform(0.04, 0.1) if generator.random() < 0.6 else -1
    chamber = np.maximum(outer + np.float32(wall), np.float32(half_septum) - np.abs(across - 0.1))
    grey = mixed(grey, blood, soft(chamber, generator.uniform(0.03, 0.1)))
    body = soft(outer - 0.1) if generator.random() < 0.5 else np.ones_like(grey)
    return scan(generator, grey, np.ones_like(grey), body)


def spine(generator: Generator, size: int) -> Drawing:
    """A row of vertebrae with discs between them and a cord beside, cut lengthwise."""
    along, across = body_frame(generator, size)
    bend = across - generator.uniform(-0.2, 0.2) * np.sin(generator.uniform(1.5, 3) * along)
    n, half = generator.uniform(2, 4.5), generator.uniform(0.14, 0.24)
    step = (along * n + generator.random()) % 1 - 0.5
    grey = mixed(even_tissue(generator, size), generator.uniform(0, 0.4), soft(np.abs(bend) - half, 0.04))
    grey = mixed(grey, generator.uniform(0.3, 0.9), box(step / n, bend, (0.38 / n, half), 0.05))
    cord = np.abs(bend - half - generator.uniform(0.12, 0.2)) - generator.uniform(0.05, 0.08)
    grey = mixed(grey, generator.uniform(0, 1), soft(cord, 0.04))
    return scan(generator, grey, np.ones_like(grey), np.ones_like(grey))


def gland(generator: Generator, size: int) -> Drawing:
    """Two lobes and a bridge in front of a tube, cut across a neck."""
    along, across = body_frame(generator, size)
    outline = oval(along, across, generator.uniform(0.7, 0.95, 2), 2.3)
    grey = even_tissue(generator, size)
    apart, radii = generator.uniform(0.22, 0.34), generator.uniform([0.25, 0.12], [0.4, 0.22])
    lobes = np.maximum(
        ellipse(along, np.abs(across) - apart, (radii[0], radii[1])), ellipse(along + 0.1, across, (0.08, apart))
    )
    grey = mixed(grey, generator.uniform(0.2, 0.9), lobes)
    tube = oval(along - 0.12, across, (apart - 0.1, apart - 0.12), 2)
    grey = mixed(mixed(grey, generator.uniform(0.4, 1), soft(tube)), generator.uniform(0, 0.15), soft(tube + 0.04))
    return scan(generator, grey, soft(outline), soft(outline + 0.06))
