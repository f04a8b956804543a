"""The last line of a failing program is the error itself."""

from __future__ import annotations

import sys

import pytest
from monai.bundle import ConfigParser

from bpfl_med.plain_errors import cause, end_with_cause


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
