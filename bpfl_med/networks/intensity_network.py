"""A stand-in for the network whose anomaly map is the picture itself."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import torch

from bpfl_med.networks.class_names import tokenize_class_names
from bpfl_med.networks.clip_normalization import CLIP_MEAN, CLIP_STD
from bpfl_med.networks.scoring_network import Prediction, ScoringNetwork, check_one_name_per_image


class IntensityNetwork(ScoringNetwork):
    """Return the first channel of the picture, in [0, 1], as its anomaly map, at the picture's own size.

    With it the whole way from a file to its overlay can be proved on any input, without weights: the map of a voxel is
    that voxel's windowed intensity.

    Args:
        class_name: what images are said to show; it changes nothing.
    """

    @property
    def image_size(self) -> int | None:
        """None: pictures are not resized."""

    @property
    def notice(self) -> str:
        """A sentence for every place where numbers appear."""
        return (
            "INTENSITY CHECK: the map is the scan's own grey level, to prove its way to the overlay; it finds nothing."
        )

    @property
    def caution(self) -> str:
        """What stands where there is no room for the notice."""
        return "NO FINDING"

    @property
    def provenance(self) -> dict[str, Any]:
        """What a report must say of the network."""
        return {"name": "Intensity check", "checksum": "", "caution": self.caution, "notice": self.notice}

    def check_class_names(self, class_names: Sequence[str]) -> None:
        """Raise a ValueError if a name is empty: it is not used, but stands in results."""
        tokenize_class_names(class_names, max_tokens=sys.maxsize)

    @torch.no_grad()
    def predict(self, image: torch.Tensor, class_names: Sequence[str]) -> Prediction:
        """Give the intensity as the map, its mean as the score, and no uncertainty."""
        check_one_name_per_image(len(image), class_names)
        intensity = (image[:, :1] * CLIP_STD[0] + CLIP_MEAN[0]).clamp(0, 1)
        score = intensity.mean((1, 2, 3))
        return Prediction(intensity, score, torch.zeros_like(intensity), torch.zeros_like(score))
