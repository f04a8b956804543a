"""Lists of volumes with lesion masks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

from bpfl_med.data.file_patterns import existing_folder, mask_file, matching_files
from bpfl_med.data.volume_file import VOLUME_SUFFIXES, volume_name


class VolumeItem(TypedDict):
    """One volume: its name among the others, its files, and its label (1 for abnormal); a normal one has no mask."""

    volume: str
    image: str
    mask: str | None
    label: int


def volume_datalist(
    root: str | Path, *, mask: str, normal: Sequence[str] = (), abnormal: Sequence[str] = ()
) -> list[VolumeItem]:
    """List volumes whose label is told by their place.

    Args:
        root: folder of the data set.
        mask: path of an abnormal volume's lesion mask, relative to `root`, with the fields and the ``*`` that
            :func:`~bpfl_med.data.folder_datalist.folder_datalist` knows, such as "{parent}/lesion.nii.gz".
        normal: glob patterns below `root` of volumes without lesions, such as ``healthy/*/FLAIR.nii.gz``; those
            that begin with "!" take away again what they match.
        abnormal: glob patterns of volumes with lesions, likewise.

    Returns:
        One item a volume, sorted by path within each pattern.

    Raises:
        FileNotFoundError: if the folder is not there, a pattern matches no volume, or a mask is not there.
        ValueError: if a volume is listed twice or has several masks, or there is no field of such a name.
    """
    root = existing_folder(root)
    items: dict[str, VolumeItem] = {}
    for label, patterns in ((0, normal), (1, abnormal)):
        for volume in matching_files(root, patterns, VOLUME_SUFFIXES, "volume"):
            mask_path = mask_file(root, mask, volume) if label == 1 else None
            if label == 1 and (mask_path is None or not mask_path.is_file()):
                raise FileNotFoundError(f"{volume} has no mask that matches {mask!r}; add it, or mend the pattern")
            name = volume_name(volume, root)
            if name in items:
                raise ValueError(f"The data set in {root} lists {name} twice")
            items[name] = {
                "volume": name,
                "image": str(volume),
                "mask": None if mask_path is None else str(mask_path),
                "label": label,
            }
    return list(items.values())
