"""The checksum of weights, whatever file they came from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch


def weights_checksum(weights: Mapping[str, torch.Tensor]) -> str:
    """Return the SHA-256 of the names and values of a state dict, in the order of the names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(weights.items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().data)
    return digest.hexdigest()
