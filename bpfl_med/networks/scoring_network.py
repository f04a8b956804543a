"""What all networks that score images have in common, and what they say of an image."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import nn

ANY_OBJECT = "object"
"""What images show when nobody says so."""


class Prediction(NamedTuple):
    """What a network says of N images, at least in float32.

    Attributes:
        anomaly_map: score of "abnormal" at every pixel [N, 1, H, W], 0 to 1; of Bayes-PFL the mean over layers and the
            B x R pairs of prompts.
        text_score: the same of the whole image [N]; of Bayes-PFL that of the text branch, mean over the pairs.
        uncertainty: standard deviation of the map over the pairs [N, 1, H, W]; 0 where there are none.
        score_std: likewise of the text score [N].
    """

    anomaly_map: torch.Tensor
    text_score: torch.Tensor
    uncertainty: torch.Tensor
    score_std: torch.Tensor


class ScoringNetwork(nn.Module, ABC):
    """A network that engines, inferers and reports can use.

    Args:
        class_name: what images show when :meth:`forward` is not told.

    Attributes:
        class_name: as given.
        threshold: value of the anomaly map from which on a pixel is called abnormal, if one was chosen.
    """

    def __init__(self, class_name: str = ANY_OBJECT) -> None:
        super().__init__()
        self.class_name = class_name
        self.threshold: float | None = None

    @property
    @abstractmethod
    def image_size(self) -> int | None:
        """Height and width of the input, in pixels; None if images of any size are taken."""

    @property
    @abstractmethod
    def notice(self) -> str | None:
        """A sentence for every place where numbers appear, or None."""

    @property
    def caution(self) -> str | None:
        """What stands where there is no room for the notice, its first word; None without one."""
        return self.notice.split()[0] if self.notice else None

    @property
    @abstractmethod
    def provenance(self) -> dict[str, Any]:
        """What a report must say of the network: name, checksum, caution, notice, and all that made it."""

    @abstractmethod
    def check_class_names(self, class_names: Sequence[str]) -> None:
        """Raise a ValueError now if a name is empty or too long for the text encoder, before images are scored."""

    @abstractmethod
    def predict(self, image: torch.Tensor, class_names: Sequence[str]) -> Prediction:
        """Score images.

        Args:
            image: [N, 3, H, W], CLIP-normalised RGB.
            class_names: what each image shows, such as "brain".

        Raises:
            ValueError: if the images have another shape, or the names are not one per image, empty or too long.
        """

    def forward(self, image: torch.Tensor, class_names: Sequence[str] | None = None) -> torch.Tensor:
        """Give the anomaly map alone, for exports and for tools that expect one tensor; see :meth:`predict`.

        Args:
            image: [N, 3, H, W], CLIP-normalised RGB.
            class_names: what each image shows; the constructor's `class_name` if None.

        Returns:
            The anomaly map [N, 1, H, W].
        """
        names = [self.class_name] * len(image) if class_names is None else class_names
        return self.predict(image, names).anomaly_map


def check_one_name_per_image(n_images: int, class_names: Sequence[str]) -> None:
    """Raise a ValueError if there is no image, or not a name for each."""
    if isinstance(class_names, str):
        raise ValueError(f"There must be a list of class names, one per image, got the text {class_names!r}")
    if n_images == 0 or len(class_names) != n_images:
        raise ValueError(f"There must be one class name per image, got {len(class_names)} for {n_images} images")
