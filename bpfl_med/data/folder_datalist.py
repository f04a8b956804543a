"""Lists of pictures from folders: labels told by place, by masks, or not at all."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bpfl_med.data.file_patterns import existing_folder, filled, mask_file, matching_files, path_fields
from bpfl_med.data.picture import open_picture
from bpfl_med.data.picture_item import PictureItem, without_repeats
from bpfl_med.files.picture_suffixes import PICTURE_SUFFIXES
from bpfl_med.files.walk import files_below

logger = logging.getLogger(__name__)


def folder_datalist(
    root: str | Path,
    *,
    class_name: str,
    normal: Sequence[str] = (),
    abnormal: Sequence[str] = (),
    mask: str | None = None,
) -> list[PictureItem]:
    """List pictures whose label is told by their place.

    Args:
        root: folder of the data set.
        class_name: what the pictures show, such as "brain"; may use the fields of `mask`.
        normal: glob patterns below `root` of normal pictures, such as ``no/*``; those that begin with "!" take away
            again what they match.
        abnormal: glob patterns of abnormal pictures, likewise.
        mask: path of an abnormal picture's mask, relative to `root`, with the fields {parent} (the picture's folder
            relative to `root`), {folder} (that folder's name), {above} (the name of the folder above it), {top} (the
            name of the first folder below `root`), {name}, {stem} and {suffix} of the picture, such as
            "{parent}/../masks/{stem}.png"; ``*`` stands for an ending that varies.

    Returns:
        One item a picture, sorted by path within each pattern.

    Raises:
        FileNotFoundError: if the folder is not there, a pattern matches no picture, or a ``*`` no mask.
        ValueError: if a picture is listed twice or has several masks, or there is no field of such a name.
    """
    root = existing_folder(root)
    items: list[PictureItem] = []
    for label, patterns in ((0, normal), (1, abnormal)):
        for picture in matching_files(root, patterns):
            mask_path = None
            if mask is not None and label == 1 and (mask_path := mask_file(root, mask, picture)) is None:
                raise FileNotFoundError(f"{picture} has no mask that matches {mask!r}; add it, or mend the pattern")
            items.append(_item(picture, mask_path, label, class_name, root))
    return without_repeats(items, root)


def masked_datalist(
    root: str | Path,
    *,
    class_name: str,
    pictures: Sequence[str],
    mask: str,
    mask_threshold: int,
    unmasked_is_normal: bool = False,
) -> list[PictureItem]:
    """List pictures whose label is told by their mask: abnormal if it marks a pixel.

    Args:
        root: folder of the data set.
        class_name: what the pictures show; may use the fields of `mask`.
        pictures: glob patterns below `root`, as those of :func:`folder_datalist`.
        mask: path of a picture's mask, with the fields that :func:`folder_datalist` names.
        mask_threshold: mask values above it (of 0 to 255) are abnormal.
        unmasked_is_normal: whether a picture without a mask is normal, in data sets that keep masks of abnormal
            pictures alone.

    Returns:
        One item a picture, sorted by path within each pattern.

    Raises:
        FileNotFoundError: if the folder is not there, a pattern matches no picture, or a mask is missing that must be
            there.
        PictureError: if a mask cannot be read.
        ValueError: if a picture is listed twice or has several masks, or there is no field of such a name.
    """
    root = existing_folder(root)
    items: list[PictureItem] = []
    for picture in matching_files(root, pictures):
        mask_path = mask_file(root, mask, picture)
        if mask_path is None or not mask_path.is_file():
            if not unmasked_is_normal:
                raise FileNotFoundError(f"{picture} has no mask that matches {mask!r}; add it, or mend the pattern")
            mask_path = None
        marked = mask_path is not None and (np.asarray(open_picture(mask_path, "L")) > mask_threshold).any()
        items.append(_item(picture, mask_path, int(marked), class_name, root))
    return without_repeats(items, root)


def picture_datalist(root: str | Path, *, class_name: str) -> list[dict[str, Any]]:
    """List all pictures below a folder, without labels, sorted by path; log what they are taken to show.

    Raises:
        FileNotFoundError: if the folder is not there or holds no picture.
        OSError: if a folder in it cannot be opened.
    """
    root = existing_folder(root)

    def refuse(folder: Path, reason: str) -> None:
        raise OSError(f"{folder}: {reason}")

    pictures = sorted(path for path in files_below(root, refuse) if path.suffix.lower() in PICTURE_SUFFIXES)
    if not pictures:
        raise FileNotFoundError(f"There is no picture ({', '.join(PICTURE_SUFFIXES)}) below {root}")
    logger.info("%d pictures are scored as pictures of %r; --class_name says what they show", len(pictures), class_name)
    return [{"image": str(picture), "class_name": class_name} for picture in pictures]


def _item(picture: Path, mask: Path | None, label: int, class_name: str, root: Path) -> PictureItem:
    return {
        "image": str(picture),
        "mask": None if mask is None else str(mask),
        "label": label,
        "class_name": filled(class_name, path_fields(picture.relative_to(root)), "A path"),
    }
