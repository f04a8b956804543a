"""A small auxiliary data set of drawn things, to train prompts on without any download."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from bpfl_med.demo.drawn_pairs import draw_pair
from bpfl_med.demo.kinds import TRAINING_KINDS, VALIDATION_KINDS
from bpfl_med.files.atomic import write_picture

_SIZE = 128  # pixels


def write_auxiliary_images(
    folder: str | Path, *, n_per_class: int, seed: int, validation: bool = False, kinds: Iterable[str] | None = None
) -> Path:
    """Write pictures of drawn things, flawless and damaged, as PNG files and return their folder.

    The layout is that of :func:`~bpfl_med.demo.write_phantom_images`. No kind of the phantoms is among them, and the
    kinds for validation are others than those for training. The same seed gives the same bytes.

    Args:
        folder: is made if absent; pictures of the same names in it are replaced.
        n_per_class: flawless pictures of each kind, and as many damaged ones of other specimens.
        seed: of all shapes, textures and damage.
        validation: draw the kinds for validation instead of those for training.
        kinds: draw only these.
    """
    folder = Path(folder)
    for stream, kind in enumerate(VALIDATION_KINDS if validation else TRAINING_KINDS):
        generator = np.random.default_rng([seed, int(validation), stream])
        for number in range(n_per_class if kinds is None or kind in set(kinds) else 0):
            normal, damaged = draw_pair(generator, kind, _SIZE).normal, draw_pair(generator, kind, _SIZE)
            mask = 255 * damaged.mask.astype(np.uint8)
            for part, image in (("normal", normal), ("abnormal", damaged.abnormal), ("mask", mask)):
                write_picture(folder / kind / part / f"{number:03d}.png", Image.fromarray(image))
    return folder
