"""All files in a folder and its folders, so that none is passed over unseen."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path


def files_below(folder: Path, tell: Callable[[Path, str], object]) -> Iterator[Path]:
    """Yield the files in a folder and its folders, through links too, without hidden ones.

    Links to nothing are files, too: what they stood for is lost. A folder that is met again by a link is read once.

    Args:
        folder: where to look.
        tell: gets each folder that cannot be opened, and why.
    """

    def complain(error: OSError) -> None:
        reason = error.strerror or type(error).__name__
        tell(Path(error.filename), f"the folder cannot be opened ({reason})")

    seen = set()
    for place, folders, files in os.walk(folder, onerror=complain, followlinks=True):
        known = Path(place).stat()
        if (known.st_dev, known.st_ino) in seen:
            folders.clear()
            continue
        seen.add((known.st_dev, known.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        paths = (Path(place, name) for name in files if not name.startswith("."))
        yield from (path for path in paths if path.is_file() or not path.exists())  # no pipes and the like
