"""What cannot be opened is told and does not cost the others."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bpfl_med.files.walk import files_below


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("a/1", "b/2", "c/3"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize("name", ["b", "b/2"])
def test_a_place_that_cannot_be_read_does_not_cost_the_others(tree, monkeypatch, name):
    real = Path.stat

    def fail(path: Path, **options: bool) -> os.stat_result:
        if path == tree / name:
            raise OSError(116, "Stale file handle", str(path))
        return real(path, **options)

    monkeypatch.setattr(Path, "stat", fail)
    told: list[tuple[Path, str]] = []
    found = list(files_below(tree, lambda path, reason: told.append((path, reason))))
    assert found == [tree / "a/1", tree / "c/3"]
    kind = "file" if name == "b/2" else "folder"
    assert told == [(tree / name, f"the {kind} cannot be opened (Stale file handle)")]


def test_a_folder_that_went_away_since_it_was_found_is_told(tree):
    told: list[tuple[Path, str]] = []
    below = files_below(tree, lambda path, reason: told.append((path, reason)))
    assert next(below) == tree / "a/1"
    (tree / "b/2").unlink()
    (tree / "b").rmdir()
    assert list(below) == [tree / "c/3"]
    assert [path for path, _ in told] == [tree / "b"]


def test_links_to_nothing_are_files_and_pipes_are_not(tree):
    (tree / "a/lost").symlink_to(tree / "nothing")
    os.mkfifo(tree / "a/pipe")
    found = list(files_below(tree, lambda *_: None))
    assert sorted(found) == [tree / "a/1", tree / "a/lost", tree / "b/2", tree / "c/3"]
