"""Lists of labelled pictures from the `meta.json` of curated benchmark copies (AnomalyCLIP, AdaCLIP, Bayes-PFL)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bpfl_med.data.file_patterns import existing_folder
from bpfl_med.data.picture_item import PictureItem, without_repeats


def meta_json_datalist(
    root: str | Path,
    *,
    meta: str = "meta.json",
    split: str = "test",
    class_name: str | None = None,
    with_masks: bool = True,
) -> list[PictureItem]:
    """List pictures that a file {"train": {...}, "test": {class: [entry, ...]}} names.

    An entry has `img_path` and `mask_path` (below `root`), `cls_name`, and `anomaly` (0 or 1).

    Args:
        root: folder of the data set.
        meta: path of the file below `root`.
        split: "test" or "train".
        class_name: what all pictures show; None for the `cls_name` of each.
        with_masks: whether masks are read; some files name masks that were never made, for sets without any.

    Returns:
        One item an entry, in the file's order; normal ones have no mask.

    Raises:
        FileNotFoundError: if folder or file are not there, or a picture of the list is not.
        ValueError: if the file is no such JSON, the split is not in it or empty, or a picture is listed twice.
    """
    root = existing_folder(root)
    path = root / meta
    if not path.is_file():
        raise FileNotFoundError(f"There is no list {path}; check dataset_dir and the name of the list")
    items: list[PictureItem] = []
    for place, entry in _entries(path, split):
        try:
            image, label, own_name = entry["img_path"], entry["anomaly"], entry["cls_name"]
            mask = entry["mask_path"] if with_masks and label else None
        except (KeyError, TypeError) as error:
            raise ValueError(f"{place} lacks {error}; an entry has img_path, mask_path, cls_name, anomaly") from error
        if label not in (0, 1):
            raise ValueError(f"{place} has anomaly {label!r}; write 0 for normal, 1 for abnormal")
        if not isinstance(image, str):
            raise ValueError(f"{place} has img_path {image!r}; write the path of a picture below {root}")
        if not (root / image).is_file():
            raise FileNotFoundError(f"{place} names {root / image}, which is not there")
        items.append(
            {
                "image": str(root / image),
                "mask": str(root / mask) if mask else None,
                "label": int(label),
                "class_name": class_name or own_name,
            }
        )
    if not items:
        raise ValueError(f"The list {path} has no entry under {split!r}")
    return without_repeats(items, root)


def _entries(path: Path, split: str) -> list[tuple[str, Any]]:
    """Give the entries of a split, each with words that say where it stands."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        by_class = content[split]
        return [
            (f"Entry {number} of {name!r} under {split!r} in {path}", entry)
            for name, entries in by_class.items()
            for number, entry in enumerate(entries, start=1)
        ]
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"The list {path} cannot be read ({error}); copy it from its source again") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f'The list {path} has not the form {{"{split}": {{class: [entry, ...]}}}}; name the list of a curated copy'
        ) from error
