"""A PyTorch that is too old is refused by name."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
import torch

from bpfl_med import cli
from bpfl_med.machine.torch_version import OLDEST_TORCH, refuse_old_torch


@pytest.mark.parametrize("version", ["1.13.1", "2.5.1+cpu"])
def test_an_old_one_is_refused_with_what_to_do(version, monkeypatch, capsys):
    monkeypatch.setattr(torch, "__version__", version)
    assert cli.main(["predict", "a.nii", "-o", "out", "--class-name", "brain", "--modality", "mr"]) == 2
    assert capsys.readouterr().err == (
        f"bpfl-med: PyTorch {version} is installed, and bpfl_med needs {OLDEST_TORCH} or newer; install it with "
        f"pip install 'torch>={OLDEST_TORCH}'\n"
    )


@pytest.mark.parametrize("version", ["2.6.0", "2.10.0+cu128", "3.0"])
def test_newer_ones_are_taken(version, monkeypatch):
    monkeypatch.setattr(torch, "__version__", version)
    refuse_old_torch()


def test_it_is_the_version_that_the_package_asks_for():
    declared = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text())
    assert f"torch>={OLDEST_TORCH}" in declared["project"]["dependencies"]
