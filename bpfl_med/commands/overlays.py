"""Config overlays by name, and settings that a config takes for what they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bpfl_med.resources import configs_folder


def overlay_file(folder: str, name: str) -> Path:
    """Give the file of a preset such as ("modalities", "ct-brain").

    Raises:
        ValueError: if `configs/<folder>` has none of that name; the text lists those that it has.
    """
    known = {file.stem: file for file in sorted((configs_folder() / folder).glob("*.yaml"))}
    if name not in known:
        raise ValueError(f"there is no preset {name!r} in configs/{folder}; there are {', '.join(known)}")
    return known[name]


def refuse_config_syntax(settings: Mapping[str, Any]) -> None:
    """Raise a ValueError if a text from the command line would be read as an expression or a reference."""
    for key, value in settings.items():
        if isinstance(value, str) and (value.startswith(("$", "@", "%")) or "#" in value):
            raise ValueError(
                f"{key} must not begin with $, @ or % nor hold #, which a config would read, got {value!r}"
            )
