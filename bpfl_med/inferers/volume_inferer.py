"""Score a volume slice by slice."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, TextIO

import numpy as np
import torch
import torch.nn.functional as F
from monai.inferers import Inferer
from tqdm import tqdm

from bpfl_med.data.scan_volume import ScanVolume
from bpfl_med.data.scans import ScanError
from bpfl_med.inferers.volume_prediction import VolumePrediction, slice_row
from bpfl_med.intensity import Intensity, grey_channels
from bpfl_med.networks import BayesPFL, Prediction, ScoringNetwork
from bpfl_med.networks.clip_normalization import clip_normalize
from bpfl_med.slice_plane import Plane, SlicePlane, evenly_chosen


class VolumeInferer(Inferer):
    """Score a volume slice by slice and put the maps back onto its voxels.

    Slices are cut, given their grey levels, resized (bicubic, antialiased, as CLIP's preprocessing) and scored in
    batches; maps are resized back (bilinear) to the slice's own pixels. Only one batch exists beside the volume and its
    two maps. Empty slices, which are black all over because they show nothing but air, are not scored.

    Args:
        intensity: from values to grey levels.
        plane: "axial", "coronal", "sagittal", or "acquired".
        batch_size: slices at a time; changes speed and memory only.
        device: that the network is on.
        shared_prompts: 0 samples image-specific prompts for every slice; n > 0 samples them once for the volume, from
            the mean global feature of n slices, evenly spread over those that are not empty.
        progress: where to show how many batches are done, if it is a terminal; None to be silent.

    Raises:
        ValueError: if the batch size is not positive or the number of slices for the prompts is negative.
    """

    def __init__(
        self,
        intensity: Intensity,
        *,
        plane: Plane,
        batch_size: int,
        device: torch.device,
        shared_prompts: int = 0,
        progress: TextIO | None = None,
    ) -> None:
        super().__init__()
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        if shared_prompts < 0:
            raise ValueError(f"shared_prompts must be 0 or a number of slices, got {shared_prompts}")
        self.intensity = intensity
        self.plane = plane
        self.batch_size = batch_size
        self.device = device
        self.shared_prompts = shared_prompts
        self.progress = progress

    @property
    def settings(self) -> dict[str, Any]:
        """What a report must say of how slices were made."""
        return {"plane": self.plane, "shared_prompts": self.shared_prompts, **self.intensity.settings}

    @torch.no_grad()
    def __call__(self, inputs: ScanVolume, network: ScoringNetwork, class_name: str) -> VolumePrediction:
        """Score a volume.

        Raises:
            ScanError: if the intensity preset cannot be meant for it, or no plane but the acquired one is true.
        """
        started = time.perf_counter()
        plane = self._plane_of(inputs)
        try:
            ranges = self.intensity.ranges(inputs.values, inputs.modality)
        except ValueError as error:
            raise ScanError(f"{inputs.scan.path}: {error}") from error
        pictures = plane.pictures(inputs.values)
        result = VolumePrediction(
            anomaly_map=np.zeros_like(inputs.values),
            uncertainty=np.zeros_like(inputs.values),
            plane=plane,
            slices=[slice_row(index) for index in range(len(pictures))],
            ranges=ranges,
        )
        score = self._scorer(pictures, ranges, network, class_name)
        disable = True if self.progress is None else None  # None shows it on a terminal alone
        starts = range(0, len(pictures), self.batch_size)
        for first in tqdm(starts, "batches of slices", leave=False, file=self.progress, disable=disable):
            indices = list(range(first, min(first + self.batch_size, len(pictures))))
            channels = self._channels(pictures, indices, ranges)
            filled = ~_is_empty(channels)
            if filled.any():
                prediction = score(_network_input(channels[filled], network.image_size))
                if not torch.isfinite(prediction.anomaly_map).all() or not torch.isfinite(prediction.text_score).all():
                    raise ScanError(
                        f"{inputs.scan.path}: the network's answer holds NaN; check the files of its weights"
                    )
                scored = [index for index, is_filled in zip(indices, filled.tolist(), strict=True) if is_filled]
                _put_back(prediction, scored, result)
        result.seconds = time.perf_counter() - started
        return result

    def _plane_of(self, volume: ScanVolume) -> SlicePlane:
        if self.plane == "acquired" and volume.series is None:
            raise ScanError(
                f"{volume.scan.path}: only a DICOM series has an acquired plane; choose axial, coronal or sagittal"
            )
        plane = SlicePlane.of_plane(self.plane, volume.affine)
        if plane.axis != 2 and not volume.affine_is_true:
            raise ScanError(
                f"{volume.scan.path}: its slices are unevenly spaced, so pictures in the {self.plane} plane would be "
                "distorted; use plane acquired"
            )
        return plane

    def _channels(self, pictures: np.ndarray, indices: Sequence[int], ranges: np.ndarray) -> torch.Tensor:
        """Give grey levels [n, 3, H, W] of chosen slices."""
        slices = torch.from_numpy(np.ascontiguousarray(pictures[indices])).to(self.device)
        return grey_channels(slices, ranges)

    def _scorer(
        self, pictures: np.ndarray, ranges: np.ndarray, network: ScoringNetwork, class_name: str
    ) -> Callable[[torch.Tensor], Prediction]:
        """Give what scores images [n, 3, H, W] of the volume: with prompts of their own, or those of the volume."""
        if self.shared_prompts and isinstance(network, BayesPFL):
            text = self._shared_text(pictures, ranges, network, class_name)
            if text is not None:
                return lambda image: network.decode(network.encode_image(image), text)
        return lambda image: network.predict(image, [class_name] * len(image))

    def _shared_text(
        self, pictures: np.ndarray, ranges: np.ndarray, network: BayesPFL, class_name: str
    ) -> torch.Tensor | None:
        """Encode one set of prompts for the volume; None if all its slices are empty."""
        slices = range(len(pictures))
        filled = [index for index in slices if not _is_empty(self._channels(pictures, [index], ranges)).any()]
        if not filled:
            return None
        chosen = evenly_chosen(self.shared_prompts, filled)
        features = []
        for first in range(0, len(chosen), self.batch_size):
            channels = self._channels(pictures, chosen[first : first + self.batch_size], ranges)
            features.append(network.encode_image(_network_input(channels, network.image_size)).global_feature)
        mean = torch.cat(features).mean(0, keepdim=True)
        return network.encode_text(mean, [class_name], network.noise)[0]


def _put_back(prediction: Prediction, indices: Sequence[int], result: VolumePrediction) -> None:
    """Put maps and scores of n images into the places of their slices."""
    maps, spreads = (result.plane.pictures(voxels) for voxels in (result.anomaly_map, result.uncertainty))
    size = tuple(maps.shape[1:])
    maps[indices] = _resized(prediction.anomaly_map, size)[:, 0].cpu().numpy()
    spreads[indices] = _resized(prediction.uncertainty, size)[:, 0].cpu().numpy()
    scores = (prediction.text_score, prediction.score_std, prediction.anomaly_map.amax((1, 2, 3)))
    for index, (score, deviation, map_max) in zip(indices, torch.stack(scores, 1).tolist(), strict=True):
        result.slices[index] = slice_row(index, score, deviation, map_max)


def _is_empty(channels: torch.Tensor) -> torch.Tensor:
    """Say of grey levels [n, 3, H, W] which slices are black all over, in every channel."""
    return channels.amax((1, 2, 3)) <= 0


def _network_input(channels: torch.Tensor, image_size: int | None) -> torch.Tensor:
    if image_size is not None:
        size = (image_size, image_size)
        channels = F.interpolate(channels, size=size, mode="bicubic", antialias=True, align_corners=False).clamp_(0, 1)
    return clip_normalize(channels)


def _resized(maps: torch.Tensor, size: tuple[int, ...]) -> torch.Tensor:
    """Resize maps [n, 1, H, W] to the pixels of a slice."""
    if tuple(maps.shape[-2:]) == size:
        return maps
    return F.interpolate(maps, size=size, mode="bilinear", antialias=True, align_corners=False)
