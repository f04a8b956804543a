"""From the setting `threshold` to the value of the map from which on a pixel belongs to the mask."""

from __future__ import annotations

from typing import Literal, NamedTuple


class MapThreshold(NamedTuple):
    """A threshold that is known beforehand, or is to be taken from the map.

    Attributes:
        kind: "number", or "percentile" of the map.
        value: 0 to 1, or 0 to 100.
    """

    kind: Literal["number", "percentile"]
    value: float


def parse_threshold(threshold: float | str, stored: float | None) -> MapThreshold:
    """Read the setting.

    Args:
        threshold: a number from 0 to 1, a percentile such as "p99.5", or "checkpoint".
        stored: what the checkpoint stores, or None.

    Raises:
        ValueError: if the threshold is none of these, or the checkpoint stores none.
    """
    text = str(threshold)
    if text == "checkpoint":
        if stored is None:
            raise ValueError("The checkpoint stores no threshold; give a number, or a percentile such as p99.5")
        return MapThreshold("number", stored)
    try:
        if text.startswith("p") and 0 <= float(text[1:]) <= 100:
            return MapThreshold("percentile", float(text[1:]))
        if 0 <= float(text) <= 1:
            return MapThreshold("number", float(text))
    except ValueError:
        pass
    raise ValueError(
        f"threshold must be a number from 0 to 1, a percentile such as p99.5, or checkpoint, got {threshold!r}"
    )


def threshold_of_pictures(threshold: float | str, stored: float | None) -> float:
    """Read the setting where pictures are scored one by one, for all of which one value must hold.

    Raises:
        ValueError: if it is a percentile, or as :func:`parse_threshold` says.
    """
    kind, value = parse_threshold(threshold, stored)
    if kind == "percentile":
        raise ValueError(f"threshold {threshold} is a percentile of a volume's map; for pictures give a number")
    return value
