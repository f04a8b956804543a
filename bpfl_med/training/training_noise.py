"""What a training step draws at random: Monte Carlo noise and the entry of the prompt banks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from bpfl_med.networks import PromptNoise

# Streams of random numbers that must not repeat one another.
_OF_IMAGE, _OF_STEP = 0, 1


class TrainingNoise:
    """Draw from a seed and from what the noise belongs to, so that no batch, worker or process can change it.

    As in the released program a step has one sample of each distribution: of the context one for every image, of the
    states one for the whole step; and it trains one entry of the banks.

    Args:
        seed: of everything drawn.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def noise(self, epoch: int, step: int, indices: Sequence[int], width: int) -> PromptNoise:
        """Draw standard normal noise for images.

        Args:
            epoch: from 1.
            step: of the whole training, from 1.
            indices: of the N images in their data set.
            width: C, the width of a text token.

        Returns:
            Context [N, 1, C], normal and abnormal [1, C].
        """
        contexts = [
            np.random.default_rng([self.seed, _OF_IMAGE, epoch, index]).standard_normal((1, width), np.float32)
            for index in indices
        ]
        states = np.random.default_rng([self.seed, _OF_STEP, step]).standard_normal((2, 1, width), np.float32)
        return PromptNoise(torch.from_numpy(np.stack(contexts)), *torch.from_numpy(states))

    def prompt_index(self, step: int, n_prompts: int) -> int:
        """Choose an entry of the banks, 0-based."""
        return int(np.random.default_rng([self.seed, _OF_STEP, step, n_prompts]).integers(n_prompts))
