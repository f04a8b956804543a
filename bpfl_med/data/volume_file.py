"""Volume files: which files are such, what they are called, and which files one is made of."""

from __future__ import annotations

import re
from pathlib import Path

NIFTI_SUFFIXES = (".nii", ".nii.gz")
_ITK_SUFFIXES = (".nrrd", ".nhdr", ".mha", ".mhd")
VOLUME_SUFFIXES = (*NIFTI_SUFFIXES, *_ITK_SUFFIXES)
_LONGEST_HEADER = 1 << 20  # bytes
# In NRRD a space by anatomy (others, such as scanner-xyz, tell no sides), in MetaImage a matrix.
_PATIENT_SPACE = (
    rb"^space:\s*(RAS|LAS|LPS|(right|left)-anterior-superior|left-posterior-superior)\s*$"
    rb"|^(TransformMatrix|Rotation|Orientation)\s*="
)


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
    """Give a volume file, and the file of its voxels where its header names another one.

    Raises:
        ValueError: if the header names several, by a list or a pattern.
    """
    if not path.name.lower().endswith((".mhd", ".nhdr")):
        return [path]
    key = rb"^(?:ElementDataFile\s*=|data ?file:)\s*(.+?)\s*$"
    named = re.search(key, _header(path), re.IGNORECASE | re.MULTILINE)
    name = named[1].decode(errors="surrogateescape").strip() if named else "LOCAL"
    voxels = path.parent / name
    if not voxels.is_file() and (name.split()[:1] == ["LIST"] or "%" in name):
        raise ValueError(f"{path}: its voxels are in several files; save it as one, such as {path.stem}.nrrd")
    return [path, voxels] if voxels.is_file() and voxels != path else [path]


def names_patient_space(path: Path) -> bool:
    """Say whether the header of an NRRD or MetaImage file tells how its axes lie in the patient."""
    return re.search(_PATIENT_SPACE, _header(path), re.IGNORECASE | re.MULTILINE) is not None


def _header(path: Path) -> bytes:
    """Read what may be the header of an NRRD or MetaImage file."""
    with path.open("rb") as file:
        return file.read(_LONGEST_HEADER)
