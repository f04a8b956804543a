"""The two banks of learned prompts, and their fusion with samples of the prompt distributions."""

from __future__ import annotations

import torch
from torch import nn

from bpfl_med.networks.prompt_flow import FlowSamples, PromptSamples


class PromptBank(nn.Module):
    """B prompts for "normal" and B for "abnormal", which share their context tokens.

    A prompt reads ``[start] E_1..E_P S_1..S_Q <class name> [end]`` with context tokens E and state tokens S.

    Args:
        n_prompts: B, prompts in each bank.
        context_length: P, context tokens in a prompt.
        state_length: Q, state tokens in a prompt.
        width: C, the width of a text token.
    """

    def __init__(self, n_prompts: int, context_length: int, state_length: int, width: int) -> None:
        super().__init__()
        self.context = nn.Parameter(0.02 * torch.randn(n_prompts, context_length, width))
        self.normal_state = nn.Parameter(0.5 + 0.02 * torch.randn(n_prompts, state_length, width))
        self.abnormal_state = nn.Parameter(-0.5 + 0.02 * torch.randn(n_prompts, state_length, width))

    def forward(self, samples: PromptSamples) -> tuple[torch.Tensor, torch.Tensor]:
        """Add each sample to every token of its kind: E + phi^e, S^n + phi^n, S^a + phi^a.

        Sample r of the context meets sample r of the states; the same vector is added to all tokens of a kind.

        Args:
            samples: of the three distributions, for G = N images or one for all.

        Returns:
            Context tokens [G, R, B, P, C] and state tokens [G, R, B, 2, Q, C] (normal, then abnormal).
        """
        context = _fuse(self.context, samples.context)
        states = (_fuse(self.normal_state, samples.normal), _fuse(self.abnormal_state, samples.abnormal))
        return context, torch.stack(torch.broadcast_tensors(*states), dim=3)


def _fuse(tokens: torch.Tensor, samples: FlowSamples | None) -> torch.Tensor:
    """Add samples [G, R, C] to tokens [B, T, C], giving [G, R, B, T, C]."""
    return tokens[None, None] if samples is None else tokens + samples.z_k[:, :, None, None].to(tokens.dtype)
