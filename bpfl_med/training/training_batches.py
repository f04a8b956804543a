"""The batches of an epoch, shared out among processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import ignite.distributed as idist
import numpy as np
from monai.data import list_data_collate
from torch.utils.data import Sampler


class TrainingBatches(Sampler[list[tuple[int, int]]]):
    """A batch sampler that shuffles an epoch by its number and gives this process its share of every batch.

    An epoch's order depends on seed and epoch alone. A batch is that of the whole step: of R processes, process r takes
    the images r, r + R, ... of it, so the steps of a training are the same whatever R is. A share may be empty, where
    the last batch has fewer images than there are processes.

    Args:
        n_items: images of the data set.
        batch_size: images of one step, of all processes together.
        seed: of the order.

    Raises:
        ValueError: if there are no images or the batch size is not positive.
    """

    def __init__(self, n_items: int, *, batch_size: int, seed: int) -> None:
        if n_items < 1 or batch_size < 1:
            raise ValueError(
                f"A training needs at least 1 image and a batch size of at least 1, got {n_items} and {batch_size}"
            )
        self.n_items = n_items
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 1

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch, counted from 1, the next iteration is."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-self.n_items // self.batch_size)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        """Yield lists of (epoch, index), keys of a :class:`TrainingDataset`."""
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.n_items).tolist()
        rank, n_processes = idist.get_rank(), idist.get_world_size()
        for first in range(0, self.n_items, self.batch_size):
            batch = order[first : first + self.batch_size]
            yield [(self.epoch, index) for index in batch[rank::n_processes]]


def collate_batch(items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Collate as MONAI does; an empty share of a batch becomes an empty dict."""
    return list_data_collate(items) if items else {}
