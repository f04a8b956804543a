"""A text where true or false is meant is refused, since any text counts as true."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from monai.bundle import ConfigWorkflow

from bpfl_med.workflow.boolean_settings import refuse_texts_for_booleans
from bpfl_med.workflow.plain_errors import cause

CONFIG = {
    "initialize": [{"_target_": "bpfl_med.workflow.boolean_settings.refuse_texts_for_booleans"}],
    "allow_gaps": False,
    "plane": "axial",
    "run": ["$print(@allow_gaps, @plane)"],
}


@pytest.fixture
def start(tmp_path: Path):
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs/inference.json").write_text(json.dumps(CONFIG))

    def initialize(**overrides: object) -> None:
        file = str(tmp_path / "configs/inference.json")
        ConfigWorkflow(config_file=file, logging_file=False, **overrides).initialize()

    return initialize


@pytest.mark.parametrize("value", [True, False, 0, 1, "$1 > 2", "@plane"])
def test_clear_values_pass(start, value):
    start(allow_gaps=value)


@pytest.mark.parametrize("value", ["false", "no", "true", "", None, 2])
def test_a_text_is_refused(start, value):
    with pytest.raises(RuntimeError) as caught:
        start(allow_gaps=value)
    assert str(cause(caught.value)) == (
        f"allow_gaps must be True or False, got {value!r}; on the command line, write it with a capital letter"
    )


def test_outside_of_a_workflow_nothing_is_checked():
    refuse_texts_for_booleans()
