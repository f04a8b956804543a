"""What a volume costs beside the network (reading, slicing, putting back, writing), and what shared prompts save."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bpfl_med.data import ScanVolume, find_scans, load_scan
from bpfl_med.demo.dicom_head import Head, ct_slices, plane_of, set_pixels
from bpfl_med.inferers import VolumeInferer, VolumePrediction
from bpfl_med.intensity import WindowIntensity
from bpfl_med.networks import BayesPFL, IntensityNetwork
from bpfl_med.speed.bundle_run import bundle_run

_SPACING = 0.8  # mm between slices, so that even the outermost of 155 cut the head
_NOISE = 12.0  # HU, standard deviation
_FEW_SLICES = 4  # that the true network scores
_FEATURE_SLICES = 2  # that shared prompts are made from


class InstantNetwork(IntensityNetwork):
    """Answers at once, at the size that the true network asks for: what is left of a run is all but the network."""

    def __init__(self, image_size: int) -> None:
        super().__init__()
        self._image_size = image_size

    @property
    def image_size(self) -> int:
        """Height and width of the input, in pixels."""
        return self._image_size


def write_large_ct(folder: Path, *, side: int, n_slices: int) -> None:
    """Write a noisy head CT of `side` x `side` pixels as a DICOM series.

    Args:
        folder: where the files go; made if absent.
        side: rows and columns.
        n_slices: files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(0)
    heights = _SPACING * (np.arange(n_slices) - (n_slices - 1) / 2)
    for dataset in ct_slices(Head.from_seed(0), *plane_of("axial"), heights.tolist(), uid_seed="large 0"):
        small = dataset.pixel_array.astype(np.float32)
        rows, columns = (np.arange(side) * n // side for n in small.shape)
        noise = generator.normal(0, _NOISE, (side, side)).astype(np.float32)
        spacing = [step * n / side for step, n in zip(dataset.PixelSpacing, small.shape, strict=True)]
        dataset.Rows = dataset.Columns = side
        dataset.PixelSpacing = [f"{step:.6f}" for step in spacing]
        dataset.SliceThickness = f"{_SPACING:g}"
        set_pixels(dataset, (small[np.ix_(rows, columns)] + noise).clip(0, 4095).round())
        dataset.save_as(folder / f"image{dataset.InstanceNumber:04d}.dcm", enforce_file_format=True)


def seconds_beside_the_network(scan: Path, output: Path, *, image_size: int, class_name: str) -> dict[str, float]:
    """Score a scan with a network that answers at once, through the bundle's own config, and time the rest."""
    started = time.perf_counter()
    with bundle_run(
        ["modalities/ct-brain.yaml"],
        dataset_dir=str(scan),
        output_dir=str(output),
        class_name=class_name,
        prompts_file="$None",
        network_def={"_target_": f"{__name__}.InstantNetwork", "image_size": image_size},
    ) as workflow:
        found = time.perf_counter()
        workflow.run()
        finished = time.perf_counter()
    (result,) = output.glob("*/result.json")
    seconds = json.loads(result.read_text())["seconds"]
    return {
        "finding and reading": found - started + seconds["read"],
        "slicing and putting back": seconds["score"],
        "writing": finished - found - seconds["read"] - seconds["score"],
    }


def measure_volume(
    network: BayesPFL,
    image_seconds: Mapping[str, Mapping[str, float]],
    class_name: str,
    *,
    folder: Path,
    side: int,
    n_slices: int,
) -> dict[str, Any]:
    """Measure a CT of side x side x n_slices voxels; the network's own time follows from that of one image.

    Args:
        network: in float32.
        image_seconds: of every stage of one image, by precision.
        class_name: what the CT shows.
        folder: an empty one, for the CT and its results.
        side: rows and columns.
        n_slices: slices.
    """
    write_large_ct(folder / "ct", side=side, n_slices=n_slices)
    seconds = seconds_beside_the_network(
        folder / "ct", folder / "results", image_size=network.image_size, class_name=class_name
    )
    network_seconds = {name: n_slices * stages["whole image"] for name, stages in image_seconds.items()}
    stages = image_seconds["float32"]
    shared = shared_prompts(folder / "ct", network, class_name)
    saved = (n_slices - 1) * stages["text"] - shared["feature_slices"] * stages["image tower"]
    return {
        "voxels": f"{side} x {side} x {n_slices}",
        "seconds": seconds,
        "network_seconds": network_seconds,
        "share_of_network": {name: sum(seconds.values()) / total for name, total in network_seconds.items()},
        "shared_prompts": shared,
        "network_seconds_with_shared_prompts": network_seconds["float32"] - saved,
    }


def shared_prompts(scan: Path, network: BayesPFL, class_name: str) -> dict[str, Any]:
    """Score a few slices of a scan with prompts of their own, and with one set, from some of the slices, for all."""
    volume = load_scan(find_scans(scan)[0])
    middle = volume.values.shape[2] // 2
    few = dataclasses.replace(volume, values=volume.values[:, :, middle : middle + _FEW_SLICES])
    own, shared = (_score(few, network, class_name, n) for n in (0, _FEATURE_SLICES))
    return {
        "slices": few.values.shape[2],
        "feature_slices": _FEATURE_SLICES,
        "seconds_own": own.seconds,
        "seconds_shared": shared.seconds,
        "largest_difference_of_the_map": float(np.abs(own.anomaly_map - shared.anomaly_map).max()),
        "difference_of_the_volume_score": abs(own.volume_score - shared.volume_score),
    }


def _score(volume: ScanVolume, network: BayesPFL, class_name: str, n_shared: int) -> VolumePrediction:
    inferer = VolumeInferer(
        WindowIntensity([(40, 80)]),
        plane="axial",
        batch_size=1,
        device=network.log_temperature_pixel.device,
        shared_prompts=n_shared,
    )
    return inferer(volume, network, class_name)
