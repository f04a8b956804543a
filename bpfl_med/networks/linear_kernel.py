"""Which library computes a float32 linear layer on a CPU, found out once a machine."""

from __future__ import annotations

import functools
import json
import logging
import os
import platform
import time
from pathlib import Path
from typing import Literal, get_args

import torch
import torch.nn.functional as F

from bpfl_med.atomic_files import replaced_file

logger = logging.getLogger(__name__)

Kernel = Literal["linear", "convolution"]
KernelSetting = Literal["auto", "linear", "convolution"]

_MARGIN = 1.25  # how much faster the convolution must be: far from the noise of a measurement, so that it repeats
_TRIALS = 7


def linear(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, kernel: Kernel) -> torch.Tensor:
    """Compute x W^T + b in the type of the weights.

    PyTorch gives a float32 linear layer to MKL, which uses half of what some processors can do; it gives a convolution
    to oneDNN, which uses all of it. A linear layer is a convolution with a kernel of one pixel over rows of pixels.
    The convolution serves float32 on a CPU only; elsewhere, under autocast, and in exports and compiled graphs (which
    must not depend on the machine that made them) both kernels are the plain linear layer.

    Args:
        x: [..., K].
        weight: W [N, K].
        bias: b [N], or None.
        kernel: how to compute it; the results differ by rounding alone.

    Returns:
        [..., N], in the type of the weights.
    """
    x = x.to(weight.dtype)
    if kernel == "linear" or not convolution_serves(x, weight):
        return F.linear(x, weight, bias)
    rows = x.reshape(1, -1, 1, x.shape[-1]).permute(0, 3, 1, 2)  # [1, K, rows, 1], channels last
    # Dilating a kernel of one pixel changes nothing but makes PyTorch choose oneDNN with a single thread, too.
    convolved = F.conv2d(rows, weight[:, :, None, None], bias, dilation=2)
    return convolved.permute(0, 2, 3, 1).reshape(*x.shape[:-1], -1)


def convolution_serves(x: torch.Tensor, weight: torch.Tensor) -> bool:
    """Say whether a product of these tensors can run as a convolution here and now."""
    return (
        x.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and not torch.jit.is_tracing()
        and not torch.compiler.is_compiling()
    )


def choose_kernel(setting: KernelSetting, parameter: torch.Tensor) -> Kernel:
    """Give the kernel of a network: the one that is set, or for "auto" the fastest on this machine.

    Args:
        setting: a kernel, or "auto".
        parameter: a weight of the network; where the convolution does not serve it there is no choice.
    """
    if not convolution_serves(parameter, parameter):
        return "linear"
    return fastest_kernel() if setting == "auto" else setting


@functools.cache
def fastest_kernel() -> Kernel:
    """Give the fastest kernel on this machine, remembered from an earlier process or measured now.

    The kernels round differently, so a choice that changed from run to run would change the bytes of results. It is
    therefore made once for a processor and a PyTorch version, with a clear margin, and kept in
    `$XDG_CACHE_HOME/bpfl_med/linear_kernel.json` (`~/.cache` by default). Deleting the file has it measured anew.
    """
    if not torch.backends.mkldnn.is_available():
        return "linear"
    machine = f"{processor_name()}, torch {torch.__version__}"
    file = _memory_file()
    choices = _remembered(file)
    if choices.get(machine) not in get_args(Kernel):
        choices[machine] = _measured_kernel()
        try:
            with replaced_file(file) as scratch:
                scratch.write_text(json.dumps(choices, indent=2) + "\n")
        except OSError as error:
            logger.info("The choice of the linear kernel could not be kept for the next run: %s", error)
    return choices[machine]


@torch.no_grad()
@torch.autocast("cpu", enabled=False)
def _measured_kernel() -> Kernel:
    """Time both kernels in turn on a layer of the size that matters, and compare what they give."""
    generator = torch.Generator().manual_seed(0)
    x, weight = (torch.randn(1024, 1024, generator=generator, dtype=torch.float32, device="cpu") for _ in range(2))
    best = dict.fromkeys(get_args(Kernel), float("inf"))
    for _ in range(_TRIALS):
        for kernel in best:
            best[kernel] = min(best[kernel], _seconds(x, weight, kernel))
    agree = torch.allclose(linear(x, weight, None, "convolution"), linear(x, weight, None, "linear"), atol=1e-2)
    return "convolution" if agree and best["linear"] > _MARGIN * best["convolution"] else "linear"


def _seconds(x: torch.Tensor, weight: torch.Tensor, kernel: Kernel) -> float:
    started = time.perf_counter()
    linear(x, weight, None, kernel)
    return time.perf_counter() - started


def _memory_file() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "bpfl_med" / "linear_kernel.json"


def _remembered(file: Path) -> dict[str, Kernel]:
    try:
        choices = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return choices if isinstance(choices, dict) else {}


def processor_name() -> str:
    """Name the processor as exactly as the system does."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    keys = ("model name", "cpu family", "model", "CPU implementer", "CPU part")
    told = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    return " ".join(told[key] for key in keys if key in told) or platform.machine()
