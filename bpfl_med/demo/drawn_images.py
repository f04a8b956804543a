"""Data sets of drawn pictures in folders, for the training of the prompts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from bpfl_med.demo.drawn_pairs import draw_pair
from bpfl_med.demo.kinds import TRAINING_KINDS, VALIDATION_KINDS, Draw

_KINDS: dict[str, Mapping[str, Draw]] = {"training": TRAINING_KINDS, "validation": VALIDATION_KINDS}


def write_drawn_images(
    folder: str | Path, *, kinds: Literal["training", "validation"], n_per_class: int, seed: int, size: int = 192
) -> Path:
    """Write drawn pictures as PNG files and return their folder.

    The layout is that of the phantoms: ``<kind>/normal/NNN.png``, ``<kind>/abnormal/NNN.png`` and
    ``<kind>/mask/NNN.png`` (255 where the abnormal picture of that number is damaged). The same seed gives the same
    bytes. A normal and an abnormal picture of one number show two things, not one.

    Args:
        folder: is made if absent; pictures of the same names in it are replaced.
        kinds: "training" or "validation": no kind is in both.
        n_per_class: normal pictures of each kind, and as many abnormal ones.
        seed: of everything.
        size: rows and columns.

    Raises:
        ValueError: if there are no such kinds.
    """
    if kinds not in _KINDS:
        raise ValueError(f"kinds must be one of {', '.join(_KINDS)}, got {kinds!r}")
    folder = Path(folder)
    for stream, kind in enumerate(_KINDS[kinds]):
        generator = np.random.default_rng([seed, stream])
        for number in range(n_per_class):
            normal, abnormal = draw_pair(generator, kind, size), draw_pair(generator, kind, size)
            pictures = {"normal": normal.normal, "abnormal": abnormal.abnormal, "mask": abnormal.mask * np.uint8(255)}
            for what, picture in pictures.items():
                path = folder / kind / what / f"{number:03d}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(picture).save(path)
    return folder
