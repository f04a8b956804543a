"""How many images fit into memory at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch.func import functional_call
from torch.overrides import TorchFunctionMode

from bpfl_med.machine.tensor_memory import TensorMemory
from bpfl_med.networks import ScoringNetwork


def largest_batch_size(network: ScoringNetwork, *, limit_gib: float, most: int) -> int:
    """Find the largest batch whose tensors, with the weights, stay below a limit.

    The network is run on the meta device, which computes and takes nothing, so the answer depends on nothing but the
    network, and the same run gives the same bytes again. What a library uses inside an operation, and what an allocator
    keeps, is not counted: leave a tenth of the memory for it.

    Args:
        network: on any device.
        limit_gib: GiB that weights and tensors may take.
        most: never more images than that, because larger batches are no faster.

    Raises:
        ValueError: if not even one image fits, or the network takes images of any size.
    """
    weights = sum(tensor.nbytes for tensor in (*network.parameters(), *network.buffers()))
    room = limit_gib * 2**30 - weights
    one = tensor_bytes(network, 1)
    if one > room:
        raise ValueError(
            f"Weights and one image take {(weights + one) / 2**30:.2f} GiB, more than the limit of {limit_gib} GiB; "
            "raise it, or choose a smaller backbone or precision"
        )
    fits, too_many = 1, most + 1
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        fits, too_many = (middle, too_many) if tensor_bytes(network, middle) <= room else (fits, middle)
    return fits


def tensor_bytes(network: ScoringNetwork, n_images: int) -> int:
    """Count the most bytes that tensors take at one time while a batch is scored, beside the weights."""
    size = network.image_size
    if size is None:
        raise ValueError(
            f"{type(network).__name__} takes images of any size, so no batch can be said to fit; give batch_size itself"
        )
    state = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    on_meta = {name: tensor.to("meta") for name, tensor in state.items()}
    with TensorMemory() as memory, _FusedAttention():
        image = torch.zeros(n_images, 3, size, size, device="meta")
        functional_call(network, on_meta, (image, [network.class_name] * n_images))
    return memory.peak


class _FusedAttention(TorchFunctionMode):
    """Lets attention on the meta device take its result alone, as the fused ones of real devices do."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func is F.scaled_dot_product_attention:
            return torch.empty_like(args[0])
        return func(*args, **(kwargs or {}))
