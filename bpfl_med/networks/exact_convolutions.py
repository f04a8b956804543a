"""Convolutions in float32 as they are written, on a GPU too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def exact_convolutions(device: torch.device) -> Iterator[None]:
    """Keep cuDNN from rounding what convolutions are given to TF32, which it does by default, while a block runs."""
    if device.type != "cuda":
        yield
    elif (convolutions := getattr(torch.backends.cudnn, "conv", None)) is None:  # before PyTorch 2.9
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            yield
    else:
        before = convolutions.fp32_precision
        convolutions.fp32_precision = "ieee"
        try:
            yield
        finally:
            convolutions.fp32_precision = before
