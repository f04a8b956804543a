"""A GPU is fed by all cores that its process has; the CPU's own work is not disturbed."""

from __future__ import annotations

import os

import ignite.distributed as idist
import pytest
import torch

from bpfl_med.machine.loader_workers import loader_workers


def test_a_network_on_the_cpu_has_one():
    assert loader_workers(torch.device("cpu")) == 1


@pytest.mark.parametrize(("n_cores", "n_processes", "expected"), [(8, 1, 8), (64, 1, 8), (64, 16, 4), (2, 4, 1)])
def test_a_gpu_has_the_cores_of_its_process(monkeypatch, n_cores, n_processes, expected):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(n_cores)))
    monkeypatch.setattr(idist, "get_nproc_per_node", lambda: n_processes)
    assert loader_workers(torch.device("cuda:0")) == expected
