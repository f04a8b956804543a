"""The layout of the published Bayes-PFL checkpoints, `{"MyModel": state_dict}`, to and from our modules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch

from bpfl_med.checkpoints.tensor_file import read_tensors
from bpfl_med.files.atomic import replaced_file
from bpfl_med.networks.bayes_pfl import BayesPFL

_ROOT = "MyModel"
_PERCEPTRON_LAYERS = (0, 2, 4)


@dataclass(frozen=True)
class LoadReport:
    """What became of a published checkpoint's entries.

    Attributes:
        loaded: names of the entries that are in use now.
        unused: entries that the released program stores but never uses (decoders, `p_mu`), by name.
    """

    loaded: tuple[str, ...]
    unused: dict[str, torch.Tensor]


class _Entry(NamedTuple):
    """One published tensor: its name, ours, and how the released shape becomes the shape that we keep."""

    published: str
    ours: str
    layer: int | None = None  # index into a parameter of ours that stacks the layers


def _entries(n_layers: int) -> list[_Entry]:
    entries = [
        _Entry("prompt_context", "prompt_bank.context"),
        _Entry("prompt_state_normal", "prompt_bank.normal_state"),
        _Entry("prompt_state_abnormal", "prompt_bank.abnormal_state"),
        _Entry("temperature_pixel", "log_temperature_pixel"),
        _Entry("temperature_image", "log_temperature_image"),
    ]
    for kind in ("context", "state"):
        for theirs, ours in (("weight_mean", "mean"), ("weight_log_variance", "twice_log_variance")):
            entries += [
                _Entry(f"{kind}_encoder.{theirs}.module.{i}.{part}", f"prompt_flow.{kind}_base.{ours}.{i}.{part}")
                for i in _PERCEPTRON_LAYERS
                for part in ("weight", "bias")
            ]
    for symbol in ("u", "w", "b"):
        entries += _linear(f"PFL_context.amor_{symbol}", f"prompt_flow.context.{symbol}")
    for state in ("normal", "abnormal"):
        entries += [_Entry(f"PFL_{state}.amor_{symbol}", f"prompt_flow.{state}.{symbol}") for symbol in ("u", "w", "b")]
        entries.append(_Entry(f"PFL_{state}.state", f"prompt_flow.{state}.condition"))
    entries += _linear("fuse.fuse_modules", "text_score.patch_pooling.fuse")
    entries += _linear("fuse.compress", "text_score.patch_pooling.patch_score")
    entries += _linear("fuse.post_process", "text_score.patch_pooling.project")
    entries += _linear("RCA.q_proj_pre", "cross_attention.query")
    entries += [
        _Entry(f"RCA.linear_proj.{layer}.weight", "cross_attention.patch_projection", layer)
        for layer in range(n_layers)
    ]
    entries += _linear("class_mapping", "text_score.text_projection")
    entries += _linear("image_mapping", "text_score.image_projection")
    return entries


def _linear(published: str, ours: str) -> list[_Entry]:
    return [_Entry(f"{published}.{part}", f"{ours}.{part}") for part in ("weight", "bias")]


def _copies(name: str) -> list[str]:
    """Other names under which the released program stores the same tensor again."""
    if name.startswith("context_encoder."):
        return [name.replace("context_encoder", "PFL_context.encoder")]
    if name.startswith("state_encoder."):
        return [name.replace("state_encoder", f"PFL_{state}.encoder") for state in ("normal", "abnormal")]
    return []


def _is_unused(name: str) -> bool:
    return "decoder." in name or ".p_mu." in name


def published_hyper_parameters(content: Mapping[str, Any], path: str | Path) -> dict[str, Any]:
    """Read the hyper-parameters that the shapes of a published checkpoint tell.

    Args:
        content: of the file.
        path: of the file, for the error's text.

    Raises:
        ValueError: if the layout is another, or an entry that tells a hyper-parameter is missing.
    """
    weights = _state_dict(content, path)
    needed = (
        "prompt_context",
        "prompt_state_normal",
        "PFL_normal.amor_u",
        "context_encoder.weight_mean.module.0.weight",
    )
    missing = [name for name in needed if name not in weights]
    if missing:
        raise ValueError(f"{path} is no complete Bayes-PFL checkpoint: it has no {', '.join(missing)}")
    if any(weights[name].ndim < 2 for name in needed) or weights["prompt_context"].ndim != 3:
        raise ValueError(f"{path} is no Bayes-PFL checkpoint: the entries that tell its sizes have other shapes")
    n_prompts, context_length, _ = weights["prompt_context"].shape
    return {
        "n_prompts": n_prompts,
        "context_length": context_length,
        "state_length": weights["prompt_state_normal"].shape[1],
        "n_flows": weights["PFL_normal.amor_u"].shape[1],
        "hidden_width": len(weights["context_encoder.weight_mean.module.0.weight"]),
    }


@torch.no_grad()
def load_published_prompts(network: BayesPFL, path: str | Path) -> LoadReport:
    """Load a published checkpoint (`train_visa.pth`, `train_mvtec.pth`) into a network.

    The layout tells nothing of the backbone or of the stage: they are the caller's to get right.

    Args:
        network: with the paper's distributions, RCA and attention pooling; changed in place only if all is well.
        path: the file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is unreadable, or entries are missing, unknown, misshapen or contradict each other.
    """
    weights = _state_dict(read_tensors(path), path)
    places = _places(network)
    names = {copy for name in places for copy in [name, *_copies(name)]}
    problems = [f"{name} is missing" for name in places if name not in weights]
    problems += [f"{name} is unknown" for name in weights if name not in names and not _is_unused(name)]
    for name, place in places.items():
        if name not in weights:
            continue
        shape = _released_shape(name, place)
        if tuple(weights[name].shape) != shape:
            problems.append(f"{name} is {list(weights[name].shape)}, this network needs {list(shape)}")
        problems += [
            f"{copy} differs from {name}"
            for copy in _copies(name)
            if copy in weights and not torch.equal(weights[copy], weights[name])
        ]
    if problems:
        raise ValueError(f"{path} does not fit the network: {'; '.join(problems)}")
    for name, place in places.items():
        place.copy_(weights[name].reshape(place.shape))
    network.trained = True
    return LoadReport(
        tuple(name for name in weights if not _is_unused(name)),
        {name: value for name, value in weights.items() if _is_unused(name)},
    )


def save_published_prompts(
    network: BayesPFL, path: str | Path, *, unused: Mapping[str, torch.Tensor] | None = None
) -> None:
    """Write the prompts of a network in the published layout.

    Args:
        network: with the paper's distributions, RCA and attention pooling.
        path: the file; replaced whole or not at all.
        unused: entries of a loaded checkpoint that we have no use for (:attr:`LoadReport.unused`), so that the
            released program finds every entry that it expects.

    Raises:
        ValueError: if the network has parts that the layout has no place for.
    """
    weights: dict[str, torch.Tensor] = {}
    for name, place in _places(network).items():
        tensor = place.detach().cpu().clone().reshape(_released_shape(name, place))
        weights.update(dict.fromkeys([name, *_copies(name)], tensor))
    with replaced_file(path) as partial:
        torch.save({_ROOT: {**(unused or {}), **weights}}, partial)


def _state_dict(content: Mapping[str, Any], path: str | Path) -> dict[str, torch.Tensor]:
    if not isinstance(content.get(_ROOT), Mapping):
        raise ValueError(f"{path} is no Bayes-PFL checkpoint: it is neither ours nor has it the published {_ROOT!r}")
    no_tensors = [name for name, value in content[_ROOT].items() if not isinstance(value, torch.Tensor)]
    if no_tensors:
        raise ValueError(f"{path} holds entries that are no tensors: {', '.join(map(str, no_tensors))}; fetch it again")
    return dict(content[_ROOT])


def _places(network: BayesPFL) -> dict[str, torch.Tensor]:
    """Map each published name to the parameter, or the slice of one, that holds its values here."""
    parameters = dict(network.named_parameters())
    n_layers = len(network.hyper_parameters["feature_blocks"])
    entries = _entries(n_layers)
    ours = {entry.ours for entry in entries}
    foreign = ours ^ {name for name in parameters if not name.startswith("backbone.")}
    if foreign:
        raise ValueError(
            "The published layout holds the paper's whole network only; this one differs in "
            + ", ".join(sorted(foreign))
        )
    return {
        entry.published: parameters[entry.ours] if entry.layer is None else parameters[entry.ours][entry.layer]
        for entry in entries
    }


def _released_shape(name: str, place: torch.Tensor) -> tuple[int, ...]:
    """Give the shape with the axes of length 1 that the released program keeps for broadcasting."""
    shape = tuple(place.shape)
    match name.split("."):
        case ["RCA", "q_proj_pre", "weight"]:
            return (*shape, 1)
        case ["PFL_normal" | "PFL_abnormal", "amor_u"]:
            return (1, *shape, 1)
        case ["PFL_normal" | "PFL_abnormal", "amor_w"]:
            return (1, shape[0], 1, shape[1])
        case ["PFL_normal" | "PFL_abnormal", "amor_b"]:
            return (1, *shape, 1, 1)
    return shape
