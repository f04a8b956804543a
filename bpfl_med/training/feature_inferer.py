"""What the frozen image tower says of images, remembered on disk."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch
from monai.inferers import Inferer
from safetensors.torch import load_file, save_file

from bpfl_med.atomic_files import replaced_file
from bpfl_med.networks import BayesPFL, ImageFeatures


class FeatureInferer(Inferer):
    """Run the frozen image tower on a batch, but for images whose features lie in a folder.

    An entry is named by the SHA-256 of the image's own values and of all that its features depend on, so a change of
    picture, augmentation, backbone, image size or tapped blocks never meets an old entry. The features are those that
    the tower gave, to the bit, and an entry takes 4 L S V + 4 C bytes (22 MB at the paper's size).

    Args:
        folder: of the entries, made if absent; None remembers nothing.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        super().__init__()
        self.folder = None if folder is None else Path(folder)

    @torch.no_grad()
    def __call__(self, inputs: torch.Tensor, network: BayesPFL) -> ImageFeatures:
        """Give the features of images [N, 3, H, W], on their device."""
        if self.folder is None:
            return network.encode_image(inputs)
        paths = [self._path(image, network) for image in inputs]
        if not all(path.is_file() for path in paths):
            # The whole batch, because the last digit of a feature depends on the batch that it is computed in: a run
            # that was killed between two entries meets the same bytes when it goes on.
            computed = network.encode_image(inputs)
            for i, path in enumerate(paths):
                if not path.is_file():
                    self._store(path, computed.global_feature[i], computed.patch_tokens[:, i])
        entries = [load_file(path, device=str(inputs.device)) for path in paths]
        return ImageFeatures(
            torch.stack([entry["global_feature"] for entry in entries]),
            torch.stack([entry["patch_tokens"] for entry in entries], dim=1),
        )

    def _path(self, image: torch.Tensor, network: BayesPFL) -> Path:
        assert self.folder is not None
        backbone = network.backbone
        kind = image.device.type
        autocast = str(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else None
        blocks = network.hyper_parameters["feature_blocks"]
        computed_by = [backbone.kernel, backbone.precision, str(image.dtype), autocast]
        depends_on = [backbone.checksum, backbone.activation, blocks, *computed_by]
        digest = hashlib.sha256(json.dumps(depends_on).encode())
        digest.update(image.detach().cpu().contiguous().view(torch.uint8).numpy().data)
        name = digest.hexdigest()
        return self.folder / name[:2] / f"{name}.safetensors"

    @staticmethod
    def _store(path: Path, global_feature: torch.Tensor, patch_tokens: torch.Tensor) -> None:
        tensors = {"global_feature": global_feature, "patch_tokens": patch_tokens}
        with replaced_file(path) as partial:
            save_file({name: value.cpu().contiguous() for name, value in tensors.items()}, partial)
