"""Pictures as the training sees them, randomly changed by a seed that a person can name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from monai.transforms import Compose
from torch.utils.data import Dataset


class TrainingDataset(Dataset):
    """Load a picture and change it at random, the same way whenever it is asked for again.

    What is random about an image is drawn from the seed, the image and its variant alone, so that it depends on no
    batch, worker or process.

    Args:
        data: a datalist.
        transform: loads and changes an item; its random transforms are seeded anew for every item.
        seed: of the changes.
        n_variants: how many variants an image has; epoch e shows variant e modulo their number. None is a new one every
            epoch (the paper's way). With a few, features of the frozen tower can be cached.

    Raises:
        ValueError: if there is to be no variant.
    """

    def __init__(
        self, data: Sequence[Mapping[str, Any]], transform: Compose, *, seed: int, n_variants: int | None
    ) -> None:
        if n_variants is not None and n_variants < 1:
            raise ValueError(f"n_variants must be at least 1, or null for a new variant every epoch, got {n_variants}")
        self.data = data
        self.transform = transform
        self.seed = seed
        self.n_variants = n_variants

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, key: tuple[int, int]) -> dict[str, Any]:
        """Give the item of (epoch, index), with that key under "epoch" and "index"."""
        epoch, index = key
        variant = epoch if self.n_variants is None else epoch % self.n_variants
        seed = int(np.random.SeedSequence([self.seed, variant, index]).generate_state(1)[0])
        self.transform.set_random_state(seed=seed)
        return {**self.transform(dict(self.data[index])), "epoch": epoch, "index": index}
