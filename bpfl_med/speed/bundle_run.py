"""A run of the bundle inside the benchmark, which says nothing and leaves the process as it was."""

from __future__ import annotations

import contextlib
import io
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from monai.bundle import ConfigWorkflow

from bpfl_med.workflow.resources import bundle_folder, configs_folder


@contextlib.contextmanager
def bundle_run(overlays: list[str], *, evaluate: bool = False, **settings: Any) -> Iterator[ConfigWorkflow]:
    """Give an initialised workflow of the bundle's own configs on the CPU.

    Args:
        overlays: below `configs/`, such as "modalities/ct-brain.yaml".
        evaluate: whether pictures are scored instead of scans.
        settings: as on the command line.
    """
    files: list[Path] = [bundle_folder() / "configs/inference.json"]
    files += [bundle_folder() / "configs/evaluate.json"] if evaluate else []
    files += [configs_folder() / overlay for overlay in overlays]
    hook, disabled = sys.excepthook, logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # progress bars
            workflow = ConfigWorkflow(
                config_file=[str(file) for file in files],
                workflow_type="infer",
                logging_file=False,
                bundle_root=str(bundle_folder()),
                device="$torch.device('cpu')",
                **settings,
            )
            workflow.initialize()
            yield workflow
    finally:
        sys.excepthook = hook
        logging.disable(disabled)
