"""Load a study as a volume."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

from monai.config import KeysCollection
from monai.transforms import MapTransform

from bpfl_med.data.nifti import NiftiError
from bpfl_med.data.studies import StudyError, load_study
from bpfl_med.dicom import SeriesError
from bpfl_med.plain_errors import memory_advice

UNREADABLE = (StudyError, SeriesError, NiftiError)
"""What is raised for a study that cannot be read or scored truthfully."""


def failure_sentence(error: Exception, path: Path, what: str = "cannot be used") -> str:
    """Give the text of an error of ours; of another library's, which may quote a patient's name, only the kind."""
    if isinstance(error, UNREADABLE):
        return str(error)
    if advice := memory_advice(error):
        return f"{path}: {advice}"
    return f"{path}: {what} ({type(error).__name__}); see --debug"


class LoadStudyd(MapTransform):
    """Replace a `Study` by its `StudyVolume`.

    Args:
        keys: of studies.
        allow_gaps: accept a DICOM stack in which slices seem to be missing.
        volume_index: which volume of a 4-D NIfTI file, 0-based.
        keep_going: where a study cannot be read, put the sentence under "failure" instead of raising.

    Raises:
        StudyError, SeriesError, NiftiError: if a study cannot be read truthfully and `keep_going` is off.
    """

    def __init__(self, keys: KeysCollection, *, allow_gaps: bool, volume_index: int | None, keep_going: bool) -> None:
        super().__init__(keys)
        self.allow_gaps = allow_gaps
        self.volume_index = volume_index
        self.keep_going = keep_going

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Load the study under each key."""
        result = dict(data)
        for key in self.key_iterator(result):
            try:
                result[key] = load_study(result[key], allow_gaps=self.allow_gaps, volume_index=self.volume_index)
            except Exception as error:
                if not self.keep_going:
                    raise
                result["failure"] = failure_sentence(error, result[key].path)
        return result
