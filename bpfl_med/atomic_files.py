"""Write a file whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text, whole or not at all."""
    with replaced_file(path) as partial:
        partial.write_text(text, encoding="utf-8")
