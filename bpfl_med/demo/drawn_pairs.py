"""Pairs of drawn pictures, the same thing flawless and damaged, made from a seed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from scipy.ndimage import gaussian_filter

from bpfl_med.demo.damage import MASK_COVERAGE, add_damage
from bpfl_med.demo.drawing import noise, turned
from bpfl_med.demo.kinds import BODY_PARTS, TRAINING_KINDS, VALIDATION_KINDS, Draw

_LESION_SHARE = 0.8  # of the damaged body parts


class DrawnPair(NamedTuple):
    """One thing without and with damage, seen in the same light by the same camera.

    Attributes:
        normal: RGB ``[size, size, 3]``, 8 bits.
        abnormal: likewise, with damage.
        mask: where it is damaged, boolean ``[size, size]``.
        kind: what it is, such as "metal nut".
        damage: which damage, a key of `DAMAGES`.
        tone: mean difference in grey inside the mask, from -1 to 1.
    """

    normal: np.ndarray
    abnormal: np.ndarray
    mask: np.ndarray
    kind: str
    damage: str
    tone: float


def draw_pair(generator: Generator, kind: str, size: int, damage: str | None = None) -> DrawnPair:
    """Draw a thing, damage a copy, and photograph both.

    Args:
        generator: of everything.
        kind: a key of `TRAINING_KINDS` or `VALIDATION_KINDS`.
        size: rows and columns.
        damage: a key of `DAMAGES`; any if None, though most of the body parts have a lesion.

    Raises:
        KeyError: if there is no such kind or damage.
    """
    drawing = _KINDS[kind](generator, size)
    if damage is None and kind in BODY_PARTS and generator.random() < _LESION_SHARE:
        damage = "lesion"
    damaged = add_damage(generator, drawing, damage)
    camera = _Camera.draw(generator, size)
    normal, abnormal = camera.photograph(drawing.image), camera.photograph(damaged.image)
    mask = damaged.coverage > MASK_COVERAGE
    difference = abnormal.astype(np.float32).mean(-1) - normal.astype(np.float32).mean(-1)
    return DrawnPair(
        normal, abnormal, mask, kind, damaged.name, float(difference[mask].mean()) / 255 if mask.any() else 0.0
    )


class _Camera(NamedTuple):
    """Light, sharpness, contrast and noise of one photograph."""

    light: np.ndarray
    gamma: float
    contrast: float
    brightness: float
    grey: bool
    negative: bool
    blur: float
    grain: np.ndarray

    @classmethod
    def draw(cls, generator: Generator, size: int) -> _Camera:
        along, _ = turned(size, generator.uniform(0, 2 * np.pi))
        coarse = generator.uniform(0, 0.04) * generator.standard_normal((size, size), dtype=np.float32)
        grain = coarse if generator.random() < 0.5 else generator.uniform(0, 0.04) * noise(generator, size, size / 2)
        return cls(
            light=1 + np.float32(generator.uniform(0, 0.25)) * along,
            gamma=float(np.exp(generator.uniform(-0.4, 0.4))),
            contrast=float(generator.uniform(0.6, 1.1)),
            brightness=float(generator.normal(0, 0.05)),
            grey=bool(generator.random() < 0.5),
            negative=bool(generator.random() < 0.15),
            blur=float(generator.uniform(0, 0.008)) * size,
            grain=grain.astype(np.float32),
        )

    def photograph(self, image: np.ndarray) -> np.ndarray:
        if self.grey:
            image = np.broadcast_to(image.mean(-1, keepdims=True), image.shape)
        if self.negative:
            image = 1 - image
        image = np.clip(image * self.light[..., None], 0, 1) ** np.float32(self.gamma)
        image = (image - 0.5) * np.float32(self.contrast) + 0.5 + np.float32(self.brightness)
        if self.blur > 0.3:
            image = gaussian_filter(image, (self.blur, self.blur, 0))
        return np.clip((image + self.grain[..., None]) * 255 + 0.5, 0, 255).astype(np.uint8)


_KINDS: Mapping[str, Draw] = {**TRAINING_KINDS, **VALIDATION_KINDS}
