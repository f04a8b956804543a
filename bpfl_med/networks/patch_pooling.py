"""One feature for all patches of an image, x_patch."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn


class PatchPooling(nn.Module):
    """Fuse the tapped layers and pool over the patches: concatenate, L V -> V / 2, pool, V / 2 -> C.

    Args:
        n_layers: L.
        vision_width: V.
        hidden_width: V / 2 in the paper.
        embed_dim: C.
        pooling: "attention" (the released program: a softmax over a learned score of each patch) or "average" (the
            paper's wording).

    Raises:
        ValueError: if `pooling` is neither.
    """

    def __init__(
        self,
        n_layers: int,
        vision_width: int,
        hidden_width: int,
        embed_dim: int,
        *,
        pooling: Literal["attention", "average"],
    ) -> None:
        super().__init__()
        if pooling not in ("attention", "average"):
            raise ValueError(f"The pooling of the patches must be 'attention' or 'average', got {pooling!r}")
        self.fuse = nn.Linear(n_layers * vision_width, hidden_width)
        self.patch_score = nn.Linear(hidden_width, 1) if pooling == "attention" else None
        self.project = nn.Linear(hidden_width, embed_dim)

    def forward(self, patch_tokens: torch.Tensor) -> torch.Tensor:
        """Turn patch tokens [L, N, S, V] into x_patch [N, C]."""
        fused = self.fuse(patch_tokens.permute(1, 2, 0, 3).flatten(2))
        if self.patch_score is None:
            return self.project(fused.mean(1))
        return self.project((self.patch_score(fused).softmax(dim=1) * fused).sum(1))
