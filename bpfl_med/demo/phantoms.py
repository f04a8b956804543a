"""Pictures of phantoms, with and without a lesion, made from a seed: the data of the embedded default."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from bpfl_med.files.atomic import write_picture

_SIZE = 256  # pixels


class Phantom(NamedTuple):
    """One picture: grey values in [0, 1] and the lesion's pixels, both [rows, columns]."""

    image: np.ndarray
    mask: np.ndarray


def write_phantom_images(
    folder: str | Path, *, n_per_class: int = 12, seed: int = 0, kinds: Iterable[str] | None = None
) -> Path:
    """Write a small data set of phantoms as PNG files and return its folder.

    The layout is ``<kind>/normal/NNN.png``, ``<kind>/abnormal/NNN.png`` and ``<kind>/mask/NNN.png`` (255 in the lesion
    of the abnormal picture of that number). The same seed gives the same bytes.

    Args:
        folder: is made if absent; pictures of the same names in it are replaced.
        n_per_class: normal pictures of each kind, and as many abnormal ones.
        seed: of all shapes, textures and lesions.
        kinds: draw only these, such as "brain".
    """
    folder = Path(folder)
    for stream, (kind, draw) in enumerate(KINDS.items()):
        generator = np.random.default_rng([seed, stream])
        for number in range(2 * n_per_class if kinds is None or kind in set(kinds) else 0):
            is_abnormal = number % 2 == 1
            phantom = draw(generator, is_abnormal)
            name = f"{number // 2:03d}.png"
            _write(folder / kind / ("abnormal" if is_abnormal else "normal") / name, phantom.image)
            if is_abnormal:
                _write(folder / kind / "mask" / name, phantom.mask)
    return folder


def draw_brain(generator: np.random.Generator, is_abnormal: bool) -> Phantom:
    """Draw an axial head slice like a T2-weighted MR: skull, brain, ventricles; the lesion is a bright mass."""
    y, x = _grid()
    centre, radii = generator.normal(0, 0.03, 2), generator.uniform([0.72, 0.58], [0.82, 0.68])
    head = _ellipse(y, x, centre, radii + 0.09)
    brain = _ellipse(y, x, centre, radii)
    image = 0.6 * (head - brain) + 0.4 * gaussian_filter(brain, 1.5) * (1 + 0.08 * _texture(generator, 5.0))
    for side in (-1, 1):
        ventricle = _ellipse(y, x, centre + [0, side * 0.11], generator.uniform([0.2, 0.05], [0.28, 0.08]))
        image += 0.25 * gaussian_filter(ventricle, 2.0)
    mask = _lesion(generator, brain) if is_abnormal else np.zeros_like(brain)
    return Phantom(_finish(generator, image + 0.35 * gaussian_filter(mask, 1.5)), mask)


def draw_liver(generator: np.random.Generator, is_abnormal: bool) -> Phantom:
    """Draw an axial abdomen slice like a CT: body wall, liver, spine; the lesion is a dark spot in the liver."""
    y, x = _grid()
    body = _ellipse(y, x, np.zeros(2), generator.uniform([0.62, 0.85], [0.7, 0.95]))
    inside = _ellipse(y, x, np.zeros(2), generator.uniform([0.52, 0.75], [0.58, 0.82]))
    centre, radii = generator.uniform([-0.1, -0.38], [0.05, -0.28]), generator.uniform([0.3, 0.32], [0.4, 0.42])
    liver = _ellipse(y, x, centre, radii) * inside
    spine = _ellipse(y, x, np.array([0.4, 0.0]), generator.uniform([0.09, 0.1], [0.12, 0.14]))
    image = 0.25 * body + 0.15 * inside + 0.02 * inside * _texture(generator, 8.0)
    image += gaussian_filter(liver, 1.5) * (0.22 + 0.02 * _texture(generator, 3.0)) + 0.5 * gaussian_filter(spine, 1.5)
    mask = _lesion(generator, liver) if is_abnormal else np.zeros_like(liver)
    return Phantom(_finish(generator, image - 0.2 * gaussian_filter(mask, 1.5)), mask)


def draw_chest(generator: np.random.Generator, is_abnormal: bool) -> Phantom:
    """Draw a frontal radiograph of a chest: lungs, ribs, heart, spine; the lesion is a bright nodule in a lung."""
    y, x = _grid()
    body = _ellipse(y, x, np.array([0.35, 0.0]), generator.uniform([1.15, 0.85], [1.3, 0.95]))
    lungs = np.zeros_like(body)
    for side in (-1, 1):
        place = np.array([-0.02, side * 0.4]) + generator.normal(0, 0.02, 2)
        lungs += _ellipse(y, x, place, generator.uniform([0.6, 0.24], [0.7, 0.3]))
    heart = _ellipse(y, x, np.array([0.28, 0.12]), generator.uniform([0.22, 0.24], [0.3, 0.3]))
    lungs *= 1 - heart
    spacing, slope = generator.uniform(0.17, 0.22), generator.uniform(0.25, 0.45)
    ribs = np.cos(2 * np.pi * (y - slope * (np.abs(x) - 0.4) ** 2 - 0.25 * np.abs(x)) / spacing) > 0.75
    image = gaussian_filter(0.55 * body - 0.38 * lungs, 2.5)
    image += 0.12 * gaussian_filter(ribs * body, 1.5) * (np.abs(x) < 0.8)
    image += 0.18 * gaussian_filter((np.abs(x) < 0.09) * body, 4.0) + 0.03 * body * _texture(generator, 2.0)
    mask = _lesion(generator, (lungs > 0.5).astype(float)) if is_abnormal else np.zeros_like(body)
    return Phantom(_finish(generator, image + 0.28 * gaussian_filter(mask, 2.5)), mask)


def draw_breast(generator: np.random.Generator, is_abnormal: bool) -> Phantom:
    """Draw a mammogram: a half-round breast with fibrous tissue; the lesion is a bright mass of uneven grey."""
    y, x = _grid()
    breast = _ellipse(y, x, np.array([0.0, -1.0]), generator.uniform([0.75, 1.2], [0.9, 1.5]))
    fibres = np.clip(_texture(generator, 4.0) + 0.5 * _texture(generator, 12.0), 0, 2)
    glands = gaussian_filter(_ellipse(y, x, np.array([0.0, -0.6]), generator.uniform([0.4, 0.5], [0.6, 0.75])), 12.0)
    image = gaussian_filter(breast, 4.0) * (0.22 + 0.13 * glands * fibres + 0.01 * _texture(generator, 1.0))
    inner = _ellipse(y, x, np.array([0.0, -1.0]), np.array([0.65, 1.1]))
    mask = _lesion(generator, inner) if is_abnormal else np.zeros_like(breast)
    return Phantom(
        _finish(generator, image + gaussian_filter(mask, 1.5) * (0.4 + 0.05 * _texture(generator, 3.0))), mask
    )


def draw_bone(generator: np.random.Generator, is_abnormal: bool) -> Phantom:
    """Draw a radiograph of a thigh: soft tissue, a shaft with a bright cortex; the lesion is a dark gap in it."""
    y, x = _grid()
    bend, width = generator.uniform(-0.12, 0.12), generator.uniform(0.24, 0.3)
    across = x - bend * y**2 - generator.uniform(-0.08, 0.08) - generator.uniform(-0.15, 0.15) * y
    flare = 1 + generator.uniform(0.4, 0.8) * np.clip(y - 0.35, 0, 1) ** 1.5
    shaft = (np.abs(across) < width * flare).astype(float)
    marrow = (np.abs(across) < 0.62 * width * flare**1.3).astype(float)
    tissue = (np.abs(across) < generator.uniform(0.65, 0.8)).astype(float)
    image = 0.22 * gaussian_filter(tissue, 4.0) + gaussian_filter(0.5 * shaft - 0.2 * marrow, 2.5)
    image += 0.04 * shaft * _texture(generator, 1.5) + 0.01 * tissue * _texture(generator, 5.0)
    mask = _lesion(generator, shaft) if is_abnormal else np.zeros_like(shaft)
    return Phantom(_finish(generator, image - 0.28 * gaussian_filter(mask, 1.5)), mask)


def draw_kidney(generator: np.random.Generator, is_abnormal: bool) -> Phantom:
    """Draw an ultrasound of a kidney: speckle, a bean with a bright sinus; the lesion is a dark cyst or bright mass."""
    y, x = _grid()
    fan = (np.abs(np.arctan2(x, y + 1.6)) < 0.5) * (np.hypot(x, y + 1.6) < 2.4)
    tilt = generator.uniform(-0.3, 0.3)
    row, column = y * np.cos(tilt) - x * np.sin(tilt), x * np.cos(tilt) + y * np.sin(tilt)
    radii = generator.uniform([0.36, 0.62], [0.44, 0.7])
    kidney = _ellipse(row, column, np.zeros(2), radii)
    sinus = _ellipse(row, column, np.array([0.02, 0.0]), radii * generator.uniform(0.3, 0.42))
    image = 0.38 * fan - 0.12 * gaussian_filter(kidney, 2.5) + 0.3 * gaussian_filter(sinus, 6.0)
    cortex = kidney * (gaussian_filter(sinus, 8.0) < 0.05)
    mask = _lesion(generator, cortex) if is_abnormal else np.zeros_like(kidney)
    tone = generator.choice([-0.22, 0.3])
    speckle = 1 + 0.2 * _texture(generator, 1.2)
    return Phantom(_finish(generator, (image + tone * gaussian_filter(mask, 1.5)) * speckle * fan), mask)


def draw_retina(generator: np.random.Generator, is_abnormal: bool) -> Phantom:
    """Draw a fundus: optic disc, macula, branching vessels; the lesion is a bright exudate or a dark bleeding."""
    y, x = _grid()
    field = _ellipse(y, x, np.zeros(2), np.array([0.93, 0.93]))
    side = generator.choice([-1, 1])
    disc_place = np.array([generator.normal(0, 0.05), side * 0.5])
    disc = _ellipse(y, x, disc_place, generator.uniform([0.13, 0.12], [0.17, 0.15]))
    macula = np.exp(-(np.hypot(y - disc_place[0], x + side * 0.15) ** 2) / 0.03)
    vessels = np.zeros_like(field)
    for up in (-1, 1):
        for bow in generator.uniform(0.25, 0.9, 3):
            reach = side * (disc_place[1] - x)
            course = disc_place[0] + up * bow * np.sqrt(np.clip(np.abs(reach), 0, None)) * np.where(reach > 0, 1, 0.7)
            course = course + 0.02 * np.sin(9 * x + generator.uniform(0, 6))
            vessels = np.maximum(vessels, np.abs(y - course) < 0.018 * (1 + np.exp(-np.abs(reach))))
    image = gaussian_filter(field, 2.0) * (0.45 + 0.04 * _texture(generator, 10.0)) - 0.15 * macula * field
    image += 0.4 * gaussian_filter(disc, 2.5) - 0.15 * gaussian_filter(vessels * field, 1.2)
    free = _ellipse(y, x, np.zeros(2), np.array([0.85, 0.85])) * (gaussian_filter(disc, 12.0) < 0.02)
    mask = _lesion(generator, free) if is_abnormal else np.zeros_like(field)
    tone = generator.choice([-0.25, 0.3])
    return Phantom(_finish(generator, image + tone * gaussian_filter(mask, 2.0)), mask)


KINDS: dict[str, Callable[[np.random.Generator, bool], Phantom]] = {
    "brain": draw_brain,
    "liver": draw_liver,
    "chest": draw_chest,
    "breast": draw_breast,
    "bone": draw_bone,
    "kidney": draw_kidney,
    "retina": draw_retina,
}


def _grid() -> tuple[np.ndarray, np.ndarray]:
    """Give row and column coordinates from -1 to 1."""
    axis = np.linspace(-1, 1, _SIZE)
    y, x = np.meshgrid(axis, axis, indexing="ij")
    return y, x


def _ellipse(y: np.ndarray, x: np.ndarray, centre: np.ndarray, radii: np.ndarray) -> np.ndarray:
    return (((y - centre[0]) / radii[0]) ** 2 + ((x - centre[1]) / radii[1]) ** 2 < 1).astype(float)


def _texture(generator: np.random.Generator, sigma: float) -> np.ndarray:
    """Give smooth noise with mean 0 and standard deviation 1."""
    noise = gaussian_filter(generator.normal(size=(_SIZE, _SIZE)), sigma)
    return noise / noise.std()


def _lesion(generator: np.random.Generator, organ: np.ndarray) -> np.ndarray:
    """Place an irregular blob wholly inside the organ."""
    y, x = _grid()
    rows, columns = np.nonzero(gaussian_filter(organ, 6.0) > 0.95)
    place = generator.integers(len(rows))
    centre = np.array([y[rows[place], 0], x[0, columns[place]]])
    angle = np.arctan2(y - centre[0], x - centre[1])
    waves = sum(generator.uniform(-0.15, 0.15) * np.cos(k * angle + generator.uniform(0, 6.3)) for k in (2, 3, 5))
    radius = generator.uniform(0.07, 0.16) * (1 + waves)
    return (np.hypot(y - centre[0], x - centre[1]) < radius).astype(float) * organ


def _finish(generator: np.random.Generator, image: np.ndarray) -> np.ndarray:
    return np.clip(image + generator.normal(0, 0.02, image.shape), 0, 1)


def _write(path: Path, image: np.ndarray) -> None:
    write_picture(path, Image.fromarray(np.round(255 * image).astype(np.uint8)))
