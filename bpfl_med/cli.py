"""The command `bpfl-med`: the bundle with good defaults."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import TextIO

from bpfl_med.commands import benchmark, datasets, predict
from bpfl_med.machine.torch_version import refuse_old_torch
from bpfl_med.workflow.plain_errors import cause, spoken_error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0 if all went well, 2 if input or settings cannot be used.

    A command may return a code of its own, such as 1 for a check that found differences; 130 is an interruption.
    Whatever cannot be used is said in one line on standard error, which names the file and the reason.
    """
    options, unknown = _parser().parse_known_args(arguments)
    if unknown:  # argparse alone would show the usage of bpfl-med, which names no option of the command
        command = options.parser
        command.error(f"unrecognized arguments: {' '.join(unknown)}; see {command.prog} --help")
    failures = _Failures()
    try:
        refuse_old_torch()
        with contextlib.ExitStack() as stack:
            options.progress = sys.stderr if options.debug else stack.enter_context(_silent_libraries())
            failures.terminal = options.progress
            return options.run(options, failures) or (2 if failures else 0)
    except KeyboardInterrupt:
        print("bpfl-med: interrupted; what was written is whole", file=sys.stderr)
        return 130
    except Exception as error:
        failures.terminal = sys.stderr
        failures.append(_sentence(error))
        if options.debug:
            raise
        return 2


class _Failures(list[str]):
    """What could not be used, each said at once, since a run of thousands of scans may be killed."""

    def __init__(self) -> None:
        super().__init__()
        self.terminal: TextIO = sys.stderr

    def append(self, failure: str) -> None:
        super().append(failure)
        print(f"bpfl-med: {failure}", file=self.terminal, flush=True)


@contextlib.contextmanager
def _silent_libraries() -> Iterator[TextIO]:
    """Keep what libraries say off standard error, decoders written in C included, while a block runs.

    What a person must know is in result.json, or said by this program: the block gets what standard error was before.
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
            yield terminal
    finally:
        logging.disable(disabled)
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bpfl-med", description="Zero-shot anomaly detection for radiology. Research only."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for command in (predict, datasets, benchmark):
        declared = command.add_parser(commands)
        declared.add_argument("--debug", action="store_true", help="show where an error came from")
        declared.set_defaults(run=command.run, parser=declared)
    return parser


def _sentence(error: BaseException) -> str:
    """Give the text of an error on one line."""
    first, text = cause(error), spoken_error(error)
    return text if isinstance(first, ValueError | OSError) else f"{type(first).__name__}: {text}; see --debug"


if __name__ == "__main__":
    sys.exit(main())
