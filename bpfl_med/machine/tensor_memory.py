"""How much memory tensors take while something is computed."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter


class TensorMemory(TorchDispatchMode):
    """Count the bytes of tensors that come into being, and go, in a block.

    The count is that of the tensors that PyTorch's operations give: it is exact, the same every time and on every
    device (the meta device too, which takes none), and leaves out what an operation uses inside itself.

    Attributes:
        peak: the most bytes that were alive at one time, beside those that were there before.

    Example:
        >>> with TensorMemory() as memory:
        ...     _ = torch.ones(256).exp().sum()
        >>> memory.peak
        2048
    """

    def __init__(self) -> None:
        super().__init__()
        self.peak = 0
        self._alive = 0
        self._known: dict[int, weakref.ref[torch.UntypedStorage]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run an operation and count what it gives."""
        kwargs = kwargs or {}
        for tensor in _tensors(args, kwargs):
            self._notice(tensor, 0)
        result = func(*args, **kwargs)
        for tensor in _tensors(result):
            self._notice(tensor, tensor.untyped_storage().nbytes())
        self.peak = max(self.peak, self._alive)
        return result

    def _notice(self, tensor: torch.Tensor, n_bytes: int) -> None:
        """Count a storage when it is met for the first time, until it goes."""
        storage = tensor.untyped_storage()
        key = id(storage)
        if key in self._known:
            return
        self._alive += n_bytes

        def forget(_: object) -> None:
            del self._known[key]
            self._alive -= n_bytes

        self._known[key] = weakref.ref(storage, forget)


def _tensors(*parts: Any) -> list[torch.Tensor]:
    return [leaf for leaf in tree_iter(parts) if isinstance(leaf, torch.Tensor)]
