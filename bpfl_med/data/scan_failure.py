"""What is said of a scan that cannot be used."""

from __future__ import annotations

from pathlib import Path

from bpfl_med.data.nifti import NiftiError
from bpfl_med.data.scans import ScanError
from bpfl_med.dicom import SeriesError
from bpfl_med.machine.memory_advice import memory_advice

UNREADABLE = (ScanError, SeriesError, NiftiError)
"""What is raised for a scan that cannot be read or scored truthfully."""


def failure_sentence(error: Exception, path: Path, what: str = "cannot be used") -> str:
    """Give the text of an error of ours; of another library's, which may quote a patient's name, only the kind."""
    if isinstance(error, UNREADABLE):
        return str(error)
    if advice := memory_advice(error):
        return f"{path}: {advice}"
    return f"{path}: {what} ({type(error).__name__}); see --debug"
