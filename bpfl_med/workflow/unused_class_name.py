"""Find a class name that is given in vain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bpfl_med.networks.scoring_network import ANY_OBJECT

_SHOWN = 5


def refuse_unused_class_name(class_name: str, items: Sequence[Mapping[str, Any]]) -> None:
    """Raise if the setting `class_name` was given and the data set's own config says what all its pictures show.

    For the `initialize` list of a bundle.

    Args:
        class_name: the setting.
        items: of the data set, with "class_name".

    Raises:
        ValueError: if no picture is taken to show it; the text names what they are taken to show.
    """
    names = dict.fromkeys(item["class_name"] for item in items)
    if class_name not in (ANY_OBJECT, *names):
        told = ", ".join(map(repr, list(names)[:_SHOWN])) + (", ..." if len(names) > _SHOWN else "")
        raise ValueError(
            f"The setting class_name {class_name!r} would change nothing, because the data set's own config says what "
            f"its pictures show ({told}); change it there"
        )
