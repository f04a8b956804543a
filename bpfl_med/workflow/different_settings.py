"""Which settings of a run differ from those of an earlier one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_SHOWN = 5


def different_settings(now: Mapping[str, Any], then: Mapping[str, Any]) -> str:
    """Say of the first settings that differ what they were and are, such as "network.seed was 1, is now 2".

    Args:
        now: settings of this run, in dicts that may be nested; values that JSON can hold.
        then: those of the earlier run, as JSON gives them back.

    Returns:
        Differences with "; " between them; an empty text if there is none.
    """
    new, old = _leaves(json.loads(json.dumps(now))), _leaves(then)
    keys = [key for key in sorted(new.keys() | old.keys()) if new.get(key) != old.get(key)]
    told = [f"{key} was {old.get(key)!r}, is now {new.get(key)!r}" for key in keys[:_SHOWN]]
    return "; ".join([*told, f"and {len(keys) - _SHOWN} more"] if len(keys) > _SHOWN else told)


def _leaves(value: Any, name: str = "") -> dict[str, Any]:
    """Flatten nested dicts, and lists that hold dicts, to {"outer.inner": value}."""
    if isinstance(value, list) and any(isinstance(part, Mapping) for part in value):
        value = {str(index): part for index, part in enumerate(value)}
    if not isinstance(value, Mapping):
        return {name: value}
    inner = (_leaves(part, f"{name}.{key}" if name else key) for key, part in value.items())
    return {key: leaf for leaves in inner for key, leaf in leaves.items()}
