"""Rows and plots of how the cost grows."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bpfl_med.networks import BayesPFL
from bpfl_med.speed.peak_memory import peak_memory_mib
from bpfl_med.speed.plots import draw_sweeps
from bpfl_med.speed.report import sweeps_text, table
from bpfl_med.speed.sweeps import _slices_rows, batches_sweep, prompts_sweep, samples_sweep
from bpfl_med.speed.workload import networks, random_backbone, random_pictures


@pytest.fixture(scope="module")
def network() -> BayesPFL:
    backbone = random_backbone("demo", image_size=64, seed=0)
    return networks(backbone, [], torch.device("cpu"), n_prompts=2, n_samples=3)["float32"]


def test_samples_and_prompts_are_varied_and_left_as_they_were(network: BayesPFL) -> None:
    (image,) = random_pictures(1, 64)
    expected = network.predict(image, ["brain"])
    samples = samples_sweep(network, image, "brain", (1, 4))
    prompts = prompts_sweep(network, image, "brain", (1, 3))
    assert [row["n_samples"] for row in samples] == [1, 4]
    assert [row["n_prompts"] for row in prompts] == [1, 3]
    assert all(row[stage] > 0 for row in (*samples, *prompts) for stage in ("text", "RCA and map", "score"))
    assert all(map(torch.equal, network.predict(image, ["brain"]), expected))


def test_batches_are_timed(network: BayesPFL) -> None:
    rows = batches_sweep(network, (1, 3))
    assert [row["images"] for row in rows] == [1, 3]
    assert all(row["images_per_second"] > 0 for row in rows)


def test_volumes_of_other_lengths_take_no_more_memory() -> None:
    rows = _slices_rows([5, 60])
    assert [row["slices"] for row in rows] == [5, 60]
    assert rows[1]["mib"] < 50


def test_memory_is_counted_from_the_start_of_a_program() -> None:
    """What started it may be much larger, as the network of full size is."""
    ballast = np.ones(2**27)  # 1 GiB
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(peak_memory_mib).result() < peak_memory_mib() - ballast.nbytes / 2**21


def test_every_sweep_becomes_a_panel_and_a_table(tmp_path: Path) -> None:
    sweeps = {
        "samples": [{"n_samples": 1, "text": 0.1, "score": 0.2}, {"n_samples": 2, "text": 0.2, "score": 0.2}],
        "slices": [{"slices": 10, "seconds": 1.0, "mib": 3.0}],
        "processes": [{"processes": 1, "threads_each": 2, "images_per_second": 3.5}],
    }
    draw_sweeps(sweeps, tmp_path / "all.png")
    draw_sweeps({"slices": sweeps["slices"]}, tmp_path / "one.png")
    with Image.open(tmp_path / "all.png") as every, Image.open(tmp_path / "one.png") as one:
        assert every.width == pytest.approx(3 * one.width, abs=3)
    assert "| processes | threads_each | images_per_second |" in sweeps_text(sweeps)


def test_table() -> None:
    text = table(["what", "value"], [["a", 1.23456], ["longer", 2500.0], ["nothing", None]])
    assert text.splitlines() == [
        "| what    | value |",
        "| ------- | ----: |",
        "| a       |  1.23 |",
        "| longer  |  2500 |",
        "| nothing |       |",
    ]
