"""Which stored image a slice is, so that it can be found in a viewer."""

from __future__ import annotations

from typing import Any

from bpfl_med.data.scan_volume import ScanVolume
from bpfl_med.slice_plane import SlicePlane


def slice_source(volume: ScanVolume, plane: SlicePlane, index: int) -> dict[str, Any]:
    """Name the stored image of a slice; empty where slices are not those that the scanner stored.

    Args:
        volume: the scan.
        plane: in which it was scored.
        index: of the slice along `plane`, from 0.

    Returns:
        `sop_instance_uid`, `instance_number` (what viewers show; None where the file has none) and `frame_number`.
    """
    if volume.series is None or plane.axis != 2:
        return {}
    return {
        "sop_instance_uid": volume.series.sop_instance_uids[index],
        "instance_number": volume.series.instance_numbers[index],
        "frame_number": volume.series.frame_numbers[index],
    }


def describe_source(volume: ScanVolume, plane: SlicePlane, index: int) -> str:
    """Say which image of the series a slice is, or which frame of a multi-frame file; "" where that is not known."""
    source = slice_source(volume, plane, index)
    if volume.series is not None and source and len(set(volume.series.files)) < len(volume.series.files):
        return f"frame {source['frame_number']}"
    number = source.get("instance_number")
    return "" if number is None else f"instance number {number}"
