"""Write a file or a folder whole or not at all."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replaced_file(path: str | Path) -> Iterator[Path]:
    """Give a path beside `path` to write to, which takes its place when the block ends without an error.

    The folder is made if absent. A reader never sees half a file, and a run that is killed leaves none behind under
    the final name.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.part{path.suffix}")  # the suffix tells some writers the format
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def check_writable(folder: str | Path) -> None:
    """Make a folder and write in it by way of trial, so that a run does not fail when its work is done.

    Nothing is left behind, so that a run which then refuses its input leaves no trace.

    Raises:
        OSError: if the folder cannot be made or written to.
    """
    path = Path(folder).absolute()
    made = [ancestor for ancestor in (path, *path.parents) if not ancestor.exists()]
    try:
        write_text(path / "writable", "")
        (path / "writable").unlink()
        with suppress(OSError):  # another run may have begun to write there
            for ancestor in made:
                ancestor.rmdir()
    except OSError as error:
        raise OSError(f"Nothing can be written to {folder} ({error}); set output_dir to a folder of yours") from error


@contextmanager
def replaced_folder(folder: str | Path) -> Iterator[Path]:
    """Give a new folder beside `folder`, which takes its place when the block ends without an error.

    An older folder of that name is removed only then.
    """
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=folder.parent) as scratch:
        partial = Path(scratch) / folder.name
        partial.mkdir()
        yield partial
        if folder.exists():
            folder.replace(Path(scratch) / "old")
        partial.replace(folder)


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text, whole or not at all."""
    with replaced_file(path) as partial:
        partial.write_text(text, encoding="utf-8")
