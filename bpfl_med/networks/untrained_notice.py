"""The sentence for every place where numbers or pictures of untrained weights appear."""

from __future__ import annotations

from collections.abc import Mapping


def untrained_notice(is_trained: Mapping[str, bool]) -> str | None:
    """Name the parts that are not trained; None if all are.

    Args:
        is_trained: of each part by name, such as {"prompts": False}.
    """
    untrained = [part for part, trained in is_trained.items() if not trained]
    if not untrained:
        return None
    return (
        f"UNTRAINED {' and '.join(untrained)}: the weights are random, so numbers and pictures show that the software "
        "runs, not what the method can do."
    )
