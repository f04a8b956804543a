"""Answer programs that hand a volume over as one tensor and expect one back, such as MONAI Label and MONAI Deploy."""

from __future__ import annotations

from pathlib import Path

import torch
from monai.data import MetaTensor
from monai.inferers import Inferer

from bpfl_med.data.scan_volume import ScanVolume
from bpfl_med.data.scans import Scan
from bpfl_med.inferers import VolumeInferer
from bpfl_med.networks import ScoringNetwork


class TensorVolumeInferer(Inferer):
    """Score a volume as `VolumeInferer` does, and give its anomaly map alone.

    Args:
        volume_inferer: that cuts, scores and puts back the slices.
        class_name: what the scan shows.
    """

    def __init__(self, volume_inferer: VolumeInferer, *, class_name: str) -> None:
        super().__init__()
        self.volume_inferer = volume_inferer
        self.class_name = class_name

    def __call__(self, inputs: MetaTensor, network: ScoringNetwork) -> torch.Tensor:
        """Score one volume.

        Args:
            inputs: [1, 1, i, j, k], HU for CT, with its affine (voxel index -> RAS, mm).
            network: the network itself.

        Returns:
            The anomaly map [1, 1, i, j, k] on the voxels of the input, 0 to 1.

        Raises:
            ValueError: if the input is of another shape or not finite, or comes without an affine, which tells how the
                slices lie.
        """
        if not isinstance(inputs, MetaTensor) or inputs.ndim != 5 or tuple(inputs.shape[:2]) != (1, 1):
            raise ValueError(
                "The volume must be one MetaTensor [1, 1, i, j, k] with its affine, got "
                f"{type(inputs).__name__} {list(inputs.shape)}"
            )
        if not torch.isfinite(inputs).all():
            raise ValueError("The volume holds NaN or infinite values; replace them by the value of air")
        volume = ScanVolume(
            scan=Scan("volume", Path("volume"), None),
            values=inputs[0, 0].as_tensor().float().cpu().numpy(),
            affine=inputs.affine.reshape(-1, 4, 4)[0].cpu().numpy(),
            modality=None,
            checksum="",
            notes=(),
        )
        prediction = self.volume_inferer(volume, network, self.class_name)
        return torch.from_numpy(prediction.anomaly_map)[None, None].to(inputs.device)
