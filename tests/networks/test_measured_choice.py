"""A choice that is measured once and remembered."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from bpfl_med.networks.measured_choice import measured_choice, processor_name


def quick(x: Tensor) -> Tensor:
    return x + x


def slow(x: Tensor) -> Tensor:
    for _ in range(100):
        x.sin()
    return x + x


def wrong(x: Tensor) -> Tensor:
    return x


WAYS = {"slow": slow, "quick": quick}


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the choice is remembered; nothing is there yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "bpfl_med" / "fastest.json"


def choice(question: str = "sum", **ways: object) -> str:
    return measured_choice(question, ways or WAYS, shapes=[(100, 100)], dtype=torch.float32)  # type: ignore[arg-type]


def test_it_is_the_fastest_and_is_remembered(file: Path) -> None:
    assert choice() == "quick"
    machine = f"{processor_name()}, torch {torch.__version__}"
    assert json.loads(file.read_text()) == {machine: {"sum": "quick"}}


def test_the_first_is_preferred_to_one_that_is_as_fast(file: Path) -> None:
    assert choice(one=slow, other=slow) == "one"


def test_the_answer_of_a_process_that_was_faster_counts(file: Path) -> None:
    """Processes that start together must not choose differently."""
    machine = f"{processor_name()}, torch {torch.__version__}"

    def meanwhile(x: Tensor) -> Tensor:
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps({machine: {"sum": "slow"}}))
        return quick(x)

    assert choice(slow=slow, quick=meanwhile) == "slow"
    assert json.loads(file.read_text()) == {machine: {"sum": "slow"}}


def test_a_way_that_gives_something_else_is_not_chosen(file: Path) -> None:
    assert choice(slow=slow, wrong=wrong) == "slow"


def test_it_is_that_of_an_earlier_process(file: Path) -> None:
    """A file with the slow way: were the choice measured again, it would not be followed."""
    choice()
    content = file.read_text().replace("quick", "slow")
    file.write_text(content)
    assert choice() == "slow"
    assert file.read_text() == content


def test_other_questions_and_machines_are_kept(file: Path) -> None:
    choice()
    known = {"another machine": {"sum": "slow"}} | json.loads(file.read_text())
    file.write_text(json.dumps(known))
    assert choice("double") == "quick"
    machine = list(known)[1]
    assert json.loads(file.read_text()) == known | {machine: {"sum": "quick", "double": "quick"}}


def test_an_answer_that_is_no_way_is_measured_anew(file: Path) -> None:
    choice()
    file.write_text(file.read_text().replace("quick", "another"))
    assert choice() == "quick"
    assert "another" not in file.read_text()


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff"])
def test_a_damaged_file_is_replaced(content: bytes, file: Path) -> None:
    file.parent.mkdir()
    file.write_bytes(content)
    assert choice() == "quick"
    assert list(json.loads(file.read_text()).values()) == [{"sum": "quick"}]


def test_a_damaged_answer_is_replaced(file: Path) -> None:
    choice()
    machine = next(iter(json.loads(file.read_text())))
    file.write_text(json.dumps({machine: "quick"}))
    assert choice() == "quick"
    assert json.loads(file.read_text()) == {machine: {"sum": "quick"}}


def test_a_cache_that_cannot_be_written_does_no_harm(file: Path) -> None:
    file.parent.write_text("a file where a folder should be")
    assert choice() == "quick"
