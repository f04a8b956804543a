"""Say that PyTorch is too old, before it fails at a function that it has not."""

from __future__ import annotations

import torch
from torch.torch_version import TorchVersion

OLDEST_TORCH = "2.6"


def refuse_old_torch() -> None:
    """Raise if the installed PyTorch is older than this package needs, as one that was put in afterwards can be.

    Raises:
        ValueError: the text names both versions.
    """
    if TorchVersion(torch.__version__) < OLDEST_TORCH:
        raise ValueError(
            f"PyTorch {torch.__version__} is installed, and bpfl_med needs {OLDEST_TORCH} or newer; install it with "
            f"pip install 'torch>={OLDEST_TORCH}'"
        )
