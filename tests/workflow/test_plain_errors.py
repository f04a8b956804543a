"""The last line of a failing program is the error itself."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from pydoc import ErrorDuringImport

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser

from bpfl_med import cli
from bpfl_med.data.scan_failure import failure_sentence
from bpfl_med.workflow.plain_errors import advice, cause, end_with_cause, memory_advice


def failure(config: dict) -> BaseException:
    try:
        ConfigParser(config).get_parsed_content("outer")
    except Exception as error:
        return error
    raise AssertionError("the config should fail")


NESTED = {
    "outer": "$@inner",
    "inner": {"_target_": "pathlib.Path.read_text", "self": "$__import__('pathlib').Path('/gone')"},
}


def printed_by_hook(error: BaseException, monkeypatch, capsys) -> list[str]:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    end_with_cause()
    sys.excepthook(type(error), error, error.__traceback__)
    return capsys.readouterr().err.splitlines()


def test_the_cause_is_found_below_monais_wrapping():
    error = failure(NESTED)
    assert isinstance(error, RuntimeError)
    assert isinstance(cause(error), FileNotFoundError)


def test_the_cause_is_printed_last(monkeypatch, capsys):
    lines = printed_by_hook(failure(NESTED), monkeypatch, capsys)
    assert lines[0].startswith("Traceback")
    assert lines[-1] == "FileNotFoundError: [Errno 2] No such file or directory: '/gone'"


@pytest.mark.parametrize("error", [RuntimeError("CUDA out of memory"), ValueError("Failed to evaluate a thing")])
def test_other_errors_are_printed_once(error, monkeypatch, capsys):
    lines = printed_by_hook(error, monkeypatch, capsys)
    assert lines == [f"{type(error).__name__}: {error}"]


def test_a_cause_of_our_own_errors_is_left_alone():
    error = ValueError("a sentence")
    error.__cause__ = OSError("of the disk")
    assert cause(error) is error


def of_a_gpu() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def beyond_all_addresses() -> None:
    """Say what PyTorch says of a file that cannot be mapped, which depends on the limit of the whole process."""
    raise RuntimeError("unable to mmap 240000080 bytes from file </a.safetensors>: Cannot allocate memory (12)")


def while_importing() -> None:
    raise ErrorDuringImport("a.py", (MemoryError, MemoryError(), None))


MEMORY = {
    "NumPy": (lambda: np.empty(2**62, np.uint8), "in this machine"),
    "PyTorch": (lambda: torch.empty(2**62, dtype=torch.uint8), "in this machine"),
    "mapping": (beyond_all_addresses, "in this machine"),
    "import": (while_importing, "in this machine"),
    "GPU": (of_a_gpu, "on the GPU"),
}


@pytest.mark.parametrize("kind", MEMORY)
def test_memory_that_ran_out_is_told_with_what_to_do(kind, monkeypatch, capsys):
    ask, place = MEMORY[kind]
    error = caught(ask)
    advice = f"there is not enough memory {place}; free some, or take a smaller batch size (results agree within 1e-5)"
    assert memory_advice(error) == advice
    assert failure_sentence(error, Path("a.nii")) == f"a.nii: {advice}"
    assert printed_by_hook(error, monkeypatch, capsys)[-1].endswith(f": {advice}")
    monkeypatch.setattr("bpfl_med.commands.predict.preset_file", lambda *_: ask())
    assert cli.main(["predict", "a.nii", "-o", "out", "--class-name", "brain", "--modality", "mr"]) == 2
    assert capsys.readouterr().err.startswith(f"bpfl-med: {type(error).__name__}: {advice}")


def caught(ask: Callable[[], object]) -> Exception:
    try:
        ask()
    except Exception as error:
        return error
    raise AssertionError("there should not be so much memory")


def test_other_errors_are_no_matter_of_memory():
    assert memory_advice(RuntimeError("mat1 and mat2 shapes cannot be multiplied")) is None


def test_a_setting_that_a_part_does_not_take_is_told_with_what_to_do(monkeypatch, capsys):
    error = failure({"outer": {"_target_": "bpfl_med.inferers.PictureInferer", "featurs": None}})
    last = printed_by_hook(error, monkeypatch, capsys)[-1]
    assert last.startswith("TypeError: PictureInferer")
    spelling = "check the spelling of that setting on the command line and in the config files"
    assert last.endswith(f"'featurs'; {spelling}; there are features")


def test_the_settings_of_a_function_are_named(tmp_path):
    listing = {"_target_": "bpfl_med.data.folder_datalist", "root": str(tmp_path), "abnormall": ["*.png"]}
    error = failure({"outer": "$@list", "list": listing})
    assert advice(error).endswith("; there are root, class_name, normal, abnormal, mask")


def test_a_wrong_argument_deep_inside_is_told_without_a_list():
    assert advice(failure({"outer": "$(lambda: (lambda a: a)(b=1))()"})).endswith("in the config files")


def test_a_wrong_argument_outside_of_configs_is_no_matter_of_settings():
    assert advice(TypeError("f() got an unexpected keyword argument 'a'")) is None


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("Found no NVIDIA driver on your system. Please check"),
        RuntimeError("No CUDA GPUs are available"),
        AssertionError("Torch not compiled with CUDA enabled"),
    ],
)
def test_a_gpu_that_is_not_there_is_told_with_what_to_do(error, monkeypatch, capsys):
    last = printed_by_hook(error, monkeypatch, capsys)[-1]
    assert last.endswith(": there is no GPU that PyTorch can use; leave out the setting device to compute on the CPU")
