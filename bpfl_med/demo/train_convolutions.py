"""Train the convolutions of the small CLIP's patch embedding: ``python -m bpfl_med.demo.train_convolutions``.

They alone learn to tell damaged patches from flawless ones, which takes a third of the time that the whole tower needs
for as many pictures; :mod:`bpfl_med.demo.train_backbone` goes on from there.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn
from torch.utils.data import DataLoader

from bpfl_med.demo.backbone import PATCH_SIZE, TRAINING_SIZE, untrained_clip
from bpfl_med.demo.drawn_batches import DrawnBatches
from bpfl_med.demo.region_losses import PICTURE_OFFSET, picture_loss, region_loss
from bpfl_med.networks.clip_normalization import clip_normalize


def train_convolutions(
    *, seed: int, n_steps: int, n_pairs: int, learning_rate: float, log_every: int = 50
) -> dict[str, torch.Tensor]:
    """Train the convolutions with a read-out in place of the layer that makes tokens of them, and give their weights.

    Args:
        seed: of weights and pictures.
        n_steps: optimiser steps.
        n_pairs: pairs of pictures in each.
        learning_rate: the highest; it rises over the first twentieth of the steps and falls as a cosine.
        log_every: steps between two lines of progress.
    """
    convolutions = untrained_clip(seed=seed).visual.conv1.convolutions
    width = convolutions[-1].in_channels
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        read_out = nn.Conv2d(width, 1, 1)
    picture_offset = nn.Parameter(torch.tensor(PICTURE_OFFSET))
    parameters = [*convolutions[:-1].parameters(), *read_out.parameters(), picture_offset]
    optimizer = torch.optim.AdamW(parameters, lr=learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, learning_rate, total_steps=n_steps, pct_start=0.05, cycle_momentum=False
    )
    batches = DrawnBatches(n_batches=n_steps, n_pairs=n_pairs, size=TRAINING_SIZE, patch_size=PATCH_SIZE, seed=seed)
    loader = DataLoader(batches, batch_size=None, num_workers=1, prefetch_factor=4)
    began, sums = time.perf_counter(), torch.zeros(2)
    for step, batch in enumerate(loader, start=1):
        logits = read_out(convolutions[:-1](clip_normalize(batch.images))).flatten(1)[None]
        losses = torch.stack([region_loss(logits, batch.damaged), picture_loss(logits, picture_offset)])
        optimizer.zero_grad()
        losses.sum().backward()
        optimizer.step()
        schedule.step()
        sums += losses.detach()
        if step % log_every == 0:
            patches, pictures = (sums / log_every).tolist()
            sums.zero_()
            took = time.perf_counter() - began
            print(f"{step}: patches {patches:.3f}, most alarming patches {pictures:.3f}, {took:.0f} s", flush=True)
    return {f"visual.conv1.convolutions.{name}": tensor for name, tensor in convolutions[:-1].state_dict().items()}


def main() -> None:
    """Run the training as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="safetensors file of the weights")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--n-steps", type=int, default=2200)
    parser.add_argument("--n-pairs", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument(
        "--threads", type=int, default=2, help="of PyTorch; the weights depend on it in the last digits"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    weights = train_convolutions(
        seed=arguments.seed,
        n_steps=arguments.n_steps,
        n_pairs=arguments.n_pairs,
        learning_rate=arguments.learning_rate,
    )
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    save_file(weights, arguments.output)


if __name__ == "__main__":
    main()
