"""The sentence for every place where numbers or pictures of weights appear that can say nothing of a method."""

from __future__ import annotations

from collections.abc import Mapping


def weights_notice(is_trained: Mapping[str, bool], of_backbone: str | None) -> str | None:
    """Name the parts that are not trained; if all are, say what the backbone's own weights want said, or None.

    The first word stands where there is no room for the sentence.

    Args:
        is_trained: of each part by name, such as {"prompts": False}.
        of_backbone: the notice of a :class:`~bpfl_med.networks.CLIPBackbone`.
    """
    untrained = [part for part, trained in is_trained.items() if not trained]
    if not untrained:
        return of_backbone
    return (
        f"UNTRAINED {' and '.join(untrained)}: the weights are random, so numbers and pictures show that the software "
        "runs, not what the method can do."
    )
