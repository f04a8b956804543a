"""How the cost grows: with samples, prompts, slices, pictures and processes."""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events
from PIL import Image

from bpfl_med.data import Scan, ScanVolume
from bpfl_med.inferers import VolumeInferer
from bpfl_med.intensity import WindowIntensity
from bpfl_med.networks import BayesPFL, ImageFeatures
from bpfl_med.speed.bundle_run import bundle_run
from bpfl_med.speed.peak_memory import peak_memory_mib
from bpfl_med.speed.stages import StageSeconds, behind_the_tower
from bpfl_med.speed.workload import DEMO, networks, random_backbone, random_pictures

Row = dict[str, float]

_CPU = torch.device("cpu")
_SMALL = 64  # pixels: of the small network's input, of slices and of pictures, where thousands are scored
_FEW_SAMPLES = 2
_BATCH = 4
_DEMO_SIZE = 224  # pixels: of the small network's input where a few images are scored

_barrier: Any = None  # of the processes of one pool


def run_sweeps(
    built: Mapping[str, BayesPFL], image: torch.Tensor, class_name: str, *, largest: int
) -> dict[str, list[Row]]:
    """Run all sweeps; thousands of images are scored by the small network on the CPU.

    Args:
        built: networks by precision, of which the float32 one serves the sweeps of samples and prompts, and on an
            accelerator the last one that of the batch.
        image: [1, 3, H, W].
        class_name: what it shows.
        largest: slices of the largest volume, and pictures in the folder.

    Returns:
        Rows by title; the first entry of a row is what was changed.
    """
    network, (*_, last) = built["float32"], built.items()
    on_accelerator = network.log_temperature_pixel.device.type != "cpu"
    precision, batched = last if on_accelerator else ("small network", _small_network(_DEMO_SIZE))
    numbers = [n for n in (10, 30, 100, 300) if n < largest] + [largest]
    return {
        "Monte Carlo samples, one image": samples_sweep(network, image, class_name, (1, 2, 5, 10, 20, 40)),
        "prompts in a bank, one image": prompts_sweep(network, image, class_name, (1, 2, 3, 5, 8)),
        f"images at a time, {precision}": batches_sweep(batched, (1, 2, 4, 8, 16)),
        "slices, small network": slices_sweep(numbers),
        "pictures, small network": pictures_sweep(numbers),
        "processes, small network": processes_sweep((1, 2), n_images=24),
    }


def samples_sweep(network: BayesPFL, image: torch.Tensor, class_name: str, values: Sequence[int]) -> list[Row]:
    """Time all but the image tower for several numbers R of Monte Carlo samples."""
    device = network.log_temperature_pixel.device
    features, n_samples = network.encode_image(image.to(device)), network.n_samples
    rows: list[Row] = []
    for value in values:
        network.set_sampling(value, seed=network.seed)
        rows.append({"n_samples": value, **_fastest_stages(network, features, class_name)})
    network.set_sampling(n_samples, seed=network.seed)
    return rows


def prompts_sweep(network: BayesPFL, image: torch.Tensor, class_name: str, values: Sequence[int]) -> list[Row]:
    """Time all but the image tower for several numbers B of prompts in a bank."""
    device = network.log_temperature_pixel.device
    features, n_samples = network.encode_image(image.to(device)), network.n_samples
    rows = []
    for value in values:
        other = networks(network.backbone, [], device, n_prompts=value, n_samples=n_samples)["float32"]
        rows.append({"n_prompts": value, **_fastest_stages(other, features, class_name)})
    return rows


def batches_sweep(network: BayesPFL, values: Sequence[int], repeats: int = 3) -> list[Row]:
    """Time batches of several sizes."""
    device = network.log_temperature_pixel.device
    pictures = torch.cat(random_pictures(max(values), network.image_size)).to(device)
    rows = []
    for value in values:
        seconds = []
        for _ in range(repeats):
            started = time.perf_counter()
            network(pictures[:value]).cpu()
            seconds.append(time.perf_counter() - started)
        rows.append({"images": value, "images_per_second": value / min(seconds)})
    return rows


def slices_sweep(values: Sequence[int]) -> list[Row]:
    """Time the small network on volumes of 64 x 64 pixels, in a process of its own; numbers of slices ascend."""
    return _in_fresh_process(_slices_rows, list(values))


def pictures_sweep(values: Sequence[int]) -> list[Row]:
    """Time the small network on folders of pictures of 64 x 64 pixels, likewise."""
    return _in_fresh_process(_pictures_rows, list(values))


def processes_sweep(values: Sequence[int], n_images: int) -> list[Row]:
    """Time the small network on as many images in one process and in several, which share the threads out."""
    threads = torch.get_num_threads()
    context = multiprocessing.get_context("spawn")
    rows = []
    for value in values:
        barrier = context.Barrier(value)
        share, own_threads = n_images // value, max(1, threads // value)
        with ProcessPoolExecutor(value, context, _set_barrier, (barrier,)) as pool:
            seconds = list(pool.map(_score_share, [share] * value, [own_threads] * value))
        rows.append(
            {"processes": value, "threads_each": own_threads, "images_per_second": share * value / max(seconds)}
        )
    return rows


def _fastest_stages(network: BayesPFL, features: ImageFeatures, class_name: str, repeats: int = 2) -> Row:
    rounds = []
    for _ in range(repeats):
        clock = StageSeconds(features.global_feature.device)
        behind_the_tower(network, features, class_name, clock)
        rounds.append(clock.seconds)
    return {stage: min(found[stage] for found in rounds) for stage in ("text", "RCA and map", "score")}


def _slices_rows(values: list[int]) -> list[Row]:
    """Numbers must ascend, because a process's largest size is known only for the whole of its life."""
    network = _small_network()
    inferer = VolumeInferer(WindowIntensity([(40, 80)]), plane="axial", batch_size=_BATCH, device=_CPU)
    scan = Scan("noise", Path("noise"), None)
    rows: list[Row] = []
    for value in (2 * _BATCH, *values):  # the first warms up
        noise = np.random.default_rng(0).uniform(0, 80, (_SMALL, _SMALL, value)).astype(np.float32)
        volume = ScanVolume(scan, noise, np.eye(4), "CT", "", ())
        started = time.perf_counter()
        inferer(volume, network, "brain")
        seconds = time.perf_counter() - started
        rows.append({"slices": value, "seconds": seconds, "mib": peak_memory_mib() - 3 * noise.nbytes / 2**20})
    return _beside_the_first(rows)


def _pictures_rows(values: list[int]) -> list[Row]:
    """Look at the clock and at the process's size on the way through one folder, the largest."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "pictures"
        folder.mkdir()
        generator = np.random.default_rng(0)
        for number in range(values[-1]):
            pixels = generator.integers(0, 256, (_SMALL, _SMALL, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{number:05d}.png")
        with bundle_run(
            ["backbones/demo.yaml", "datasets/unlabelled.yaml"],
            evaluate=True,
            dataset_dir=str(folder),
            output_dir=str(Path(name) / "output"),
            image_size=_SMALL,
            prompts_file="$None",
            n_samples=_FEW_SAMPLES,
            batch_size=_BATCH,
            n_pictures=0,
            n_cases=0,
            num_workers=0,
        ) as workflow:
            rows: list[Row] = []
            started = time.perf_counter()

            def look(engine: Engine) -> None:
                n_scored = min(engine.state.iteration * _BATCH, values[-1])
                if any(n_scored - _BATCH < value <= n_scored for value in (2 * _BATCH, *values)):
                    rows.append(
                        {"pictures": n_scored, "seconds": time.perf_counter() - started, "mib": peak_memory_mib()}
                    )

            workflow.evaluator.add_event_handler(Events.ITERATION_COMPLETED, look)
            workflow.run()
    return _beside_the_first(rows)


def _score_share(n_images: int, threads: int) -> float:
    """Score random pictures when all processes are ready, and give the seconds."""
    torch.set_num_threads(threads)
    network, pictures = _small_network(_DEMO_SIZE), random_pictures(n_images, _DEMO_SIZE)
    network(pictures[0])  # warms up
    _barrier.wait()
    started = time.perf_counter()
    for picture in pictures:
        network(picture)
    return time.perf_counter() - started


def _set_barrier(barrier: Any) -> None:
    global _barrier
    _barrier = barrier


def _small_network(image_size: int = _SMALL) -> BayesPFL:
    backbone = random_backbone(DEMO, image_size=image_size, seed=0)
    return networks(backbone, [], _CPU, n_prompts=3, n_samples=_FEW_SAMPLES)["float32"]


def _beside_the_first(rows: list[Row]) -> list[Row]:
    """Count memory from the first row on, which was for warming up."""
    return [{**row, "mib": row["mib"] - rows[0]["mib"]} for row in rows[1:]]


def _in_fresh_process(function: Callable[[list[int]], list[Row]], values: list[int]) -> list[Row]:
    context, threads = multiprocessing.get_context("spawn"), torch.get_num_threads()
    with ProcessPoolExecutor(1, context, torch.set_num_threads, (threads,)) as pool:
        return pool.submit(function, values).result()
