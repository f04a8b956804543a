"""Train the convolutions of the small CLIP's patch embedding: ``python -m bpfl_med.demo.train_convolutions``.

They alone learn to tell damaged patches from flawless ones, which takes a third of the time that the whole tower needs
for as many pictures; :mod:`bpfl_med.demo.train_backbone` goes on from there.
"""

from __future__ import annotations

import torch
from torch import nn

from bpfl_med.demo.backbone import untrained_clip, with_mirror_and_place
from bpfl_med.demo.region_losses import PICTURE_OFFSET, picture_loss, region_loss
from bpfl_med.demo.training_command import LossLog, drawn_batches, run_training, training_parser
from bpfl_med.networks.clip_normalization import clip_normalize


def train_convolutions(
    *, seed: int, n_steps: int, n_pairs: int, learning_rate: float, bfloat16: bool = False
) -> dict[str, torch.Tensor]:
    """Train the convolutions with a read-out in place of the layer that makes tokens of them, and give their weights.

    Args:
        seed: of weights and pictures.
        n_steps: optimiser steps.
        n_pairs: pairs of pictures in each.
        learning_rate: the highest; it rises over the first twentieth of the steps and falls as a cosine.
        bfloat16: multiply in it, which is fast on processors that have it.
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
    log = LossLog(("patches", "most alarming patches"), every=50)
    for step, batch in enumerate(drawn_batches(seed=seed, n_steps=n_steps, n_pairs=n_pairs), start=1):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
            features = convolutions[:-1](with_mirror_and_place(clip_normalize(batch.images)))
        logits = read_out(features.float()).flatten(1)[None]
        losses = torch.stack([region_loss(logits, batch.damaged), picture_loss(logits, picture_offset)])
        optimizer.zero_grad()
        losses.sum().backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        log.add(step, losses)
    return {f"visual.conv1.convolutions.{name}": tensor for name, tensor in convolutions[:-1].state_dict().items()}


def main() -> None:
    """Run the training as the command line says."""
    parser = training_parser(__doc__, n_steps=2200, n_pairs=16, learning_rate=2e-3)
    run_training(parser, train_convolutions)


if __name__ == "__main__":
    main()
