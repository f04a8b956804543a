"""Bytes of live tensors, against what can be worked out by hand."""

from __future__ import annotations

import torch

from bpfl_med.machine.tensor_memory import TensorMemory

MIB = 2**20


def floats(mib: int, device: str = "cpu") -> torch.Tensor:
    return torch.ones(mib * MIB // 4, device=device)


def test_what_is_gone_is_not_counted() -> None:
    with TensorMemory() as memory:
        kept = floats(2)
        for _ in range(5):
            kept = kept * 2  # for a moment both
    assert memory.peak == 4 * MIB


def test_views_and_writing_in_place_take_nothing() -> None:
    before = floats(8)
    with TensorMemory() as memory:
        before[1:].view(-1).add_(1).unsqueeze(0).transpose(0, 1)
    assert memory.peak == 0


def test_memory_is_free_on_the_meta_device_but_counted() -> None:
    with TensorMemory() as memory:
        (floats(3, "meta") + 1).sum()
    assert memory.peak == 6 * MIB
