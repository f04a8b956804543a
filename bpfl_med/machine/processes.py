"""What the processes of one run tell one another; a run of one process needs none of it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import ignite.distributed as idist
import torch.distributed as dist

Value = TypeVar("Value")

_PATIENCE = timedelta(days=1)  # the first process may need long for metrics, or be given the slower machine


def refuse_unjoined_processes() -> None:
    """Raise if a launcher started several processes and the configs do not join them: each would do all the work.

    Raises:
        ValueError: the text says which config is missing.
    """
    launched = max(_started_by_torchrun(), _started_by_srun())
    if launched > 1 and idist.get_world_size() == 1:
        raise ValueError(
            f"{launched} processes were started that know nothing of one another; add the bundle's "
            "configs/multi_gpu.json to the config files, behind evaluate.json or train.json, or start a single process"
        )


def refuse_several_processes() -> None:
    """Raise if torchrun started several processes for scans, which one process scores.

    Raises:
        ValueError: the text says what to do instead.
    """
    if (launched := _started_by_torchrun()) > 1:
        raise ValueError(
            f"{launched} processes were started, and each would score all scans; start one for each folder of scans"
        )


def _started_by_torchrun() -> int:
    return int(os.environ.get("WORLD_SIZE", "1"))


def _started_by_srun() -> int:
    """Count the tasks of a job's step; SLURM_NTASKS stands in a batch script, too, which is a single process."""
    is_shell = "SLURM_PTY_PORT" in os.environ  # srun --pty keeps the first task alone
    return 1 if is_shell else int(os.environ.get("SLURM_STEP_NUM_TASKS", "1"))


@contextmanager
def host_group() -> Iterator[Any]:
    """Give the group through which processes exchange objects in main memory, whatever the run's backend is.

    Every process must enter it. None where there is only one process.
    """
    if idist.get_world_size() == 1:
        yield None
        return
    group = dist.new_group(backend="gloo", timeout=_PATIENCE)
    try:
        yield group
    finally:
        dist.destroy_process_group(group)


def to_first(messages: Iterable[Value], group: Any) -> Iterator[Value]:
    """Yield on the first process what the others give, process by process; on the others send it and yield nothing.

    One message at a time is in memory. Every process must exhaust it.
    """
    if group is None:
        return
    if idist.get_rank() == 0:
        for source in range(1, idist.get_world_size()):
            while (received := _receive(source, group)) is not None:
                yield received[0]
    else:
        for message in messages:
            dist.send_object_list([(message,)], dst=0, group=group)
        dist.send_object_list([None], dst=0, group=group)


def from_first(value: Value | None, group: Any) -> Value:
    """Return on every process what the first one gives; what the others give is not read."""
    shared = [value]
    if group is not None:
        dist.broadcast_object_list(shared, src=0, group=group)
    return shared[0]  # type: ignore[return-value]


def _receive(source: int, group: Any) -> tuple[Any] | None:
    received: list[tuple[Any] | None] = [None]
    dist.recv_object_list(received, src=source, group=group)
    return received[0]
