"""Say how a copy of a set of volumes differs from what it should be, before hours of work depend on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bpfl_med.data.dataset_check import Finding, compare_counts, few
from bpfl_med.data.lesion_volume import load_lesion_volume
from bpfl_med.data.nifti import NiftiError
from bpfl_med.data.scans import ScanError
from bpfl_med.data.volume_datalist import VolumeItem


def check_volumes(
    items: Sequence[VolumeItem], *, published_counts: Mapping[str, int] | None, lesion_above: float
) -> list[Finding]:
    """Compare counts, open every volume with its mask, and look for files that are there twice.

    Args:
        items: of :func:`~bpfl_med.data.volume_datalist`.
        published_counts: how many volumes are "normal" and "abnormal", where that is published.
        lesion_above: mask values above it are lesions.
    """
    problems: list[str] = []
    notes: list[str] = []
    n_lesion_voxels: list[int] = []
    labels_of: dict[str, dict[str, int]] = {}
    for item in items:
        try:
            volume, lesions = load_lesion_volume(item, lesion_above=lesion_above)
        except (NiftiError, ScanError) as error:
            problems.append(str(error))
            continue
        notes += [f"{item['image']}: {note.rstrip('.')}" for note in volume.notes]
        labels_of.setdefault(volume.checksum, {})[item["volume"]] = item["label"]
        if item["label"] == 1:
            n_lesion_voxels.append(int(np.count_nonzero(lesions)))
    repeats = [group for group in labels_of.values() if len(group) > 1]
    conflicts = [group for group in repeats if len(set(group.values())) > 1]
    found = [compare_counts([item["label"] for item in items], published_counts, "volumes")]
    found += few(problems, differs=True)
    if n_lesion_voxels:
        least, most = min(n_lesion_voxels), max(n_lesion_voxels)
        found.append(Finding(f"Abnormal volumes have {least} to {most} voxels of lesions", differs=False))
    found += few(notes, differs=False)
    found += few((f"Equal files: {' = '.join(group)}" for group in repeats), differs=False)
    found += few((f"Labelled both ways: equal files {' = '.join(group)}" for group in conflicts), differs=True)
    return found
