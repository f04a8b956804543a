"""Captions of drawn pictures: what the thing is, whether it is damaged, how, where, and how much."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator

GENERAL_NAMES = ("object", "thing", "item", "sample", "specimen")

_NORMAL_STATES = ("flawless", "perfect", "intact", "undamaged", "normal", "unblemished", "healthy", "good")
_ABNORMAL_STATES = ("damaged", "flawed", "broken", "defective", "abnormal", "blemished", "unhealthy", "bad")
_NORMAL = (
    "a photo of a {state} {name}",
    "a {state} {name}",
    "a photo of a {name} without damage",
    "a {name} without flaw",
)
_ABNORMAL = (
    "a photo of a {name} with a {damage} {place}",
    "a {state} {name} with a {damage} {place}",
    "a photo of a {state} {name} with a {damage}",
    "a {state} {name}",
    "a {name} with damage {place}",
)
_PLAIN_ABNORMAL = (
    "a photo of a {state} {name}",
    "a {state} {name}",
    "a photo of a {name} with damage",
    "a {name} with a flaw",
)
_DAMAGE_WORDS: dict[str, Sequence[str]] = {
    "scratch": ("scratch", "scrape", "scored line"),
    "spot": ("spot", "dot", "speck"),
    "stain": ("stain", "blotch", "smear"),
    "lump": ("lump", "bump", "swelling"),
    "lesion": ("lesion", "mass", "tumour", "nodule"),
    "hole": ("hole", "puncture", "opening"),
    "crack": ("crack", "fracture", "split"),
    "missing part": ("missing part", "broken off piece", "chip"),
    "distortion": ("distortion", "deformation", "warped area"),
    "discoloration": ("discoloration", "changed colour", "faded area"),
    "rough patch": ("rough patch", "changed texture", "worn area"),
    "foreign body": ("foreign body", "foreign object", "contamination"),
    "blurred patch": ("blurred patch", "smudge"),
    "misplaced piece": ("misplaced piece", "wrong piece", "patch"),
    "pitting": ("pitting", "group of spots", "rash"),
}
_LARGE, _SMALL, _TONE = 0.04, 0.008, 0.08  # shares of the picture; difference of grey


def normal_caption(generator: Generator, name: str) -> str:
    """Say that a thing is flawless, in one of several ways."""
    return str(generator.choice(_NORMAL)).format(state=generator.choice(_NORMAL_STATES), name=name)


def abnormal_caption(generator: Generator, name: str, damage: str, mask: np.ndarray, tone: float) -> str:
    """Say that a thing is damaged, in one of several ways.

    Args:
        generator: of the choice of words.
        name: of the thing.
        damage: which damage it has.
        mask: where, boolean ``[size, size]``.
        tone: how much brighter the damage is than what it covers, in grey from -1 to 1.
    """
    words = [extent_word(mask), tone_word(tone), str(generator.choice(_DAMAGE_WORDS[damage]))]
    return str(generator.choice(_ABNORMAL)).format(
        name=name,
        state=generator.choice(_ABNORMAL_STATES),
        damage=" ".join(word for word in words if word),
        place=place_words(mask),
    )


def plain_abnormal_caption(generator: Generator, name: str) -> str:
    """Say that a thing is damaged and nothing else, in one of several ways."""
    return str(generator.choice(_PLAIN_ABNORMAL)).format(state=generator.choice(_ABNORMAL_STATES), name=name)


def extent_word(mask: np.ndarray) -> str:
    """Say "large", "small" or nothing of the damaged share of a picture."""
    share = mask.mean()
    return "large" if share > _LARGE else "small" if share < _SMALL else ""


def tone_word(tone: float) -> str:
    """Say "bright", "dark" or nothing of a difference in grey."""
    return "bright" if tone > _TONE else "dark" if tone < -_TONE else ""


def place_words(mask: np.ndarray) -> str:
    """Say where the middle of a mask ``[size, size]`` lies, such as "at the upper left"."""
    row, column = (np.argwhere(mask).mean(0) + 0.5) / len(mask)
    vertical = "upper" if row < 0.4 else "lower" if row > 0.6 else ""
    horizontal = "left" if column < 0.4 else "right" if column > 0.6 else ""
    return f"at the {' '.join(filter(None, (vertical, horizontal))) or 'centre'}"


def caption_words() -> list[str]:
    """List all texts that a caption can be made of, but for the names of the kinds."""
    fixed = [text.format(name="", state="", damage="", place="") for text in (*_NORMAL, *_ABNORMAL, *_PLAIN_ABNORMAL)]
    places = [f"{v} {h}" for v in ("upper", "lower") for h in ("left", "right")]
    damages = [word for words in _DAMAGE_WORDS.values() for word in words]
    return [
        *fixed,
        *_NORMAL_STATES,
        *_ABNORMAL_STATES,
        *GENERAL_NAMES,
        *damages,
        *places,
        "at the centre",
        "large small",
        "bright dark",
    ]
