"""What both trainings of the small CLIP share: their command line, their pictures and their lines of progress."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch.utils.data import DataLoader

from bpfl_med.demo.backbone import PATCH_SIZE, TRAINING_SIZE
from bpfl_med.demo.drawn_batches import DrawnBatch, DrawnBatches


def training_parser(
    description: str | None, *, n_steps: int, n_pairs: int, learning_rate: float
) -> argparse.ArgumentParser:
    """Declare the options of a training, with its defaults."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="safetensors file of the weights")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--n-steps", type=int, default=n_steps)
    parser.add_argument("--n-pairs", type=int, default=n_pairs)
    parser.add_argument("--learning-rate", type=float, default=learning_rate)
    parser.add_argument(
        "--threads", type=int, default=2, help="of PyTorch; the weights depend on it in the last digits"
    )
    parser.add_argument(
        "--bfloat16", action="store_true", help="multiply in bfloat16: a third less time where the processor has it"
    )
    return parser


def run_training(parser: argparse.ArgumentParser, train: Callable[..., dict[str, torch.Tensor]]) -> None:
    """Train as the command line says, every other option being an argument of `train`, and write the weights."""
    arguments = vars(parser.parse_args())
    output = arguments.pop("output")
    torch.set_num_threads(arguments.pop("threads"))
    weights = train(**arguments)
    output.parent.mkdir(parents=True, exist_ok=True)
    save_file(weights, output)


def drawn_batches(*, seed: int, n_steps: int, n_pairs: int) -> Iterable[DrawnBatch]:
    """Give a batch of drawn pairs for each step, drawn ahead by another process."""
    batches = DrawnBatches(n_batches=n_steps, n_pairs=n_pairs, size=TRAINING_SIZE, patch_size=PATCH_SIZE, seed=seed)
    return DataLoader(batches, batch_size=None, num_workers=1, prefetch_factor=4)


class LossLog:
    """Prints the means of losses over some steps.

    Args:
        names: of the losses.
        every: steps between two lines.
    """

    def __init__(self, names: Iterable[str], every: int) -> None:
        self._names, self._every = list(names), every
        self._began, self._sums = time.perf_counter(), torch.zeros(len(self._names))

    def add(self, step: int, losses: torch.Tensor) -> None:
        """Count the losses of a step, from 1, and print a line if it is time to."""
        self._sums += losses.detach()
        if step % self._every == 0:
            means = [f"{name} {mean:.3f}" for name, mean in zip(self._names, self._sums / self._every, strict=True)]
            self._sums.zero_()
            print(f"{step}: {', '.join(means)}, {time.perf_counter() - self._began:.0f} s", flush=True)
