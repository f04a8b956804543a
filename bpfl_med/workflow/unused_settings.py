"""Find settings that nothing reads, because a misspelt one would be ignored in silence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from typing import Any

from monai.bundle import ReferenceResolver

from bpfl_med.workflow.bundle_settings import bundle_settings
from bpfl_med.workflow.running_workflow import running_workflow


def refuse_unused_settings() -> None:
    """Raise if an overlay or an override of the running workflow sets an id that nothing refers to.

    For the `initialize` list of a bundle. Ids of the bundle's own JSON configs are known, whether an overlay left them
    in use or not. Outside of a workflow nothing is checked.

    Raises:
        ValueError: if there are such ids; the text names them.
    """
    workflow = running_workflow()
    if workflow is not None:
        of_workflow = {"_meta_", workflow.run_id, workflow.init_id, workflow.final_id}
        refuse_unused(workflow.parser.get(), Path(workflow.config_root_path), known=of_workflow)


def refuse_unused(config: Mapping[str, Any], bundle_configs: Path, *, known: Set[str]) -> None:
    """Raise if a config sets an id to which nothing in it refers.

    Args:
        config: the settings of all files together.
        bundle_configs: folder of the bundle's own JSON configs, whose ids are known.
        known: further ids that need no use.

    Raises:
        ValueError: if there are such ids; the text names them.
    """
    used = {reference.split(ReferenceResolver.sep)[0] for reference in _references(config)}
    unused = sorted(config.keys() - used - bundle_settings(bundle_configs).keys() - known)
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
