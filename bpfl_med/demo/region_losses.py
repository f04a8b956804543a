"""The contrasts that teach where damage is: of patches, and of pictures by their most alarming patches."""

from __future__ import annotations

import torch
import torch.nn.functional as F

PICTURE_OFFSET = 5.0
"""What the log of the summed odds of a picture is compared with, to begin with: about the log of its 144 patches."""


def region_loss(logits: torch.Tensor, damaged: torch.Tensor) -> torch.Tensor:
    """Compute the contrast of patches: damaged ones are nearer to the damaged caption, others to the flawless one.

    Damaged and flawless patches weigh the same in total, however few the damaged ones are.

    Args:
        logits: of patches [L, 2B, S].
        damaged: how certainly a patch is damaged, [2B, S].
    """
    missed, alarmed = F.softplus(-logits) * damaged, F.softplus(logits) * (1 - damaged)
    return missed.sum() / (damaged.sum() * len(logits)) + alarmed.sum() / ((1 - damaged).sum() * len(logits))


def picture_loss(logits: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
    """Compute the contrast of whole pictures by their most alarming tokens: only a damaged one may hold any.

    Args:
        logits: of patches [L, 2B, S], or of the class token [1, 2B, 1].
        offset: what the log of the summed odds of a picture is compared with.
    """
    alarm = torch.logsumexp(logits, -1) - offset
    return F.softplus(alarm[:, ::2]).mean() + F.softplus(-alarm[:, 1::2]).mean()
