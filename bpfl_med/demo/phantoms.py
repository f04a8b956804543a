"""Pictures of phantoms, with and without a lesion, made from a seed: the data of the embedded default."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from bpfl_med.atomic_files import replaced_file

_SIZE = 256  # pixels


class Phantom(NamedTuple):
    """One picture: grey values in [0, 1] and the lesion's pixels, both [rows, columns]."""

    image: np.ndarray
    mask: np.ndarray


def write_phantom_images(folder: str | Path, *, n_per_class: int = 12, seed: int = 0) -> Path:
    """Write a small data set of phantoms as PNG files and return its folder.

    The layout is ``<kind>/normal/NNN.png``, ``<kind>/abnormal/NNN.png`` and ``<kind>/mask/NNN.png`` (255 in the lesion
    of the abnormal picture of that number). The same seed gives the same bytes.

    Args:
        folder: is made if absent; pictures of the same names in it are replaced.
        n_per_class: normal pictures of each kind, and as many abnormal ones.
        seed: of all shapes, textures and lesions.
    """
    folder = Path(folder)
    for stream, (kind, draw) in enumerate(KINDS.items()):
        generator = np.random.default_rng([seed, stream])
        for number in range(2 * n_per_class):
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
    image = 0.6 * (head - brain) + 0.4 * _smooth(brain, 1.5) * (1 + 0.08 * _texture(generator, 5.0))
    for side in (-1, 1):
        ventricle = _ellipse(y, x, centre + [0, side * 0.11], generator.uniform([0.2, 0.05], [0.28, 0.08]))
        image += 0.25 * _smooth(ventricle, 2.0)
    mask = _lesion(generator, brain) if is_abnormal else np.zeros_like(brain)
    return Phantom(_finish(generator, image + 0.35 * _smooth(mask, 1.5)), mask)


def draw_liver(generator: np.random.Generator, is_abnormal: bool) -> Phantom:
    """Draw an axial abdomen slice like a CT: body wall, liver, spine; the lesion is a dark spot in the liver."""
    y, x = _grid()
    body = _ellipse(y, x, np.zeros(2), generator.uniform([0.62, 0.85], [0.7, 0.95]))
    inside = _ellipse(y, x, np.zeros(2), generator.uniform([0.52, 0.75], [0.58, 0.82]))
    centre, radii = generator.uniform([-0.1, -0.38], [0.05, -0.28]), generator.uniform([0.3, 0.32], [0.4, 0.42])
    liver = _ellipse(y, x, centre, radii) * inside
    spine = _ellipse(y, x, np.array([0.4, 0.0]), generator.uniform([0.09, 0.1], [0.12, 0.14]))
    image = 0.25 * body + 0.15 * inside + 0.02 * inside * _texture(generator, 8.0)
    image += _smooth(liver, 1.5) * (0.22 + 0.02 * _texture(generator, 3.0)) + 0.5 * _smooth(spine, 1.5)
    mask = _lesion(generator, liver) if is_abnormal else np.zeros_like(liver)
    return Phantom(_finish(generator, image - 0.2 * _smooth(mask, 1.5)), mask)


KINDS: dict[str, Callable[[np.random.Generator, bool], Phantom]] = {"brain": draw_brain, "liver": draw_liver}


def _grid() -> tuple[np.ndarray, np.ndarray]:
    """Give row and column coordinates from -1 to 1."""
    axis = np.linspace(-1, 1, _SIZE)
    y, x = np.meshgrid(axis, axis, indexing="ij")
    return y, x


def _ellipse(y: np.ndarray, x: np.ndarray, centre: np.ndarray, radii: np.ndarray) -> np.ndarray:
    return (((y - centre[0]) / radii[0]) ** 2 + ((x - centre[1]) / radii[1]) ** 2 < 1).astype(float)


def _smooth(image: np.ndarray, sigma: float) -> np.ndarray:
    return gaussian_filter(image, sigma)


def _texture(generator: np.random.Generator, sigma: float) -> np.ndarray:
    """Give smooth noise with mean 0 and standard deviation 1."""
    noise = _smooth(generator.normal(size=(_SIZE, _SIZE)), sigma)
    return noise / noise.std()


def _lesion(generator: np.random.Generator, organ: np.ndarray) -> np.ndarray:
    """Place an irregular blob wholly inside the organ."""
    y, x = _grid()
    rows, columns = np.nonzero(_smooth(organ, 6.0) > 0.95)
    place = generator.integers(len(rows))
    centre = np.array([y[rows[place], 0], x[0, columns[place]]])
    angle = np.arctan2(y - centre[0], x - centre[1])
    waves = sum(generator.uniform(-0.15, 0.15) * np.cos(k * angle + generator.uniform(0, 6.3)) for k in (2, 3, 5))
    radius = generator.uniform(0.07, 0.16) * (1 + waves)
    return (np.hypot(y - centre[0], x - centre[1]) < radius).astype(float) * organ


def _finish(generator: np.random.Generator, image: np.ndarray) -> np.ndarray:
    return np.clip(image + generator.normal(0, 0.02, image.shape), 0, 1)


def _write(path: Path, image: np.ndarray) -> None:
    with replaced_file(path) as partial:  # processes of one run may write the same data set at once
        Image.fromarray(np.round(255 * image).astype(np.uint8)).save(partial)
