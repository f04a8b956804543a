"""What every DICOM object that we write has in common: its identifiers, its time, its patient, its way to the disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
from highdicom.base import SOPClass
from pydicom import config
from pydicom.uid import generate_uid
from pydicom.valuerep import DA, DT, TM

from bpfl_med.dicom.algorithm import Algorithm
from bpfl_med.dicom.patient_study import PatientStudy
from bpfl_med.dicom.series import DicomSeries
from bpfl_med.dicom.terms import AnatomicRegion
from bpfl_med.files.atomic import replaced_file
from bpfl_med.version import __version__


@dataclass(frozen=True)
class Identity:
    """Where the identifiers of an object come from.

    A UID is the hash of all that goes into the object: the source images, the pixels, the algorithm, the options and
    the time of creation. So the same input at the same (given) time gives the same bytes, and anything else another
    UID.

    Attributes:
        seed: hexadecimal digest of what goes in.
        created: time of creation, local, without microseconds.
    """

    seed: str
    created: datetime

    def uid(self, purpose: str) -> str:
        """A globally unique identifier for one purpose ("series", "instance", ...) within the object."""
        return str(generate_uid(entropy_srcs=[self.seed, purpose]))

    def arguments(self, instance: str = "instance") -> dict[str, Any]:
        """UIDs of the series and of an instance in it, and the time, as highdicom's arguments."""
        return {
            "series_instance_uid": self.uid("series"),
            "sop_instance_uid": self.uid(instance),
            "content_date": self.created.date(),
            "content_time": self.created.time(),
        }


def identify(
    series: DicomSeries,
    arrays: Sequence[np.ndarray],
    algorithm: Algorithm,
    options: Mapping[str, object],
    created: datetime | None,
) -> Identity:
    """Derive the identity of an object from what goes into it; without a time, it is made now."""
    created = (created or datetime.now()).replace(microsecond=0, tzinfo=None)
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    facts = {
        "versions": [__version__, highdicom.__version__],
        "created": created.isoformat(),
        "arrays": [[array.dtype.str, *array.shape] for array in arrays],
        "source": [series.study_uid, series.series_uid, series.sop_instance_uids, series.frame_numbers],
        "algorithm": [algorithm.name, algorithm.version, algorithm.all_parameters],
        "options": options,
    }
    digest.update(json.dumps(facts, sort_keys=True, default=str).encode())
    return Identity(digest.hexdigest(), created)


def tracking_identifiers(series: DicomSeries, algorithm: Algorithm) -> tuple[str, str]:
    """Tracking ID and UID of the finding: the same in every object that one algorithm makes of one series."""
    method = [algorithm.name, algorithm.version, *algorithm.all_parameters.values()]
    uid = generate_uid(entropy_srcs=["tracking", series.series_uid, *method])
    return f"Anomaly {uid[-8:]}", str(uid)


def name_body_part(derived: SOPClass, region: AnatomicRegion) -> None:
    """Say which part of the body is seen (PS3.3 C.7.3.1), in place; the side of a paired one is told to be unknown."""
    derived.BodyPartExamined = region.body_part_examined
    if region.paired:
        derived.Laterality = ""


def save(derived: SOPClass, path: Path, patient_study: PatientStudy, identity: Identity) -> None:
    """Give an object built by highdicom its patient and study, and our times and UIDs for those drawn, and write it.

    The file is there whole or not at all; its folder is made.

    Raises:
        OSError: the file cannot be written; nothing is left behind then.
    """
    derived.update(patient_study.attributes)
    derived.InstanceCreationDate = DA(identity.created.date())
    derived.InstanceCreationTime = TM(identity.created.time())
    for equipment in derived.get("ContributingEquipmentSequence", []):
        equipment.ContributionDateTime = DT(identity.created)
    if "DimensionOrganizationSequence" in derived:
        uid = identity.uid("dimension organization")
        for item in (*derived.DimensionOrganizationSequence, *derived.get("DimensionIndexSequence", [])):
            item.DimensionOrganizationUID = uid
    with replaced_file(path) as unfinished, config.disable_value_validation():
        derived.save_as(unfinished, enforce_file_format=True)
