"""Find settings that nothing reads, because a misspelt one would be ignored in silence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser, ReferenceResolver

from bpfl_med.running_workflow import running_workflow


def refuse_unused_settings() -> None:
    """Raise if an overlay or an override of the running workflow sets an id that nothing refers to.

    For the `initialize` list of a bundle. Ids of the bundle's own JSON configs are known, whether an overlay left them
    in use or not. Outside of a workflow nothing is checked.

    Raises:
        ValueError: if there are such ids; the text names them.
    """
    workflow = running_workflow()
    if workflow is None:
        return
    config = workflow.parser.get()
    used = {reference.split(ReferenceResolver.sep)[0] for reference in _references(config)}
    known = {"_meta_", workflow.run_id, workflow.init_id, workflow.final_id}
    for path in Path(workflow.config_root_path).glob("*.json"):
        known |= ConfigParser.load_config_file(path).keys() if path.name != "metadata.json" else set()
    unused = sorted(config.keys() - used - known)
    if unused:
        raise ValueError(
            f"No part of the configs uses {', '.join(map(repr, unused))}; check the spelling on the command line and "
            "in the config files"
        )


def _references(config: Any) -> Iterator[str]:
    if isinstance(config, str):
        yield from ReferenceResolver.match_refs_pattern(config)
    elif isinstance(config, dict | list):
        for part in config.values() if isinstance(config, dict) else config:
            yield from _references(part)
