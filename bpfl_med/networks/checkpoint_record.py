"""What a checkpoint of the network says of itself beside its weights, and that it does without the frozen backbone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

_RECORD_BYTES = 4096


def write_record(record: Mapping[str, Any]) -> torch.Tensor:
    """Give a record as JSON bytes, uint8.

    A tensor of fixed size, because tools that handle state dicts expect tensors whose shapes match.
    """
    data = json.dumps(record, sort_keys=True).encode()
    return torch.frombuffer(bytearray(data.ljust(_RECORD_BYTES)), dtype=torch.uint8)


def read_record(state: torch.Tensor) -> dict[str, Any]:
    """Read the record of a checkpoint (its `_extra_state`): backbone, hyper-parameters, stage, trained, threshold.

    Raises:
        ValueError: if it is no record.
    """
    try:
        record = json.loads(bytes(state.cpu().tolist()))
        complete = {"backbone", "hyper_parameters", "stage", "trained", "threshold"} <= record.keys()
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError("The checkpoint's record cannot be read; the file is damaged or of another program") from error
    if not complete:
        raise ValueError(f"The checkpoint's record is incomplete, it has only {', '.join(record)}; save it again")
    return record


def refuse_other_record(
    record: Mapping[str, Any], backbone: Mapping[str, Any], hyper_parameters: Mapping[str, Any]
) -> None:
    """Raise a ValueError if a record is of another backbone or other hyper-parameters; the text says which.

    Args:
        record: of a checkpoint.
        backbone: record of the network's own backbone.
        hyper_parameters: of the network.
    """
    own = {**backbone, **hyper_parameters}
    other = {**record["backbone"], **record["hyper_parameters"]}
    different = [
        f"{key} is {other.get(key)!r}, here {own.get(key)!r}"
        for key in sorted((own.keys() | other.keys()) - {"name"})  # one backbone may go by several names
        if own.get(key) != other.get(key)
    ]
    if different:
        raise ValueError(
            f"The checkpoint was made with backbone {record['backbone']['name']!r} and does not fit this network "
            f"({backbone['name']!r}): {'; '.join(different)}. Build the network as the checkpoint says"
        )


def leave_out_backbone(module: nn.Module, state_dict: dict[str, Any], prefix: str, _metadata: object) -> None:
    """Take the frozen backbone out of a state dict that is given; a hook of torch."""
    for key in [key for key in state_dict if key.startswith(f"{prefix}backbone.")]:
        del state_dict[key]


def ignore_missing_backbone(module: nn.Module, incompatible_keys: Any) -> None:
    """Let a state dict be without the frozen backbone; a hook of torch."""
    missing = incompatible_keys.missing_keys
    missing[:] = [key for key in missing if "backbone.clip." not in key]
