"""DICOM: series of images -> volumes with a checked geometry."""

from bpfl_med.dicom.discovery import FoundSeries, choose_series, find_series, find_series_and_damage, load_series
from bpfl_med.dicom.series import DicomSeries, NoSeriesError, SeriesError
from bpfl_med.dicom.volume import read_volume

__all__ = [
    "DicomSeries",
    "FoundSeries",
    "NoSeriesError",
    "SeriesError",
    "choose_series",
    "find_series",
    "find_series_and_damage",
    "load_series",
    "read_volume",
]
