"""A file appears whole or not at all."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from bpfl_med.files.atomic import check_writable, remove_unfinished, replaced_file, replaced_folder, write_text


def test_text_is_written_into_a_new_folder(tmp_path):
    write_text(tmp_path / "new/a.csv", "größe\n")
    assert (tmp_path / "new/a.csv").read_bytes() == "größe\n".encode()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.csv"]


def test_an_error_leaves_the_old_file_and_no_other(tmp_path):
    write_text(tmp_path / "a.txt", "old")

    def fail() -> None:
        with replaced_file(tmp_path / "a.txt") as partial:
            partial.write_text("half")
            assert (tmp_path / "a.txt").read_text() == "old"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert (tmp_path / "a.txt").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_the_partial_file_keeps_the_suffix_that_tells_the_format(tmp_path):
    with replaced_file(tmp_path / "a.png") as partial:
        assert partial.suffix == ".png"
        partial.touch()


def test_trying_to_write_leaves_nothing_behind(tmp_path):
    (tmp_path / "old").mkdir()
    check_writable(tmp_path / "new/deep")
    check_writable(tmp_path / "old")
    assert list(tmp_path.rglob("*")) == [tmp_path / "old"]


def test_trying_to_write_touches_no_file_of_others(tmp_path):
    (tmp_path / "writable").write_text("mine")
    check_writable(tmp_path)
    assert (tmp_path / "writable").read_text() == "mine"


def test_what_a_dead_process_left_is_removed_and_nothing_else(tmp_path):
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    with replaced_folder(tmp_path / "scan"):
        (alive,) = tmp_path.iterdir()
        left = alive.with_name(alive.name.replace(str(os.getpid()), str(int(dead.stdout))))
        elsewhere, long_ago = (tmp_path / f".unfinished-{name}-{int(dead.stdout)}-abc" for name in ("f00", "ba7"))
        for folder in (left, elsewhere, long_ago):
            (folder / "scan").mkdir(parents=True)
        for folder in (long_ago / "scan", long_ago):
            os.utime(folder, (0, 0))
        remove_unfinished(tmp_path)
        assert sorted(tmp_path.iterdir()) == sorted([alive, elsewhere])
    assert sorted(tmp_path.iterdir()) == sorted([tmp_path / "scan", elsewhere])


def test_another_container_of_the_same_name_is_another_machine(tmp_path):
    """Its processes cannot be seen from here, and their numbers may be those of processes here."""
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "--pid", "--fork", "true"], check=False).returncode:
        pytest.skip("no namespace for processes can be made")
    program = (
        "import pathlib, sys; from bpfl_med.files.atomic import remove_unfinished; "
        "remove_unfinished(pathlib.Path(sys.argv[1]))"
    )
    with replaced_folder(tmp_path / "scan"):
        subprocess.run(
            [unshare, "--pid", "--fork", "--mount-proc", sys.executable, "-c", program, str(tmp_path)], check=True
        )
        assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_that_cannot_be_written_to(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(
        OSError, match=r"Nothing can be written to .*/file/out \(Not a directory\); choose an output folder of yours"
    ):
        check_writable(tmp_path / "file/out")
