"""The geometry of a stack of slices: order along the normal, gaps, tilt, and the one affine where there is one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# A slice this near to its place is in its place (mm): below what is visible, above what rounding of decimals does.
POSITION_TOLERANCE = 0.1
# Two slices nearer than this along the normal are at one position (mm).
SAME_POSITION = 0.01
# A wide step that stands alone or in a pair is a gap; this many equal ones in a row are a second spacing.
BLOCK_STEPS = 3
# Computed tomography gantries tilt by up to 30 degrees; a stack that leans more is no stack.
LARGEST_TILT = 45.0

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, eq=False)
class Stack:
    """Slices in order along their normal.

    Attributes:
        order: ``[slices]``, index of each slice in the list that was given.
        heights: ``[slices]``, distance along the normal, ascending, mm.
        offsets: ``[slices, 3]``, the part of each position that lies in the slice plane, relative to the first, mm.
    """

    order: np.ndarray
    heights: np.ndarray
    offsets: np.ndarray

    @property
    def steps(self) -> np.ndarray:
        """``[slices - 1]``, distances between neighbours along the normal, mm."""
        return np.diff(self.heights)


def normal_of(orientation: np.ndarray) -> np.ndarray:
    """Normal of a slice plane: the cross product of row and column cosines, ``[6]`` -> ``[3]``, LPS."""
    normal: np.ndarray = np.cross(orientation[:3], orientation[3:])
    return normal / np.linalg.norm(normal)


def stack_slices(positions: np.ndarray, orientation: np.ndarray) -> Stack:
    """Order slices by position along their normal, so that the stack is always right-handed.

    Args:
        positions: ``[slices, 3]``, LPS, mm.
        orientation: ``[6]``, row cosines then column cosines, LPS.

    Returns:
        The stack; slices at one position keep the order in which they were given.
    """
    normal = normal_of(orientation)
    heights = positions @ normal
    order = np.argsort(heights, kind="stable")
    relative = positions[order] - positions[order[0]]
    return Stack(order, heights[order], relative - np.outer(relative @ normal, normal))


def same_position(stack: Stack) -> np.ndarray:
    """``[slices - 1]`` bool: whether a slice is at the position of the one before it."""
    steps = stack.steps
    real = steps[steps > SAME_POSITION]
    return steps <= max(SAME_POSITION, 0.05 * float(np.median(real)) if real.size else 0.0)


def tilt_and_shifted(stack: Stack, pixel: float) -> tuple[float, np.ndarray]:
    """Tell a tilted stack from one in which slices are shifted.

    In a true stack, tilted or not, the first pixels of all slices lie on one straight line.

    Args:
        stack: slices at different positions.
        pixel: smaller pixel spacing, mm.

    Returns:
        Tilt of that line against the normal in degrees, 0 where it is below tolerance; and ``[slices]`` bool, whether a
        slice is off the line.
    """
    tolerance = min(POSITION_TOLERANCE, 0.25 * pixel)
    height = (stack.heights - stack.heights[0])[:, None]
    if len(height) < 2:
        return 0.0, np.zeros(len(height), dtype=bool)
    slope = stack.offsets[-1:] / height[-1]
    off = np.linalg.norm(stack.offsets - height * slope, axis=1) > tolerance
    if off.any():  # the ends themselves may be the shifted ones: a line through the median step names the few that are
        slope = np.median(np.diff(stack.offsets, axis=0) / np.diff(height, axis=0), axis=0, keepdims=True)
        residual = stack.offsets - height * slope
        off = np.linalg.norm(residual - np.median(residual, axis=0), axis=1) > tolerance
        off = off if off.any() else np.ones(len(off), dtype=bool)
    if np.linalg.norm(slope) * height[-1, 0] <= tolerance:
        return 0.0, off
    return float(np.degrees(np.arctan(np.linalg.norm(slope)))), off


def is_even(stack: Stack) -> bool:
    """Whether every slice is in its place on an even grid from the first to the last."""
    count = len(stack.heights)
    if count < 3:
        return True
    grid = np.linspace(stack.heights[0], stack.heights[-1], count)
    tolerance = min(POSITION_TOLERANCE, 0.2 * float(grid[1] - grid[0]))
    return bool(np.abs(stack.heights - grid).max() <= tolerance)


def missing_after(stack: Stack) -> np.ndarray:
    """How many slices seem to be missing after each slice.

    The regular step is the one that at least half of all steps equal (within a tenth). A wide step is a gap when it is
    a whole multiple, two or more, of the regular step, and stands alone or in a pair. `BLOCK_STEPS` or more equal wide
    steps in a row are a second spacing, as in head CT with 5 mm through the skull base and 10 mm above.

    Args:
        stack: slices at different positions.

    Returns:
        ``[slices - 1]`` int, 0 where nothing seems to be missing.
    """
    steps = stack.steps
    missing = np.zeros(len(steps), dtype=int)
    if len(steps) < 2:
        return missing
    alike = np.abs(steps[:, None] - steps[None]) <= 0.1 * np.minimum(steps[:, None], steps[None])
    votes = alike.sum(axis=1)
    if votes.max() * 2 < len(steps):
        return missing
    regular = float(np.median(steps[alike[np.lexsort((steps, -votes))[0]]]))
    multiple = np.rint(steps / regular).astype(int)
    wide = (multiple >= 2) & (np.abs(steps - multiple * regular) <= 0.1 * regular)
    for i in np.flatnonzero(wide):
        first = last = i
        while first > 0 and alike[i, first - 1]:
            first -= 1
        while last < len(steps) - 1 and alike[i, last + 1]:
            last += 1
        if last - first + 1 < BLOCK_STEPS:
            missing[i] = multiple[i] - 1
    return missing


def affine_of(
    first: np.ndarray, last: np.ndarray, slices: int, orientation: np.ndarray, spacing: tuple[float, float], step: float
) -> np.ndarray:
    """Affine of an even stack.

    Args:
        first: ``[3]``, position of the first slice, LPS, mm.
        last: ``[3]``, position of the last slice, LPS, mm, on the tilted line where the stack is tilted.
        slices: number of slices.
        orientation: ``[6]``, row cosines then column cosines, LPS.
        spacing: (between rows, between columns), mm.
        step: distance to give a single slice, mm.

    Returns:
        ``[4, 4]`` float64, (column, row, slice) index -> RAS, mm.
    """
    affine = np.eye(4)
    affine[:3, 0] = orientation[:3] * spacing[1]
    affine[:3, 1] = orientation[3:] * spacing[0]
    affine[:3, 2] = (last - first) / (slices - 1) if slices > 1 else normal_of(orientation) * step
    affine[:3, 3] = first
    return _LPS_TO_RAS @ affine
