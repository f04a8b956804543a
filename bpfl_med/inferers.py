"""How an engine asks the network."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.inferers import Inferer

from bpfl_med.networks import BayesPFL


class PictureInferer(Inferer):
    """Score a batch of 2-D images and give every field of the `Prediction`, so that handlers can use them all.

    The network's own `forward` gives the map alone, because exports and other tools want one tensor.
    """

    def __call__(
        self, inputs: torch.Tensor, network: BayesPFL, class_names: Sequence[str] | None = None
    ) -> dict[str, torch.Tensor]:
        """Score images.

        Args:
            inputs: [N, 3, H, W], CLIP-normalised RGB.
            network: the network itself, not a wrapper around it.
            class_names: what each image shows; the network's default if None.
        """
        names = class_names or [network.class_name] * len(inputs)
        return network.predict(inputs, names)._asdict()
