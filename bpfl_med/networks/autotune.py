"""Which of several ways of computing is the fastest on this machine, found out once and remembered."""

from __future__ import annotations

import functools
import json
import logging
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import torch
from filelock import FileLock

from bpfl_med.files.atomic import write_json

logger = logging.getLogger(__name__)

_MARGIN = 1.05  # how much faster than the preferred way another must be; noise makes less of equal ones
_TRIALS = 7
_LONGEST_MEASUREMENT = 10  # seconds, after which no trial begins; some processors emulate bfloat16
_LARGEST_DIFFERENCE = 0.02  # of the largest value, between ways that are right but round in their own order
_LONGEST_WAIT = 120  # seconds, for other processes that measure


def autotune(
    question: str,
    ways: Mapping[str, Callable[..., torch.Tensor]],
    *,
    shapes: Sequence[Sequence[int]],
    dtype: torch.dtype,
) -> str:
    """Give the name of the fastest way on this machine's CPU, remembered from an earlier process or measured now.

    The ways round differently, so a choice that changed from run to run would change the bytes of results. It is
    therefore made once for a processor and a PyTorch version, by one process at a time, and kept in
    `$XDG_CACHE_HOME/bpfl_med/fastest.json` (`~/.cache` by default). Deleting the file has it measured anew. Where
    nothing can be kept there, each process measures for itself.

    Args:
        question: what is chosen and all that the answer may depend on, such as the number of threads, for the file.
        ways: functions of the same random tensors by name, the one to prefer first.
        shapes: of the tensors.
        dtype: of the tensors.
    """
    machine = f"{processor_name()}, torch {torch.__version__}"
    chosen = ""
    try:
        file = _memory_file()
        chosen = _answer(file, machine, question)
        if chosen in ways:
            return chosen
        file.parent.mkdir(parents=True, exist_ok=True)
        with _one_process_at_a_time(file):
            chosen = _answer(file, machine, question)
            if chosen not in ways:
                chosen = _fastest(ways, shapes, dtype)
                choices = _remembered(file)
                choices.setdefault(machine, {})[question] = chosen
                write_json(file, choices)
    except OSError as error:
        logger.warning("The choice of the %s could not be kept for the next run: %s", question, error)
    return chosen if chosen in ways else _fastest(ways, shapes, dtype)


@functools.cache
def processor_name() -> str:
    """Name the processor as exactly as the system does."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    keys = ("model name", "cpu family", "model", "CPU implementer", "CPU part")
    told = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    return " ".join(told[key] for key in keys if key in told) or platform.machine()


@torch.no_grad()
@torch.autocast("cpu", enabled=False)
def _fastest(
    ways: Mapping[str, Callable[..., torch.Tensor]], shapes: Sequence[Sequence[int]], dtype: torch.dtype
) -> str:
    """Time all ways in turn, and compare what they give."""
    generator = torch.Generator().manual_seed(0)
    tensors = [
        torch.randn(*shape, generator=generator, dtype=torch.float32, device="cpu").to(dtype) for shape in shapes
    ]
    best = dict.fromkeys(ways, float("inf"))
    results = {}
    began = time.perf_counter()
    for trial in range(_TRIALS):
        if trial and time.perf_counter() - began > _LONGEST_MEASUREMENT:
            break
        for name, way in ways.items():
            started = time.perf_counter()
            results[name] = way(*tensors)
            best[name] = min(best[name], time.perf_counter() - started)
    preferred = next(iter(ways))
    fastest = min(best, key=best.__getitem__)
    expected = results[preferred].float()
    difference = (results[fastest].float() - expected).abs().max()
    agree = bool(difference <= _LARGEST_DIFFERENCE * expected.abs().max())
    return fastest if agree and best[preferred] > _MARGIN * best[fastest] else preferred


@contextmanager
def _one_process_at_a_time(file: Path) -> Iterator[None]:
    """Hold a lock beside a file, if the file system has locks; else several processes may measure at once."""
    with ExitStack() as stack:
        try:
            stack.enter_context(FileLock(file.with_suffix(".lock"), timeout=_LONGEST_WAIT))
        except (OSError, NotImplementedError) as error:
            logger.info("No lock on %s: %s", file, error)
        yield


def _memory_file() -> Path:
    try:
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError as error:
        raise OSError("this user has no home folder; set XDG_CACHE_HOME") from error
    return Path(cache) / "bpfl_med" / "fastest.json"


def _answer(file: Path, machine: str, question: str) -> str:
    """Look up what an earlier process has chosen; "" if none has."""
    return _remembered(file).get(machine, {}).get(question, "")


def _remembered(file: Path) -> dict[str, dict[str, str]]:
    """Read the answers of every machine; what is damaged is left out."""
    try:
        choices = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    if not isinstance(choices, dict):
        return {}
    return {
        machine: {question: answer for question, answer in answers.items() if isinstance(answer, str)}
        for machine, answers in choices.items()
        if isinstance(answers, dict)
    }
