"""The workflow of a bundle that is running, since MONAI hands a config no way to see itself."""

from __future__ import annotations

import inspect
import json
from typing import Any

from monai.bundle.workflows import ConfigWorkflow


def running_workflow() -> ConfigWorkflow | None:
    """Give the workflow among the callers; None outside of one."""
    frame = inspect.currentframe()
    while frame is not None:
        if isinstance(workflow := frame.f_locals.get("self"), ConfigWorkflow):
            return workflow
        frame = frame.f_back
    return None


def raw_settings(*ids: str) -> dict[str, Any]:
    """Give parts of the running workflow's configs as they were written, to compare them with those of another run.

    Args:
        ids: such as "augmentation" or "train#trainer#noise".

    Returns:
        {id: content, as JSON gives it back}; nothing outside of a workflow.
    """
    workflow = running_workflow()
    if workflow is None:
        return {}
    return {part: json.loads(json.dumps(workflow.parser[part], default=_kind)) for part in ids}


def _kind(part: object) -> str:
    """Stand for what is no JSON by its type, which does not change from run to run."""
    return type(part).__qualname__
