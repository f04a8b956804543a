"""The best rate of matrix products that the machine reaches, through whichever library is the fastest."""

from __future__ import annotations

import time
from typing import get_args

import torch

from bpfl_med.networks.linear_kernel import LinearKernel, linear
from bpfl_med.speed.stages import wait_for

# Rows, inner and outer width: the widest products of the image tower of ViT-L/14 at 518 pixels, where a CPU is at its
# best; for an accelerator one that keeps it busy.
_SIZES = {"cpu": ((1370, 1024, 4096), (1370, 4096, 1024)), "cuda": ((8192, 8192, 8192),)}


class MatmulPeak:
    """Keeps the best rate that was seen, so that it can be measured again and again between other things.

    Args:
        device: that computes.
        dtype: of both factors.

    Attributes:
        rates: FLOP/s of each kernel, at the size that suits it best.
    """

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        kernels = get_args(LinearKernel) if device.type == "cpu" and dtype == torch.float32 else ("linear",)
        self.rates: dict[LinearKernel, float] = dict.fromkeys(kernels, 0.0)
        self._factors = [
            (
                torch.randn(rows, inner, device=device, dtype=dtype),
                torch.randn(outer, inner, device=device, dtype=dtype),
            )
            for rows, inner, outer in _SIZES[device.type]
        ]

    @property
    def best(self) -> float:
        """FLOP/s of the fastest kernel."""
        return max(self.rates.values())

    @torch.no_grad()
    def measure(self, repeats: int = 3) -> None:
        """Time every product a few times and keep the best."""
        for x, weight in self._factors:
            flops = 2 * x.numel() * len(weight)
            for kernel in self.rates:
                for _ in range(repeats):
                    started = time.perf_counter()
                    linear(x, weight, None, kernel)
                    wait_for(x.device)
                    self.rates[kernel] = max(self.rates[kernel], flops / (time.perf_counter() - started))
