"""Both sides of every step compute the same, and both are timed."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from bpfl_med.networks import BayesPFL
from bpfl_med.speed.report import steps_text
from bpfl_med.speed.steps import _steps, measure_steps
from bpfl_med.speed.workload import networks, random_backbone, random_pictures

SIZE = 64


def network() -> BayesPFL:
    backbone = random_backbone("demo", image_size=SIZE, seed=0)
    return networks(backbone, [], torch.device("cpu"), n_prompts=2, n_samples=3)["float32"]


@torch.no_grad()
def test_both_sides_of_a_step_give_the_same() -> None:
    (image,) = random_pictures(1, SIZE)
    steps = _steps(network(), image, "liver")
    assert {step.stage for step in steps} == {"image tower", "attention of one block", "text", "RCA and map"}
    for step in steps:
        before, after = (_result(compute()) for compute in (step.before, step.after))
        torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-5)


def test_every_step_is_timed_and_told() -> None:
    (image,) = random_pictures(1, SIZE)
    rows = measure_steps(network(), image, "liver", rounds=1)
    assert all(row["before"] > 0 and row["after"] > 0 for row in rows)
    text = steps_text(rows)
    assert all(row["change"] in text and f"{row['after']:.3g}" in text for row in rows)


def _result(found: Any) -> Any:
    """Take from what a step computes the part that both of its sides have."""
    if isinstance(found, np.ndarray):  # the maps of all levels and pairs
        return torch.from_numpy(found.mean((0, 1)))[None]
    if isinstance(found, tuple) and found[0].ndim == 4:  # map and spread
        return found[0][:, 0]
    if isinstance(found, tuple) and found[0].ndim == 5:  # text and samples
        return found[0][0].flatten(1, 2)
    return found
