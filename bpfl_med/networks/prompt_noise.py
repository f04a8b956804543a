"""The Monte Carlo noise of the prompt distributions, drawn explicitly."""

from __future__ import annotations

from typing import NamedTuple

import torch


class PromptNoise(NamedTuple):
    """Standard normal noise for R samples of each prompt distribution.

    Attributes:
        context: [N, R, C], or [R, C] for the same noise at every image.
        normal: [R, C].
        abnormal: [R, C].
    """

    context: torch.Tensor
    normal: torch.Tensor
    abnormal: torch.Tensor

    @classmethod
    def draw(cls, n_samples: int, width: int, *, seed: int) -> PromptNoise:
        """Draw noise that is the same for every image, so that no batch, worker or rank can change a result.

        Args:
            n_samples: R, Monte Carlo samples.
            width: C, the width of a text token.
            seed: of a generator of its own; the global random state is left alone.
        """
        generator = torch.Generator().manual_seed(seed)
        return cls(*torch.randn(3, n_samples, width, generator=generator))
