"""Cut a volume into pictures as a radiologist views them, and put pictures back onto its voxels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import nibabel as nib
import numpy as np
from nibabel.affines import voxel_sizes

Plane = Literal["axial", "coronal", "sagittal", "acquired"]

# For each plane the patient axis along which slices follow, the direction in which the rows of a picture go down, and
# the one in which its columns go right, as radiologists view them: (axis of RAS, whether towards its positive end).
_VIEWS = {
    "axial": (2, (1, False), (0, False)),  # down: posterior; right: the patient's left
    "coronal": (1, (2, False), (0, False)),  # down: inferior; right: the patient's left
    "sagittal": (0, (2, False), (1, False)),  # down: inferior; right: posterior
}


@dataclass(frozen=True)
class SlicePlane:
    """How pictures lie in a volume [i, j, k]. Cutting and putting back only move values, so nothing is interpolated.

    Attributes:
        axis: voxel axis along which slices follow.
        row_axis: voxel axis along which the rows of a picture follow.
        column_axis: voxel axis along which the columns of a picture follow.
        flip_rows: whether the rows run against the voxel index.
        flip_columns: whether the columns run against the voxel index.
    """

    axis: int
    row_axis: int
    column_axis: int
    flip_rows: bool
    flip_columns: bool

    @classmethod
    def of_plane(cls, plane: Plane, affine: np.ndarray) -> SlicePlane:
        """Find the voxel axes that come nearest to a plane of the patient.

        Args:
            plane: "axial", "coronal", "sagittal", or "acquired": a DICOM series as its slices were stored.
            affine: [4, 4], voxel index -> RAS, mm.

        Raises:
            ValueError: if the plane is none of these.
        """
        if plane == "acquired":
            return cls(axis=2, row_axis=1, column_axis=0, flip_rows=False, flip_columns=False)
        if plane not in _VIEWS:
            raise ValueError(f"plane must be axial, coronal, sagittal or acquired, got {plane!r}")
        patient_axes, directions = nib.orientations.io_orientation(affine).T
        voxel_axis = {int(patient): voxel for voxel, patient in enumerate(patient_axes)}
        through, (down, down_positive), (right, right_positive) = _VIEWS[plane]
        rows, columns = voxel_axis[down], voxel_axis[right]
        return cls(
            axis=voxel_axis[through],
            row_axis=rows,
            column_axis=columns,
            flip_rows=(directions[rows] > 0) != down_positive,
            flip_columns=(directions[columns] > 0) != right_positive,
        )

    def pictures(self, volume: np.ndarray) -> np.ndarray:
        """View a volume [i, j, k] as pictures [slices, rows, columns]; no value is copied."""
        pictures = volume.transpose(self.axis, self.row_axis, self.column_axis)
        return pictures[:, :: -1 if self.flip_rows else 1, :: -1 if self.flip_columns else 1]

    def pixel_size(self, affine: np.ndarray) -> tuple[float, float]:
        """Give the distance between rows and between columns, mm."""
        sizes = voxel_sizes(affine)
        return float(sizes[self.row_axis]), float(sizes[self.column_axis])

    def slice_distance(self, affine: np.ndarray) -> float:
        """Give the distance between slices, mm."""
        return float(voxel_sizes(affine)[self.axis])

    def edges(self, affine: np.ndarray) -> str:
        """Name the sides of the patient at the left, right, upper and lower edge, such as "RLAP".

        Of an oblique picture each is the nearest side. R and L are the patient's right and left, A and P anterior and
        posterior, H and F towards head and feet.
        """
        right = affine[:3, self.column_axis] * (-1 if self.flip_columns else 1)
        down = affine[:3, self.row_axis] * (-1 if self.flip_rows else 1)
        return "".join(_side(direction) for direction in (-right, right, -down, down))


def _side(direction: np.ndarray) -> str:
    """Name the side of the patient that lies nearest to a direction in RAS."""
    axis = int(np.abs(direction).argmax())
    return "RAH"[axis] if direction[axis] > 0 else "LPF"[axis]


def first_apart(n: int, ranked: Sequence[int], gap: float) -> list[int]:
    """Choose the first n of ranked indices, passing over those nearer than a gap to one that is chosen already."""
    chosen: list[int] = []
    for index in ranked:
        if len(chosen) == n:
            break
        if all(abs(index - other) >= gap for other in chosen):
            chosen.append(index)
    return chosen


def evenly_chosen(n: int, indices: Sequence[int]) -> list[int]:
    """Choose at most n of some indices: the middle ones of n equal parts."""
    n = min(n, len(indices))
    return [indices[(2 * part + 1) * len(indices) // (2 * n)] for part in range(n)]
