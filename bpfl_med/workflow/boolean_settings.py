"""Find settings that are true or false and were given as another text, which a condition would take for true."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bpfl_med.workflow.bundle_settings import bundle_settings
from bpfl_med.workflow.running_workflow import running_workflow


def refuse_texts_for_booleans() -> None:
    """Raise if a setting of the running workflow that is true or false by default is a text such as "false".

    The command line reads `True` and `False`, and takes `false` for a text. For the `initialize` list of a bundle;
    outside of a workflow nothing is checked.

    Raises:
        ValueError: if there is one; the text names it.
    """
    workflow = running_workflow()
    if workflow is None:
        return
    config = workflow.parser.get()
    for name, default in bundle_settings(Path(workflow.config_root_path)).items():
        if isinstance(default, bool) and not _is_boolean(value := config.get(name, default)):
            raise ValueError(
                f"{name} must be True or False, got {value!r}; on the command line, write it with a capital letter"
            )


def _is_boolean(value: Any) -> bool:
    """Whether a value is a truth value, or an expression that gives one."""
    return value in (True, False) or (isinstance(value, str) and value.startswith(("$", "@", "%")))
