"""Residual cross-modal attention: text features look at the patches of the image (the paper's RCA)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from bpfl_med.networks.linear_kernel import LinearKernel, linear


class ResidualCrossAttention(nn.Module):
    r"""Refine text features by the patches of each tapped layer.

    .. math::
        \tilde F_l = \mathrm{normalise}(W_l F_l), \qquad
        T'_l = \mathrm{normalise}\bigl(T + \mathrm{softmax}(Q \tilde F_l^\top / \sqrt C)\, \tilde F_l\bigr), \qquad
        Q = W_q T + b_q

    Keys and values are the projected patches themselves. There are several heads, but the scale is that of the whole
    width C, and there is no output projection: both as in the released program.

    Args:
        n_layers: L, tapped layers of the image tower.
        vision_width: V.
        embed_dim: C.
        attend: whether the text attends at all; off for the ablation, where T' = T and only the projection acts.
    """

    def __init__(self, n_layers: int, vision_width: int, embed_dim: int, *, attend: bool) -> None:
        super().__init__()
        self.n_heads = 4
        self.patch_projection = nn.Parameter(0.02 * torch.randn(n_layers, embed_dim, vision_width))
        self.query = nn.Linear(embed_dim, embed_dim) if attend else None

    def forward(
        self, patch_tokens: torch.Tensor, text: torch.Tensor, *, kernel: LinearKernel = "linear"
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Project the patches and refine the text.

        Args:
            patch_tokens: F_l [L, N, S, V].
            text: T [N, M, C], normalised.
            kernel: how a float32 linear layer is computed on a CPU.

        Returns:
            Projected patches [L, N, S, C] and refined text features [L, N, M, C], both normalised.
        """
        n_layers, n_images = patch_tokens.shape[:2]
        projected = [
            linear(tokens, weight, None, kernel)
            for tokens, weight in zip(patch_tokens, self.patch_projection, strict=True)
        ]
        patches = F.normalize(torch.stack(projected), dim=-1)
        text = text.expand(n_layers, n_images, -1, -1)
        if self.query is None:
            return patches, text
        attended = F.scaled_dot_product_attention(
            self._split_heads(self.query(text[0]).expand_as(text)),
            self._split_heads(patches),
            self._split_heads(patches),
            scale=text.shape[-1] ** -0.5,
        )
        attended = attended.transpose(1, 2).flatten(2).unflatten(0, (n_layers, n_images))
        return patches, F.normalize(text + attended, dim=-1)

    def _split_heads(self, tokens: torch.Tensor) -> torch.Tensor:
        """Turn [L, N, T, C] into [L * N, heads, T, C / heads]."""
        return tokens.flatten(0, 1).unflatten(-1, (self.n_heads, -1)).transpose(1, 2)
