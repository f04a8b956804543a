"""What a command tells a person on the terminal, while libraries are silent."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from typing import NamedTuple, TextIO


class Console(NamedTuple):
    """Where a command shows its progress and says what could not be used.

    Attributes:
        terminal: standard error, or what it was before libraries were silenced.
    """

    terminal: TextIO

    def report_failure(self, sentence: str) -> None:
        """Say at once what could not be used, since a run of thousands of scans may be killed."""
        print(f"bpfl-med: {sentence}", file=self.terminal, flush=True)


@contextlib.contextmanager
def silent_libraries() -> Iterator[Console]:
    """Keep what libraries say off standard error, decoders written in C included, while a block runs.

    What a person must know is in result.json, or said by this program: the block gets what standard error was
    before as its console.
    """
    disabled = logging.root.manager.disable
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with (
            open(os.devnull, "w") as nowhere,  # noqa: PTH123  a device
            os.fdopen(kept, "w", closefd=False) as terminal,
            warnings.catch_warnings(action="ignore"),
        ):
            os.dup2(nowhere.fileno(), 2)
            logging.disable(logging.CRITICAL)
            yield Console(terminal)
    finally:
        logging.disable(disabled)
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
