"""Which settings of a run differ from those of the unfinished one that it goes on with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def different_settings(now: Mapping[str, Any], then: Mapping[str, Any]) -> list[str]:
    """Say of each setting that differs what it was and is, such as "network.seed was 1, is now 2".

    Args:
        now: settings of this run, in dicts that may be nested, as JSON gives them back.
        then: those of the earlier run.
    """
    new, old = _leaves(now), _leaves(then)
    return [
        f"{key} was {old.get(key)!r}, is now {new.get(key)!r}"
        for key in sorted(new.keys() | old.keys())
        if new.get(key) != old.get(key)
    ]


def _leaves(value: Any, name: str = "") -> dict[str, Any]:
    """Flatten nested dicts to {"outer.inner": value}."""
    if not isinstance(value, Mapping):
        return {name: value}
    inner = (_leaves(part, f"{name}.{key}" if name else key) for key, part in value.items())
    return {key: leaf for leaves in inner for key, leaf in leaves.items()}
