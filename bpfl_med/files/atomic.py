"""Write a file or a folder whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

_DAY = 86400  # seconds


@contextmanager
def replaced_file(path: str | Path) -> Iterator[Path]:
    """Give a path beside `path` to write to, which takes its place when the block ends without an error.

    The folder is made if absent. A reader never sees half a file, and a run that is killed leaves none behind under
    the final name.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix tells some writers the format.
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part{path.suffix}")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def check_writable(folder: str | Path) -> None:
    """Try to write where a folder is or will be made, so that a run does not fail when its work is done.

    Nothing is left behind, so that a run which then refuses its input leaves no trace.

    Raises:
        OSError: if the folder cannot be made or written to.
    """
    path = Path(folder).absolute()
    try:
        place = next(ancestor for ancestor in (path, *path.parents) if ancestor.exists())
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        reason = error.strerror or error
        raise OSError(f"Nothing can be written to {folder} ({reason}); choose an output folder of yours") from error


@contextmanager
def replaced_folder(folder: str | Path) -> Iterator[Path]:
    """Give a new folder beside `folder`, which takes its place when the block ends without an error.

    An older folder of that name is removed only then; the caller sees to it that it may be. A process that is killed
    leaves a hidden folder, which :func:`remove_unfinished` takes away.
    """
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{_scratch_prefix()}{os.getpid()}-", dir=folder.parent) as scratch:
        partial = Path(scratch) / folder.name
        partial.mkdir()
        yield partial
        if folder.exists():
            folder.replace(Path(scratch) / "old")
        partial.replace(folder)


def remove_unfinished(folder: str | Path) -> None:
    """Remove what processes that live no more left of folders that they had not finished.

    Of processes of other machines and containers nothing is known, so their folders must be a day old.
    """
    for scratch in Path(folder).glob(".unfinished-*"):
        pid = scratch.name.removeprefix(_scratch_prefix()).split("-")[0]
        is_left = not _is_alive(int(pid)) if pid.isdigit() else _seconds_unchanged(scratch) > _DAY
        if is_left:
            shutil.rmtree(scratch, ignore_errors=True)


def _scratch_prefix() -> str:
    """Begin the names of scratch folders of this machine or container; the number of the process follows."""
    names = [socket.gethostname()]
    with contextlib.suppress(OSError):
        names.append(Path("/etc/machine-id").read_text())
    with contextlib.suppress(OSError):
        names.append(str(Path("/proc/self/ns/pid").readlink()))  # containers see processes of their own alone
    return f".unfinished-{hashlib.sha256(' '.join(names).encode()).hexdigest()[:16]}-"


def _seconds_unchanged(folder: Path) -> float:
    """Say how long ago a folder, or one in it, got its last file."""
    try:
        changed = max(place.stat().st_mtime for place in (folder, *folder.iterdir()))
    except OSError:  # it is being moved to its place
        return 0.0
    return time.time() - changed


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        pass
    return True


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text, whole or not at all."""
    with replaced_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_picture(path: str | Path, picture: Image.Image) -> None:
    """Write a picture in the format that the file's ending names, whole or not at all."""
    with replaced_file(path) as partial:
        picture.save(partial)


def write_json(path: str | Path, content: Any) -> None:
    """Write JSON, whole or not at all.

    Raises:
        ValueError: if the content holds NaN or infinity, which JSON does not know.
    """
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")
