"""Which library computes the float32 linear layers of a tower on a CPU, found out by a measurement."""

from __future__ import annotations

import functools
from typing import Literal, cast, get_args

import torch
import torch.nn.functional as F

from bpfl_med.networks.autotune import autotune

LinearKernel = Literal["linear", "convolution"]
LinearKernelSetting = Literal["auto", "linear", "convolution"]

_LEAST_OPERATIONS = 1e8  # of a product that pays for what a convolution costs beside it, 0.1 ms and more


def linear(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, kernel: LinearKernel) -> torch.Tensor:
    """Compute x W^T + b in the type of the weights.

    PyTorch gives a float32 linear layer to MKL, which uses half of what some processors can do; it gives a convolution
    to oneDNN, which uses all of it. A linear layer is a convolution with a kernel of one pixel over rows of pixels.
    The convolution serves products of float32 on a CPU only; elsewhere, under autocast, and in exports and compiled
    graphs (which must not depend on the machine that made them) both kernels are the plain linear layer.

    Args:
        x: [..., K].
        weight: W [N, K].
        bias: b [N], or None.
        kernel: how to compute it; the results differ by rounding alone.

    Returns:
        [..., N], in the type of the weights.
    """
    x = x.to(weight.dtype)
    if kernel == "linear" or not _convolution_serves(x, weight):
        return F.linear(x, weight, bias)
    rows = x.reshape(1, -1, 1, x.shape[-1]).permute(0, 3, 1, 2)  # [1, K, rows, 1], channels last
    # Dilating a kernel of one pixel changes nothing but makes PyTorch choose oneDNN with a single thread, too.
    convolved = F.conv2d(rows, weight[:, :, None, None], bias, dilation=2)
    return convolved.permute(0, 2, 3, 1).reshape(*x.shape[:-1], -1)


def computes_on_cpu(x: torch.Tensor) -> bool:
    """Say whether a CPU computes with x now, and not for a graph that must not depend on the machine that made it."""
    return x.device.type == "cpu" and not torch.jit.is_tracing() and not torch.compiler.is_compiling()


def choose_linear_kernel(
    setting: LinearKernelSetting, parameter: torch.Tensor, *, n_tokens: int, width: int
) -> LinearKernel:
    """Give the kernel of a tower: the one that is set, or for "auto" the fastest on this machine.

    Each tower has its own: for some shapes oneDNN cuts a product badly, so that on processors without AVX-512 it is the
    faster library for the image tower of ViT-L and takes three times as long for the perceptrons of its text tower.

    Args:
        setting: a kernel, or "auto".
        parameter: a weight of the tower; where the convolution does not serve it there is no choice.
        n_tokens: of one image.
        width: of the tower.
    """
    if not _convolution_serves(parameter, parameter):
        return "linear"
    if setting != "auto":
        return setting
    if not torch.backends.mkldnn.is_available() or 2 * n_tokens * width**2 < _LEAST_OPERATIONS:
        return "linear"
    return fastest_linear_kernel(n_tokens, width, torch.get_num_threads())


@functools.cache
def fastest_linear_kernel(n_tokens: int, width: int, n_threads: int) -> LinearKernel:
    """Give the fastest kernel on this machine's CPU for the linear layers of a block."""
    ways = {kernel: functools.partial(_products_of_a_block, kernel=kernel) for kernel in get_args(LinearKernel)}
    question = f"linear layers of {n_tokens} tokens of width {width} in float32, threads: {n_threads}"
    weights = [(3 * width, width), (width, width), (4 * width, width), (width, 4 * width)]
    chosen = autotune(question, ways, shapes=[(n_tokens, width), *weights], dtype=torch.float32)
    return cast(LinearKernel, chosen)


def _products_of_a_block(
    tokens: torch.Tensor,
    to_attention: torch.Tensor,
    from_attention: torch.Tensor,
    to_hidden: torch.Tensor,
    from_hidden: torch.Tensor,
    *,
    kernel: LinearKernel,
) -> torch.Tensor:
    """Compute products of the shapes that a block of a transformer has."""
    hidden = linear(tokens, to_hidden, None, kernel)
    products = [linear(tokens, weight, None, kernel) for weight in (to_attention, from_attention)]
    return torch.cat([*products, linear(hidden, from_hidden, None, kernel)], dim=-1)


def _convolution_serves(x: torch.Tensor, weight: torch.Tensor) -> bool:
    """Say whether a product of these tensors can run as a convolution here and now."""
    return computes_on_cpu(x) and x.dtype == weight.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
