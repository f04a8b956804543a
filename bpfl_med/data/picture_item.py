"""One picture of a data set, and what holds for all lists of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

from bpfl_med.files.picture_suffixes import PICTURE_SUFFIXES
from bpfl_med.files.walk import files_below

_OTHER_PICTURES = (".dcm", ".gif", ".heic", ".jfif", ".jp2", ".pgm", ".ppm", ".webp")  # which are not read


class PictureItem(TypedDict):
    """One picture: its files, its label (1 for abnormal), and what it shows.

    `mask` is None where no mask is given: all of a normal picture is normal, and of an abnormal one nothing is known.
    """

    image: str
    mask: str | None
    label: int
    class_name: str


def items_of_classes(items: Sequence[PictureItem], classes: Iterable[str]) -> list[PictureItem]:
    """Choose the items of some classes, in the order of the list.

    Args:
        items: of a datalist.
        classes: values of `class_name`, such as the categories that a training is validated on.

    Raises:
        ValueError: if the list holds no item of one of the classes; the text names those that it holds.
    """
    wanted = set(classes)
    held = {item["class_name"] for item in items}
    if missing := sorted(wanted - held):
        raise ValueError(f"The data set has no class {', '.join(missing)}; it has {', '.join(sorted(held))}")
    return [item for item in items if item["class_name"] in wanted]


def without_repeats(items: list[PictureItem], root: Path) -> list[PictureItem]:
    """Give the items back.

    Raises:
        ValueError: if a picture is listed twice.
    """
    seen: set[str] = set()
    for item in items:
        if item["image"] in seen:
            raise ValueError(f"The data set in {root} lists {item['image']} twice")
        seen.add(item["image"])
    return items


def unread_pictures(items: Sequence[Mapping[str, Any]], root: str | Path) -> str | None:
    """Say how many picture files in folders that can be opened are in none of the items; None if all are."""
    root = Path(root)
    used = {Path(path).resolve() for item in items for path in (item["image"], item.get("mask")) if path}
    suffixes = (*PICTURE_SUFFIXES, *_OTHER_PICTURES)
    files = (path for path in files_below(root, lambda *_: None) if path.suffix.lower() in suffixes)
    unread = sorted(path for path in files if path.resolve() not in used)
    if not unread:
        return None
    example = unread[0].relative_to(root)
    return f"{len(unread)} more picture file(s) lie below {root} and are not read, such as {example}"
