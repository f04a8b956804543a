"""A setting that nothing reads is refused, also where a workflow is started from Python."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from monai.bundle import ConfigWorkflow

from bpfl_med.workflow.plain_errors import cause
from bpfl_med.workflow.unused_settings import refuse_unused_settings

CONFIG = {
    "initialize": [{"_target_": "bpfl_med.workflow.unused_settings.refuse_unused_settings"}],
    "size": 3,
    "network": {"sizes": ["@size", "$@size + 1"]},
    "run": ["$print(@network)"],
}


@pytest.fixture
def start(tmp_path: Path):
    """Start a workflow of a bundle with an overlay and overrides."""

    def initialize(overlay: dict | None = None, **overrides: object) -> None:
        for path, content in (("configs/inference.json", CONFIG), ("overlay.json", overlay or {})):
            (tmp_path / path).parent.mkdir(exist_ok=True)
            (tmp_path / path).write_text(json.dumps(content))
        files = [str(tmp_path / "configs/inference.json"), str(tmp_path / "overlay.json")]
        ConfigWorkflow(config_file=files, logging_file=False, **overrides).initialize()

    return initialize


def test_settings_in_use_pass(start):
    start()
    start({"width": 2, "network": {"sizes": ["@width"]}}, size=4, **{"network::depth": 2})


@pytest.mark.parametrize(
    ("overlay", "overrides", "names"),
    [
        ({"sizes": 1}, {}, "'sizes'"),
        ({}, {"siez": 1}, "'siez'"),
        ({"sizes": 1}, {"siez": 1, "size": 2}, "'siez', 'sizes'"),
    ],
)
def test_settings_that_nothing_uses_are_named(start, overlay, overrides, names):
    with pytest.raises(RuntimeError) as caught:
        start(overlay, **overrides)
    assert str(cause(caught.value)).startswith(f"No part of the configs uses {names}; check the spelling")


def test_nothing_is_checked_outside_of_a_workflow():
    refuse_unused_settings()
