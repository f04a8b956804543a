"""Read the released program's arrays and compare with them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor


def read_arrays(path: Path) -> dict[str, Any]:
    """Arrays of numbers as tensors, arrays of names as lists."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    return {name: a.tolist() if a.dtype.kind == "U" else torch.from_numpy(a) for name, a in arrays.items()}


def assert_within(found: Tensor, expected: Tensor, tolerance: float, *, relative: bool = False) -> None:
    """Hold two tensors of one shape together, absolutely or relatively."""
    assert found.shape == expected.shape
    difference = (found.detach().double() - expected.double()).abs()
    if relative:
        difference = difference / expected.double().abs()
    assert float(difference.max()) <= tolerance  # NaN fails too


@contextmanager
def record_calls(owner: object, method: str) -> Iterator[list[Tensor]]:
    """Collect what a method returns while it goes on working."""
    results: list[Tensor] = []
    original = getattr(owner, method)

    def recorded(*args: Any) -> Tensor:
        results.append(original(*args))
        return results[-1]

    with mock.patch.object(owner, method, recorded):
        yield results
