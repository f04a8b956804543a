"""Configs by name, those of somebody's own data sets, and settings that a config takes for what they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bpfl_med.workflow.resources import configs_folder


def preset_file(folder: str, name: str) -> Path:
    """Give the file of a preset such as ("modalities", "ct-brain").

    Raises:
        ValueError: if `configs/<folder>` has none of that name; the text lists those that it has.
    """
    known = {file.stem: file for file in sorted((configs_folder() / folder).glob("*.yaml"))}
    if name not in known:
        raise ValueError(f"there is no preset {name!r} in configs/{folder}; there are {', '.join(known)}")
    return known[name]


def dataset_file(name: str) -> Path:
    """Give the config file of a data set: a preset, or one's own, which is told by its ending.

    Raises:
        ValueError: if there is no such preset or file, or it cannot be read.
    """
    from monai.bundle import ConfigParser

    own = Path(name)
    if own.suffix not in (".yaml", ".yml", ".json"):
        return preset_file("datasets", name)
    if not own.is_file():
        raise ValueError(f"there is no file {own}; give a data set's config, or one of `bpfl-med datasets list`")
    try:
        config = ConfigParser.load_config_file(own)
    except Exception as error:  # whatever the parser of its format raises
        where = f" in line {mark.line + 1}" if (mark := getattr(error, "problem_mark", None)) is not None else ""
        raise ValueError(f"{own}: is no {own.suffix[1:]} that can be read{where} ({type(error).__name__})") from error
    if not isinstance(config, dict):
        raise ValueError(f"{own}: holds no settings; write them as `name: value`, as those of configs/datasets are")
    return own


def refuse_config_syntax(settings: Mapping[str, Any]) -> None:
    """Raise a ValueError if a text from the command line would be read as an expression or a reference."""
    for key, value in settings.items():
        if isinstance(value, str) and (value.startswith(("$", "@", "%")) or "#" in value):
            raise ValueError(
                f"{key} must not begin with $, @ or % nor hold #, which a config would read, got {value!r}"
            )
