"""What a command tells a person on the terminal, while libraries are silent."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
import warnings
from collections.abc import Iterator
from typing import NamedTuple, TextIO


class Console(NamedTuple):
    """Where a command says what it did, and what could not be used, a line each.

    Names of files may hold what no line can, such as a line break or bytes that are no text: those are escaped.

    Attributes:
        terminal: standard error, or what it was before libraries were silenced; progress is shown there, too.
    """

    terminal: TextIO

    def report(self, line: str) -> None:
        """Say what was done, on standard output."""
        _print_line(line, sys.stdout)

    def report_failure(self, sentence: str) -> None:
        """Say at once what could not be used, since a run of thousands of scans may be killed."""
        _print_line(f"bpfl-med: {sentence}", self.terminal)


def _print_line(line: str, stream: TextIO) -> None:
    escaped = re.sub(r"[\x00-\x1f\x7f]", lambda sign: repr(sign.group())[1:-1], line)
    encoding = getattr(stream, "encoding", None) or "utf-8"
    print(escaped.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)


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
