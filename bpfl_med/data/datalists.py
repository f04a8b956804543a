"""Lists of labelled pictures in MONAI's datalist form, from folders or from a table."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"})


class PictureItem(TypedDict):
    """One picture: its files, its label (1 for abnormal), and what it shows.

    `mask` is None where no mask is given: all of a normal picture is normal, and of an abnormal one nothing is known.
    """

    image: str
    mask: str | None
    label: int
    class_name: str


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
        normal: glob patterns below `root` of normal pictures, such as "no/*".
        abnormal: glob patterns of abnormal pictures.
        mask: path of an abnormal picture's mask, relative to `root`, with the fields {parent} (the picture's folder
            relative to `root`), {folder} (that folder's name), {above} (the name of the folder above it), {name},
            {stem} and {suffix} of the picture, such as "{parent}/../masks/{stem}.png".

    Returns:
        One item a picture, sorted by path within each label.

    Raises:
        FileNotFoundError: if the folder is not there or a pattern matches no picture.
        ValueError: if a picture is listed twice, or there is no field of such a name.
    """
    root = _existing_folder(root)
    items: list[PictureItem] = []
    for label, patterns in ((0, normal), (1, abnormal)):
        for pattern in patterns:
            pictures = sorted(path for path in root.glob(pattern) if path.suffix.lower() in PICTURE_SUFFIXES)
            if not pictures:
                raise FileNotFoundError(
                    f"No picture in {root} matches {pattern!r}; check dataset_dir and the patterns of the data set"
                )
            for picture in pictures:
                fields = _path_fields(picture.relative_to(root))
                mask_path = None if mask is None or label == 0 else str(root / _filled(mask, fields, "A path"))
                items.append(_item(picture, mask_path, label, _filled(class_name, fields, "A path")))
    return _without_repeats(items, root)


def table_datalist(
    root: str | Path,
    *,
    table: str,
    image: str,
    label: str,
    class_name: str,
    mask: str | None = None,
) -> list[PictureItem]:
    """List pictures that a CSV table names.

    Args:
        root: folder of the data set.
        table: path of the table below `root`; its first row names the columns.
        image: path of a row's picture below `root`, with columns as fields, such as "head_ct/{id:0>3}.png".
        label: the column that holds 0 (normal) or 1 (abnormal).
        class_name: what the pictures show; may use columns as fields, such as "{cls}".
        mask: path of a row's mask below `root`, with columns as fields; rows where it comes out empty have none.

    Returns:
        One item a row, in the table's order.

    Raises:
        FileNotFoundError: if folder or table are not there, or a picture of the table is not.
        ValueError: if the table is no CSV in UTF-8, a column or a cell is missing, a label is neither 0 nor 1, a
            picture is listed twice, or the pictures' folders hold pictures that the table does not list.
    """
    root = _existing_folder(root)
    path = root / table
    if not path.is_file():
        raise FileNotFoundError(f"There is no table {path}; check dataset_dir and the name of the table")
    rows = _table_rows(path)
    if label not in rows[0]:
        raise ValueError(f"The table {path} has no column {label!r} of labels; it has {', '.join(rows[0])}")
    items: list[PictureItem] = []
    for line, row in enumerate(rows, start=2):
        source = f"The table {path}"
        picture, name = root / _filled(image, row, source), _filled(class_name, row, source)
        mask_path = None if mask is None else _filled(mask, row, source)
        if row[label] not in ("0", "1"):
            raise ValueError(f"Line {line} of {path} has the label {row[label]!r}; write 0 for normal, 1 for abnormal")
        if not picture.is_file():
            raise FileNotFoundError(f"Line {line} of {path} names {picture}, which is not there")
        items.append(_item(picture, str(root / mask_path) if mask_path else None, int(row[label]), name))
    _refuse_unlisted(items, path)
    return _without_repeats(items, root)


def picture_datalist(root: str | Path, *, class_name: str) -> list[dict[str, Any]]:
    """List all pictures below a folder, without labels, sorted by path.

    Raises:
        FileNotFoundError: if the folder is not there or holds no picture.
    """
    root = _existing_folder(root)
    pictures = sorted(path for path in root.rglob("*") if path.suffix.lower() in PICTURE_SUFFIXES)
    if not pictures:
        raise FileNotFoundError(f"There is no picture ({', '.join(sorted(PICTURE_SUFFIXES))}) below {root}")
    return [{"image": str(picture), "class_name": class_name} for picture in pictures]


def _existing_folder(root: str | Path) -> Path:
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f"There is no folder {root}; set dataset_dir to where the data set lies")
    return root


def _item(picture: Path, mask: str | None, label: int, class_name: str) -> PictureItem:
    return {"image": str(picture), "mask": mask, "label": label, "class_name": class_name}


def _table_rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file, skipinitialspace=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"The table {path} cannot be read ({error}); save it as CSV in UTF-8") from error
    if not rows:
        raise ValueError(f"The table {path} has no rows")
    for line, row in enumerate(rows, start=2):
        if None in row or None in row.values():  # how DictReader shows cells too many and too few
            raise ValueError(f"Line {line} of {path} has not as many cells as the first row names; complete it")
    return rows


def _filled(template: str, fields: Mapping[str, str], source: str) -> str:
    """Put fields into a template such as "{stem}.png"."""
    try:
        return template.format(**fields)
    except KeyError as error:
        raise ValueError(f"{source} has no {error}, which {template!r} asks for; it has {', '.join(fields)}") from error


def _path_fields(path: Path) -> dict[str, str]:
    return {
        "parent": path.parent.as_posix(),
        "folder": path.parent.name,
        "above": path.parent.parent.name,
        "name": path.name,
        "stem": path.stem,
        "suffix": path.suffix,
    }


def _without_repeats(items: list[PictureItem], root: Path) -> list[PictureItem]:
    seen: set[str] = set()
    for item in items:
        if item["image"] in seen:
            raise ValueError(f"The data set in {root} lists {item['image']} twice")
        seen.add(item["image"])
    return items


def _refuse_unlisted(items: Sequence[PictureItem], table: Path) -> None:
    listed = {Path(path) for item in items for path in (item["image"], item["mask"]) if path}
    folders = {Path(item["image"]).parent for item in items}
    unlisted = sorted(
        path
        for folder in folders
        for path in folder.iterdir()
        if path.suffix.lower() in PICTURE_SUFFIXES and path not in listed
    )
    if unlisted:
        raise ValueError(
            f"{len(unlisted)} picture(s) are not in {table}, the first is {unlisted[0]}; add them to the table or move "
            "them away"
        )
