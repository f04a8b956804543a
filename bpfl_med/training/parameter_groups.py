"""Which parameters each of the two optimisers moves, and how fast."""

from __future__ import annotations

from typing import Any

from torch import nn

from bpfl_med.networks.bayes_pfl import BayesPFL

_FLOWS = ("prompt_flow.context.", "prompt_flow.normal.", "prompt_flow.abnormal.")


def stage_1_groups(
    network: BayesPFL, *, prompts: float, temperatures: float, flows: float, others: float
) -> list[dict[str, Any]]:
    """Group what stage 1 trains by its learning rate; the frozen backbone is in no group.

    As in the released program the text score's image side is in a group, but gets no gradient in stage 1.

    Args:
        network: to train.
        prompts: learning rate of the two prompt banks.
        temperatures: of the two temperatures.
        flows: of the flows' maps and the conditions of image-agnostic distributions.
        others: of the perceptrons of the base distributions, the attention and the text score.
    """
    parameters: dict[str, list[nn.Parameter]] = {"prompts": [], "temperatures": [], "flows": [], "others": []}
    for name, parameter in _trainable(network).items():
        if name.startswith("prompt_bank."):
            group = "prompts"
        elif name.startswith("log_temperature_"):
            group = "temperatures"
        else:
            group = "flows" if name.startswith(_FLOWS) else "others"
        parameters[group].append(parameter)
    rates = {"prompts": prompts, "temperatures": temperatures, "flows": flows, "others": others}
    return [{"params": members, "lr": rates[group], "name": group} for group, members in parameters.items() if members]


def stage_2_parameters(network: BayesPFL) -> list[nn.Parameter]:
    """List what stage 2 trains: the projections A and M and the pooling of the patches."""
    return [parameter for name, parameter in _trainable(network).items() if name.startswith("text_score.")]


def _trainable(network: BayesPFL) -> dict[str, nn.Parameter]:
    return {name: value for name, value in network.named_parameters() if not name.startswith("backbone.")}
