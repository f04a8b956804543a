"""Workflows of the bundle, run in this process."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from bundle_files import BUNDLE, SMALL
from monai.bundle import ConfigWorkflow

from bpfl_med.demo import write_phantom_images

Workflow = Callable[..., ConfigWorkflow]


@pytest.fixture
def figures() -> None:
    """Draw curves and histograms in the test that asks for it."""


@pytest.fixture(autouse=True)
def few_figures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw no figures elsewhere: matplotlib takes longer than all else."""
    if "figures" not in request.fixturenames:
        monkeypatch.setattr("bpfl_med.handlers.EvaluationFigures.attach", lambda handler, engine: None)


@pytest.fixture
def workflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workflow:
    """Make a workflow of config files and overrides that writes to `tmp_path / "out"`."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # the bundle sets it; put back when the test ends

    def make(files: Sequence[Path], **overrides: Any) -> ConfigWorkflow:
        return ConfigWorkflow(
            config_file=[str(file) for file in files],
            workflow_type="infer",
            logging_file=False,
            bundle_root=str(BUNDLE),
            **{"output_dir": str(tmp_path / "out"), **SMALL, **overrides},
        )

    return make


@pytest.fixture
def run(workflow: Workflow) -> Workflow:
    """Make a workflow as above and run it from start to end, as `monai.bundle run` does."""

    def run_all(files: Sequence[Path], **overrides: Any) -> ConfigWorkflow:
        made = workflow(files, **overrides)
        made.initialize()
        made.run()
        made.finalize()
        return made

    return run_all


@pytest.fixture(scope="session")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two normal and two abnormal pictures of each of two kinds."""
    return write_phantom_images(tmp_path_factory.mktemp("phantoms"), n_per_class=2, seed=2, kinds=("brain", "liver"))
