"""Volume files: which files are such, what they are called, and which files one is made of."""

from __future__ import annotations

import re
from pathlib import Path

NIFTI_SUFFIXES = (".nii", ".nii.gz")
_ITK_SUFFIXES = (".nrrd", ".nhdr", ".mha", ".mhd")
VOLUME_SUFFIXES = (*NIFTI_SUFFIXES, *_ITK_SUFFIXES)
_LONGEST_HEADER = 1 << 20  # bytes


def is_volume_file(path: Path) -> bool:
    """Say whether a path is named as a volume file is, and is not hidden."""
    return path.name.lower().endswith(VOLUME_SUFFIXES) and not path.name.startswith(".") and not path.is_dir()


def stem(path: Path) -> str:
    """Give the name of a volume file without its ending, both of them in "a.nii.gz"."""
    is_packed = path.name.lower().endswith(".gz")
    return path.name.rsplit(".", 2 if is_packed else 1)[0]


def volume_name(file: Path, root: Path) -> str:
    """Name a volume file by its place below a folder, as a name of a folder of results: "a/b/c.nii.gz" is a__b__c."""
    return "__".join([*file.relative_to(root).parts[:-1], stem(file)])


def files_of_volume(path: Path) -> list[Path]:
    """Give a volume file, and the file of its voxels where its header names a single other one."""
    if not path.name.lower().endswith((".mhd", ".nhdr")):
        return [path]
    key = rb"^(?:ElementDataFile\s*=|data ?file:)\s*(.+?)\s*$"
    named = re.search(key, path.read_bytes()[:_LONGEST_HEADER], re.IGNORECASE | re.MULTILINE)
    voxels = path.parent / named[1].decode(errors="surrogateescape") if named else path
    return [path, voxels] if voxels.is_file() and voxels != path else [path]
