"""Batches of drawn pictures with captions, for training the small CLIP."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.random import Generator
from torch.utils.data import Dataset

from bpfl_med.demo.captions import GENERAL_NAMES, abnormal_caption, normal_caption, plain_abnormal_caption
from bpfl_med.demo.drawn_pairs import DrawnPair, draw_pair
from bpfl_med.demo.kinds import TRAINING_BODY_PARTS, TRAINING_KINDS, TRAINING_THINGS

_BODY_PART_SHARE = 0.75
_EXTRA_BODY_PARTS = ("body section",) * 4 + ("angiogram",) * 3  # what is flawless in them is the hardest to learn
_GENERAL_SHARE, _UNKNOWN_SHARE = 0.15, 0.15  # of captions that do not name the kind
_PLAIN_UNKNOWN_SHARE = 0.5  # of plain captions: what they teach is used for names that were never learned
UNKNOWN_NAME = "\u00b6"  # stands for a name that no caption holds


class DrawnBatch(NamedTuple):
    """Pictures and captions of B pairs; 2k is flawless, 2k + 1 the same thing damaged.

    Attributes:
        images: RGB in [0, 1], [2B, 3, size, size].
        captions: 2B texts.
        plain_captions: 2B texts that say whether the thing is damaged and nothing more of the damage.
        damaged: how certainly each patch is damaged, [2B, S], in [0, 1]; 0 in flawless pictures.
        topics: what a caption says, as a number [2B]: two captions of one topic fit each other's pictures.
    """

    images: torch.Tensor
    captions: list[str]
    plain_captions: list[str]
    damaged: torch.Tensor
    topics: torch.Tensor


class DrawnBatches(Dataset[DrawnBatch]):
    """Batches that are drawn when they are asked for, a quarter of them things and the rest body parts.

    Batch number i depends on the seed and on i alone.

    Args:
        n_batches: how many there are.
        n_pairs: B, pairs in each.
        size: of the pictures, in pixels.
        patch_size: of the image tower, in pixels.
        seed: of all of them.
    """

    def __init__(self, *, n_batches: int, n_pairs: int, size: int, patch_size: int, seed: int) -> None:
        self.n_batches, self.n_pairs, self.size, self.patch_size, self.seed = n_batches, n_pairs, size, patch_size, seed

    def __len__(self) -> int:
        return self.n_batches

    def __getitem__(self, index: int) -> DrawnBatch:
        generator = np.random.default_rng([self.seed, index])
        n_parts = round(_BODY_PART_SHARE * self.n_pairs)
        kinds = [
            *_drawn_evenly(generator, list(TRAINING_THINGS), self.n_pairs - n_parts),
            *_drawn_evenly(generator, [*TRAINING_BODY_PARTS, *_EXTRA_BODY_PARTS], n_parts),
        ]
        pairs = [draw_pair(generator, kind, self.size) for kind in kinds]
        images = np.stack([picture for pair in pairs for picture in (pair.normal, pair.abnormal)])
        texts = [caption for pair in pairs for caption in _captions(generator, pair)]
        damaged = patch_shares(np.stack([pair.mask for pair in pairs]), self.patch_size)
        damaged = np.stack([np.zeros_like(damaged), damaged], 1).reshape(len(images), -1)
        return DrawnBatch(
            torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255,
            [text for text, _ in texts],
            [text for pair in pairs for text in _plain_captions(generator, pair)],
            torch.from_numpy(damaged),
            torch.tensor([number for _, number in texts]),
        )


def _drawn_evenly(generator: Generator, names: list[str], n: int) -> list[str]:
    """Draw n names, none of them twice before every one was drawn."""
    return [str(name) for _ in range(-(-n // len(names))) for name in generator.permutation(names)][:n]


def patch_shares(masks: np.ndarray, patch_size: int) -> np.ndarray:
    """Say of masks [N, size, size] how certainly each patch is damaged [N, S]: 1 from a fifth of its pixels on."""
    n, size, _ = masks.shape
    grid = size // patch_size
    shares = masks.reshape(n, grid, patch_size, grid, patch_size).mean((2, 4), dtype=np.float32)
    return np.minimum(shares * 5, 1).reshape(n, -1)


def _captions(generator: Generator, pair: DrawnPair) -> list[tuple[str, int]]:
    """Give the captions of a pair, each with the number of its topic."""
    choice = generator.random()
    name = pair.kind
    if choice < _GENERAL_SHARE:
        name = str(generator.choice(GENERAL_NAMES))
    elif choice < _GENERAL_SHARE + _UNKNOWN_SHARE:
        name = UNKNOWN_NAME
    topic = 0 if name != pair.kind else 1 + list(TRAINING_KINDS).index(name)
    abnormal = abnormal_caption(generator, name, pair.damage, pair.mask, pair.tone)
    return [(normal_caption(generator, name), 2 * topic), (abnormal, 2 * topic + 1)]


def _plain_captions(generator: Generator, pair: DrawnPair) -> list[str]:
    name = UNKNOWN_NAME if generator.random() < _PLAIN_UNKNOWN_SHARE else pair.kind
    return [normal_caption(generator, name), plain_abnormal_caption(generator, name)]
