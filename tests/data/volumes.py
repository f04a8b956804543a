"""Small volumes with lesions."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np

AFFINE = np.diag([2.0, 2, 3, 1])
LESION = (slice(3, 6), slice(4, 8), slice(2, 4))  # in slices 2 and 3 of 6


def save_volume(path: Path, values: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(values, affine), path)
    return path


def save_patient(folder: Path, *, lesion: bool = True, seed: int = 0) -> Path:
    """Write FLAIR.nii.gz of 10 x 12 x 6 voxels, with a bright lesion and its lesion.nii.gz; slices 0 and 5 are air."""
    values = np.random.default_rng(seed).integers(100, 140, (10, 12, 6)).astype(np.float32)
    values[..., [0, 5]] = 0
    values[:2] = 0
    mask = np.zeros(values.shape, np.uint8)
    if lesion:
        values[LESION], mask[LESION] = 200, 4
        save_volume(folder / "lesion.nii.gz", mask)
    return save_volume(folder / "FLAIR.nii.gz", values)
