"""How tests read a series in one go."""

from __future__ import annotations

from pathlib import Path

from bpfl_med.dicom import DicomSeries, choose_series, load_series


def select_series(path: Path, series_uid: str | None = None, *, allow_gaps: bool = False) -> DicomSeries:
    return load_series(choose_series(path, series_uid), allow_gaps)
