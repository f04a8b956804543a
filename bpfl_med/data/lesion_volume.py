"""A volume together with the mask of its lesions."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bpfl_med.data.nifti import AFFINE_TOLERANCE, largest_distance
from bpfl_med.data.scan_volume import ScanVolume, load_scan
from bpfl_med.data.scans import Scan, ScanError
from bpfl_med.data.volume_datalist import VolumeItem


def load_lesion_volume(item: VolumeItem, *, lesion_above: float) -> tuple[ScanVolume, np.ndarray]:
    """Read a volume and the mask that lies on its voxels; nothing is resampled.

    Args:
        item: of :func:`~bpfl_med.data.volume_datalist`.
        lesion_above: mask values above it are lesions: 0 for masks of labels.

    Returns:
        The volume, and its lesions [i, j, k], bool; of a normal volume there are none.

    Raises:
        ScanError: if a file cannot be read, the mask is on another grid, or the mask of an abnormal volume is empty.
        NiftiError: if a NIfTI file cannot be read truthfully.
    """
    volume = _load(item["image"])
    if item["mask"] is None:
        return volume, np.zeros(volume.values.shape, bool)
    mask = _load(item["mask"])
    if mask.values.shape != volume.values.shape:
        raise ScanError(
            f"{item['mask']}: has the shape {mask.values.shape} and its volume {item['image']} has "
            f"{volume.values.shape}; give the mask of that volume, on its own grid"
        )
    distance = largest_distance(mask.affine, volume.affine, volume.values.shape)
    if distance > AFFINE_TOLERANCE:
        raise ScanError(
            f"{item['mask']}: its voxels lie up to {distance:.1f} mm from those of its volume {item['image']}; give a "
            "mask with the volume's affine"
        )
    lesions = mask.values > lesion_above
    if not lesions.any():
        raise ScanError(
            f"{item['mask']}: has no value above {lesion_above:g} (the largest is {mask.values.max():g}) and its "
            "volume is labelled abnormal; set lesion_above, or correct label or mask"
        )
    return volume, lesions


def _load(path: str) -> ScanVolume:
    return load_scan(Scan(Path(path).name, Path(path), None))
