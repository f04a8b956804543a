"""Find settings that nothing reads, because a misspelt one would be ignored in silence."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser, ConfigWorkflow, ReferenceResolver


def refuse_unused_settings() -> None:
    """Raise if an overlay or an override of the running workflow sets an id that nothing refers to.

    For the `initialize` list of a bundle. Ids of the bundle's own JSON configs are known, whether an overlay left them
    in use or not. MONAI hands a config no way to see itself, so the workflow is looked up among the callers; outside of
    a workflow nothing is checked.

    Raises:
        ValueError: if there are such ids; the text names them.
    """
    workflow = _running_workflow()
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


def _running_workflow() -> ConfigWorkflow | None:
    frame = inspect.currentframe()
    while frame is not None:
        if isinstance(workflow := frame.f_locals.get("self"), ConfigWorkflow):
            return workflow
        frame = frame.f_back
    return None


def _references(config: Any) -> Iterator[str]:
    if isinstance(config, str):
        yield from ReferenceResolver.match_refs_pattern(config)
    elif isinstance(config, dict | list):
        for part in config.values() if isinstance(config, dict) else config:
            yield from _references(part)
