"""Load a scan as a volume."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from monai.config import KeysCollection
from monai.transforms import MapTransform

from bpfl_med.data.scan_failure import failure_sentence
from bpfl_med.data.scan_volume import load_scan


class LoadScand(MapTransform):
    """Replace a `Scan` by its `ScanVolume`.

    Args:
        keys: of scans.
        allow_gaps: accept a DICOM stack in which slices seem to be missing.
        volume_index: which volume of a 4-D NIfTI file, 0-based.
        keep_going: where a scan cannot be read, put the sentence under "failure" instead of raising.

    Raises:
        ScanError, SeriesError, NiftiError: if a scan cannot be read truthfully and `keep_going` is off.
    """

    def __init__(self, keys: KeysCollection, *, allow_gaps: bool, volume_index: int | None, keep_going: bool) -> None:
        super().__init__(keys)
        self.allow_gaps = allow_gaps
        self.volume_index = volume_index
        self.keep_going = keep_going

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Load the scan under each key."""
        result = dict(data)
        for key in self.key_iterator(result):
            try:
                result[key] = load_scan(result[key], allow_gaps=self.allow_gaps, volume_index=self.volume_index)
            except Exception as error:
                if not self.keep_going:
                    raise
                result["failure"] = failure_sentence(error, result[key].path)
        return result
