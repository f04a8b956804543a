"""All files in a folder and its folders, so that none is passed over unseen."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path


def files_below(folder: Path, tell: Callable[[Path, str], object], *, only_loose: bool = False) -> Iterator[Path]:
    """Yield the files in a folder and its folders, through links too, without hidden ones.

    Links to nothing are files, too: what they stood for is lost. A folder that is met again by a link is read once.

    Args:
        folder: where to look.
        tell: gets each folder and file that cannot be opened, and why; the others are read all the same.
        only_loose: leave out the folders in the folder.
    """

    def complain(error: OSError) -> None:
        tell(Path(error.filename), f"the folder cannot be opened ({error.strerror or type(error).__name__})")

    seen = set()
    for place, folders, files in os.walk(folder, onerror=complain, followlinks=True):
        try:
            known = Path(place).stat()
        except OSError as error:  # it went away since it was found
            complain(error)
            folders.clear()
            continue
        if (known.st_dev, known.st_ino) in seen:
            folders.clear()
            continue
        seen.add((known.st_dev, known.st_ino))
        folders[:] = [] if only_loose else sorted(name for name in folders if not name.startswith("."))
        for path in (Path(place, name) for name in files if not name.startswith(".")):
            try:
                mode = path.stat().st_mode
            except FileNotFoundError:  # a link to nothing
                yield path
            except OSError as error:
                tell(path, f"the file cannot be opened ({error.strerror or type(error).__name__})")
            else:
                if stat.S_ISREG(mode):  # no pipes and the like
                    yield path
