"""Lists of labelled pictures from a CSV table."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from bpfl_med.data.file_patterns import existing_folder, filled
from bpfl_med.data.picture_item import PictureItem, without_repeats
from bpfl_med.files.picture_suffixes import PICTURE_SUFFIXES


def table_datalist(
    root: str | Path,
    *,
    table: str,
    image: str,
    label: str,
    class_name: str,
    mask: str | None = None,
    normal: str = "0",
    abnormal: str = "1",
    where: Mapping[str, str | Sequence[str]] | None = None,
) -> list[PictureItem]:
    """List pictures that a CSV table names.

    Args:
        root: folder of the data set.
        table: path of the table below `root`; its first row names the columns.
        image: path of a row's picture below `root`, with columns as fields, such as "head_ct/{id:0>3}.png".
        label: the column that holds the label.
        class_name: what the pictures show; may use columns as fields, such as "{cls}".
        mask: path of a row's mask below `root`, with columns as fields; rows where it comes out empty have none.
        normal: the label's word for normal.
        abnormal: the label's word for abnormal.
        where: take only rows in which each of these columns has this value, or one of these values, such as
            {"split": "test"}.

    Returns:
        One item a row, in the table's order.

    Raises:
        FileNotFoundError: if folder or table are not there, or a picture of the chosen rows is not.
        ValueError: if the table is no CSV in UTF-8, a column or a cell is missing, a label is neither word, no row is
            chosen, a picture is listed twice, or the pictures' folders hold pictures that no row of the table names.
    """
    root = existing_folder(root)
    path = root / table
    if not path.is_file():
        raise FileNotFoundError(f"There is no table {path}; check dataset_dir and the name of the table")
    rows = _table_rows(path)
    for column, what in [(label, "labels"), *((column, "a choice of rows") for column in where or ())]:
        if column not in rows[0]:
            raise ValueError(f"The table {path} has no column {column!r} of {what}; it has {', '.join(rows[0])}")
    source = f"The table {path}"
    items: list[PictureItem] = []
    listed: set[Path] = set()
    for line, row in enumerate(rows, start=2):
        picture = root / filled(image, row, source)
        mask_path = None if mask is None else filled(mask, row, source)
        listed |= {picture, root / mask_path} if mask_path else {picture}
        if not _is_chosen(row, where or {}):
            continue
        if row[label] not in (normal, abnormal):
            raise ValueError(
                f"Line {line} of {path} has the label {row[label]!r}; write {normal} for normal, {abnormal} for "
                "abnormal, or name the table's own words in the data set's config"
            )
        if not picture.is_file():
            raise FileNotFoundError(f"Line {line} of {path} names {picture}, which is not there")
        items.append(
            {
                "image": str(picture),
                "mask": str(root / mask_path) if mask_path else None,
                "label": int(row[label] == abnormal),
                "class_name": filled(class_name, row, source),
            }
        )
    if not items:
        raise ValueError(f"No row of the table {path} has {_describe(where or {})}; check the choice of rows")
    _refuse_unlisted(items, listed, path)
    return without_repeats(items, root)


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


def _is_chosen(row: Mapping[str, str], where: Mapping[str, str | Sequence[str]]) -> bool:
    return all(row[column] in ([value] if isinstance(value, str) else value) for column, value in where.items())


def _describe(where: Mapping[str, str | Sequence[str]]) -> str:
    return " and ".join(
        f"{column} = {value if isinstance(value, str) else ' or '.join(value)}" for column, value in where.items()
    )


def _refuse_unlisted(items: Sequence[PictureItem], listed: Iterable[Path], table: Path) -> None:
    folders = {Path(item["image"]).parent for item in items}
    present = {p for folder in folders for p in folder.iterdir() if p.suffix.lower() in PICTURE_SUFFIXES}
    unlisted = sorted(present.difference(listed))
    if unlisted:
        raise ValueError(
            f"{len(unlisted)} picture(s) are not in {table}, the first is {unlisted[0]}; add them to the table or move "
            "them away"
        )
