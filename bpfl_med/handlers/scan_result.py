"""What was found in a scan, as writers and people need it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from bpfl_med.data.scan_volume import ScanVolume
from bpfl_med.dicom.algorithm import Algorithm
from bpfl_med.inferers import VolumePrediction
from bpfl_med.slice_plane import first_apart
from bpfl_med.slice_source import describe_source

MIN_DISTANCE = 10.0  # mm, between slices that people are shown, so that one finding does not fill the list


@dataclass(eq=False)
class ScanResult:
    """All that a writer needs to know of a scored scan.

    Attributes:
        volume: the scan.
        prediction: maps and slice scores.
        mask: [i, j, k] bool, where the map reaches the threshold.
        threshold: the value of the map that the mask was made with.
        class_name: what the scan shows.
        algorithm: who made the result, for DICOM objects.
        caution: a word or two that must stand wherever a mask or map is named, or None.
        notice: the sentence for it, for wherever numbers or pictures stand, or None.
        replaced: how the settings of an older result in the same place differed; empty without such a one.
        omitted: files that were left out, and why.
    """

    volume: ScanVolume
    prediction: VolumePrediction
    mask: np.ndarray
    threshold: float
    class_name: str
    algorithm: Algorithm
    caution: str | None
    notice: str | None
    replaced: str = ""
    omitted: dict[str, str] = field(default_factory=dict)

    def most_suspicious(self, n: int, min_distance: float = MIN_DISTANCE) -> list[int]:
        """Choose at most n slices that are not empty, the most suspicious first, so many mm apart."""
        gap = min_distance / self.prediction.plane.slice_distance(self.volume.affine)
        return first_apart(n, self.prediction.ranking, gap)


def describe_result(result: ScanResult) -> str:
    """Give a line on what was written of a scan: score, slices to look at, and what was left out or replaced."""
    volume, prediction = result.volume, result.prediction
    sources = {i: describe_source(volume, prediction.plane, i) for i in result.most_suspicious(3)}
    slices = ", ".join(f"{i} ({source})" if source else str(i) for i, source in sources.items()) or "none"
    caution = f" ({result.notice.split(':')[0]})" if result.notice else ""
    left_out: dict[str, list[str]] = {}
    for name, reason in result.omitted.items():
        left_out.setdefault(reason, []).append(name)
    omitted = "".join(f"; without {', '.join(names)}: {reason}" for reason, names in left_out.items())
    replaced = f"; replaces a result of other settings ({result.replaced})" if result.replaced else ""
    score = f"score {prediction.volume_score:.3f} of 0 to 1"
    return f"{score}, slices to look at (from 0): {slices}{caution}{omitted}{replaced}"
