"""The command `bpfl-med`: the bundle with good defaults."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from bpfl_med.commands import benchmark, datasets, predict
from bpfl_med.commands.console import Console, silent_libraries
from bpfl_med.machine.torch_version import refuse_old_torch
from bpfl_med.workflow.plain_errors import cause, describe_error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0 if all went well, 2 if input or settings cannot be used.

    A command may return a code of its own, such as 1 for a check that found differences; 130 is an interruption.
    Whatever cannot be used is said in one line on standard error, which names the file and the reason.
    """
    options, unknown = _parser().parse_known_args(arguments)
    if unknown:  # argparse alone would show the usage of bpfl-med, which names no option of the command
        command = options.parser
        command.error(f"unrecognized arguments: {' '.join(unknown)}; see {command.prog} --help")
    try:
        refuse_old_torch()
        if options.debug:
            return options.run(options, Console(sys.stderr))
        with silent_libraries() as console:
            return options.run(options, console)
    except KeyboardInterrupt:
        print("bpfl-med: interrupted; what was written is whole", file=sys.stderr)
        return 130
    except Exception as error:
        Console(sys.stderr).report_failure(_sentence(error))
        if options.debug:
            raise
        return 2


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
    first, text = cause(error), describe_error(error)
    return text if isinstance(first, ValueError | OSError) else f"{type(first).__name__}: {text}; see --debug"


if __name__ == "__main__":
    sys.exit(main())
