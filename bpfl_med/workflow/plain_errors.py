"""End a run that fails with the sentence that says why."""

from __future__ import annotations

import inspect
import sys
from types import TracebackType

from bpfl_med.machine.memory_advice import memory_advice

_NO_GPU = (
    "Found no NVIDIA driver",
    "No CUDA GPUs are available",
    "not compiled with CUDA",
)
_WRAPPERS = ("Failed to instantiate component", "Failed to evaluate", "applying transform")  # how MONAI's errors begin


def end_with_cause() -> None:
    """Make the last line of a failing program the error itself; MONAI's wrapping of errors in configs hides it.

    For programs, not for libraries: it replaces `sys.excepthook`. The traceback is still printed, above that line.
    """
    sys.excepthook = _print_cause_last


def cause(error: BaseException) -> BaseException:
    """Return the error that MONAI wrapped, or the error itself."""
    while isinstance(error, RuntimeError) and str(error).startswith(_WRAPPERS) and error.__cause__ is not None:
        error = error.__cause__
    return error


def advice(error: BaseException) -> str | None:
    """Say what is wrong and what to do about an error that does not say so itself; None for any other.

    Args:
        error: as it was raised, MONAI's wrapping included, which tells that a config gave the arguments.
    """
    first = cause(error)
    if text := memory_advice(first):
        return text
    if isinstance(first, RuntimeError | AssertionError) and any(sign in str(first) for sign in _NO_GPU):
        return "there is no GPU that PyTorch can use; leave out the setting device to compute on the CPU"
    if first is not error and isinstance(first, TypeError) and "unexpected keyword argument" in str(first):
        advised = f"{first}; check the spelling of that setting on the command line and in the config files"
        names = _settings_taken(first)
        return f"{advised}; there are {', '.join(names)}" if names else advised
    return None


def describe_error(error: BaseException) -> str:
    """Give the text of an error on one line, or the advice on it if there is one."""
    return advice(error) or " ".join(str(cause(error)).split())


def _settings_taken(error: TypeError) -> list[str]:
    """List the arguments of what a config called with a wrong one; none if the call is not MONAI's own."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    component = traceback.tb_frame.f_locals.get("component") if traceback is not None else None  # of `instantiate`
    if not callable(component):
        return []
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [name for name, parameter in inspect.signature(component).parameters.items() if parameter.kind in named]


def _print_cause_last(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    sys.__excepthook__(kind, error, traceback)
    first = cause(error)
    if text := advice(error):
        print(f"\n{type(first).__name__}: {text}", file=sys.stderr)
    elif first is not error:
        print(f"\n{type(first).__name__}: {first}", file=sys.stderr)
