"""What the frozen image tower says of images, remembered on disk."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch
from monai.inferers import Inferer
from safetensors.torch import load_file, save_file

from bpfl_med.files.atomic import replaced_file
from bpfl_med.machine.package_versions import package_versions
from bpfl_med.networks import BayesPFL, ImageFeatures

_ENTRY = "one image at a time, QuickGELU as SiLU"  # how an entry was computed, so that those of another way are not met


class FeatureInferer(Inferer):
    """Run the frozen image tower on the images of a batch, but for those whose features lie in a folder.

    Images go through the tower one by one. In a batch the last digits of an image's features would depend on its
    neighbours, and the planar flows, whose parameters are functions of the features, would amplify the difference. So
    features are the same bytes in every batch, on every rank of the same kind of processor with as many threads, and
    after a run that was killed between two entries.

    An entry is named by the SHA-256 of the image's own values and of all that its features depend on, so a change of
    picture, augmentation, backbone, image size, tapped blocks, kind of device or package never meets an old entry. The
    features are those that the tower gave, to the bit, and an entry takes 4 L S V + 4 C bytes (22 MB at the paper's
    size).

    Args:
        folder: of the entries, made if absent; None remembers nothing.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        super().__init__()
        self.folder = None if folder is None else Path(folder)

    @torch.no_grad()
    def __call__(self, inputs: torch.Tensor, network: BayesPFL) -> ImageFeatures:
        """Give the features of images [N, 3, H, W], on their device."""
        return ImageFeatures.join([self._features(image, network) for image in inputs.split(1)])

    def _features(self, image: torch.Tensor, network: BayesPFL) -> ImageFeatures:
        if self.folder is None:
            return network.encode_image(image)
        path = self._path(self.folder, image, network)
        if path.is_file():
            return ImageFeatures(**load_file(path, device=str(image.device)))
        computed = network.encode_image(image)
        with replaced_file(path) as partial:
            save_file({name: value.cpu().contiguous() for name, value in computed._asdict().items()}, partial)
        return computed

    @staticmethod
    def _path(folder: Path, image: torch.Tensor, network: BayesPFL) -> Path:
        backbone = network.backbone
        kind = image.device.type
        autocast = str(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else None
        blocks = network.hyper_parameters["feature_blocks"]
        way = [backbone.image_kernels, backbone.compute_settings.precision, backbone.compile_options]
        computed_by = [_ENTRY, way, kind, package_versions(), str(image.dtype), autocast]
        depends_on = [backbone.checksum, backbone.activation, blocks, *computed_by]
        digest = hashlib.sha256(json.dumps(depends_on).encode())
        digest.update(image.detach().cpu().contiguous().view(torch.uint8).numpy().data)
        name = digest.hexdigest()
        return folder / name[:2] / f"{name}.safetensors"
