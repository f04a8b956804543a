"""Score a batch of pictures."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.inferers import Inferer

from bpfl_med.networks import BayesPFL, ScoringNetwork


class PictureInferer(Inferer):
    """Score a batch of 2-D images and give every field of the `Prediction`, so that handlers can use them all.

    The network's own `forward` gives the map alone, because exports and other tools want one tensor.

    Args:
        features: gives what the frozen image tower of a Bayes-PFL says, such as a
            :class:`~bpfl_med.training.feature_inferer.FeatureInferer`; the network itself if None.
    """

    def __init__(self, features: Inferer | None = None) -> None:
        super().__init__()
        self.features = features

    def __call__(
        self, inputs: torch.Tensor, network: ScoringNetwork, class_names: Sequence[str] | None = None
    ) -> dict[str, torch.Tensor]:
        """Score images.

        Args:
            inputs: [N, 3, H, W], CLIP-normalised RGB.
            network: the network itself, not a wrapper around it.
            class_names: what each image shows; the network's default if None.
        """
        names = class_names or [network.class_name] * len(inputs)
        if self.features is None:
            return network.predict(inputs, names)._asdict()
        if not isinstance(network, BayesPFL):
            raise ValueError(f"Features are those of a Bayes-PFL, and the network is a {type(network).__name__}")
        return network.predict_features(self.features(inputs, network), names)._asdict()
