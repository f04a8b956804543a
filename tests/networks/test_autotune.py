"""A choice that is measured once and remembered."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
import torch
from filelock import FileLock, Timeout
from torch import Tensor

from bpfl_med.networks import autotune as module
from bpfl_med.networks.autotune import autotune, processor_name

Way = Callable[[Tensor], Tensor]


class Clock:
    """A clock that ways of computing a sum move on by as long as they say, so that no test depends on the machine."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def way(self, *seconds: float, error: float = 0.0) -> Way:
        """Give a way that takes so long, in turn."""
        turns = [*seconds]

        def add(x: Tensor) -> Tensor:
            self.seconds += turns[0] if len(turns) == 1 else turns.pop(0)
            return x + x + error

        return add


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: clock.seconds))
    return clock


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the choice is remembered; nothing is there yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "bpfl_med" / "fastest.json"


@pytest.fixture
def choice(file: Path, clock: Clock) -> Callable[..., str]:
    """Choose between a slow way and a quick one, or others."""

    def choose(question: str = "sum", **ways: Way) -> str:
        ways = ways or {"slow": clock.way(2.0), "quick": clock.way(1.0)}
        return autotune(question, ways, shapes=[(10, 10)], dtype=torch.float32)

    return choose


def test_it_is_the_fastest_and_is_remembered(file: Path, choice: Callable[..., str]) -> None:
    assert choice() == "quick"
    machine = f"{processor_name()}, torch {torch.__version__}"
    assert json.loads(file.read_text()) == {machine: {"sum": "quick"}}


@pytest.mark.parametrize(("seconds", "expected"), [(0.2, "one"), (0.191, "one"), (0.19, "other")])
def test_the_first_is_preferred_to_one_that_is_hardly_faster(
    seconds: float, expected: str, clock: Clock, choice: Callable[..., str]
) -> None:
    assert choice(one=clock.way(0.2), other=clock.way(seconds)) == expected


def test_the_fastest_trial_counts(clock: Clock, choice: Callable[..., str]) -> None:
    """A busy machine disturbs some of them."""
    assert choice(one=clock.way(0.2), other=clock.way(0.9, 0.9, 0.1, 0.9)) == "other"


def test_the_answer_of_a_process_that_was_faster_counts(
    file: Path, choice: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of processes that start together, the later takes over what the earlier has written while it waited."""
    machine = f"{processor_name()}, torch {torch.__version__}"

    class LateLock(FileLock):
        def acquire(self, *args: Any, **kwargs: Any) -> Any:
            file.write_text(json.dumps({machine: {"sum": "slow"}}))
            return super().acquire(*args, **kwargs)

    monkeypatch.setattr(module, "FileLock", LateLock)
    assert choice() == "slow"
    assert json.loads(file.read_text()) == {machine: {"sum": "slow"}}


def test_processes_measure_one_after_the_other(file: Path, clock: Clock, choice: Callable[..., str]) -> None:
    """A second process could not begin while the first measures."""
    held = []

    def way(x: Tensor) -> Tensor:
        with pytest.raises(Timeout), FileLock(file.with_suffix(".lock"), timeout=0):
            held.append("got in between")
        return x + x

    choice(slow=clock.way(2.0), quick=way)
    assert not held
    with FileLock(file.with_suffix(".lock"), timeout=0):
        pass


def test_a_process_that_waits_in_vain_measures_for_itself(
    file: Path, clock: Clock, choice: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And keeps what another has written meanwhile."""
    monkeypatch.setattr(module, "_LONGEST_WAIT", 0)
    file.parent.mkdir()
    machine = f"{processor_name()}, torch {torch.__version__}"

    def meanwhile(x: Tensor) -> Tensor:
        file.write_text(json.dumps({machine: {"double": "slow"}}))
        return x + x

    with FileLock(file.with_suffix(".lock")):
        assert choice(slow=clock.way(2.0), quick=meanwhile) == "quick"
    assert json.loads(file.read_text()) == {machine: {"double": "slow", "sum": "quick"}}


@pytest.mark.parametrize("error", [OSError("No locks available"), NotImplementedError(), PermissionError()])
def test_a_file_system_without_locks_does_no_harm(
    error: Exception, file: Path, choice: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.FileLock, "acquire", mock.Mock(side_effect=error))
    assert choice() == "quick"
    assert file.exists()


def test_slow_ways_are_not_tried_for_long(clock: Clock, choice: Callable[..., str]) -> None:
    assert choice(one=clock.way(9.0), other=clock.way(2.0, 1.0)) == "other"
    assert clock.seconds == 11


@pytest.mark.parametrize("error", [0.5, float("nan")])
def test_a_way_that_gives_something_else_is_not_chosen(error: float, clock: Clock, choice: Callable[..., str]) -> None:
    assert choice(slow=clock.way(2.0), wrong=clock.way(1.0, error=error)) == "slow"


def test_it_is_that_of_an_earlier_process(file: Path, choice: Callable[..., str]) -> None:
    """A file with the slow way: were the choice measured again, it would not be followed."""
    choice()
    content = file.read_text().replace("quick", "slow")
    file.write_text(content)
    assert choice() == "slow"
    assert file.read_text() == content


def test_other_questions_and_machines_are_kept(file: Path, choice: Callable[..., str]) -> None:
    choice()
    known = {"another machine": {"sum": "slow"}} | json.loads(file.read_text())
    file.write_text(json.dumps(known))
    assert choice("double") == "quick"
    machine = list(known)[1]
    assert json.loads(file.read_text()) == known | {machine: {"sum": "quick", "double": "quick"}}


def test_an_answer_that_is_no_way_is_measured_anew(file: Path, choice: Callable[..., str]) -> None:
    choice()
    file.write_text(file.read_text().replace("quick", "another"))
    assert choice() == "quick"
    assert "another" not in file.read_text()


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff"])
def test_a_damaged_file_is_replaced(content: bytes, file: Path, choice: Callable[..., str]) -> None:
    file.parent.mkdir()
    file.write_bytes(content)
    assert choice() == "quick"
    assert list(json.loads(file.read_text()).values()) == [{"sum": "quick"}]


@pytest.mark.parametrize("damaged", ["quick", {"sum": []}])
def test_a_damaged_answer_is_replaced(damaged: object, file: Path, choice: Callable[..., str]) -> None:
    choice()
    machine = next(iter(json.loads(file.read_text())))
    file.write_text(json.dumps({machine: damaged}))
    assert choice() == "quick"
    assert json.loads(file.read_text()) == {machine: {"sum": "quick"}}


def test_a_user_without_a_home_folder_gets_an_answer(
    choice: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container that runs under a number that no user has."""
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(module.Path, "home", mock.Mock(side_effect=RuntimeError("Could not determine home directory.")))
    assert choice() == "quick"


def test_a_cache_that_cannot_be_written_does_no_harm(file: Path, choice: Callable[..., str]) -> None:
    file.parent.write_text("a file where a folder should be")
    assert choice() == "quick"
