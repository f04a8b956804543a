"""Check every file of a datalist before hours of work depend on it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bpfl_med.data.picture import PictureError, open_picture
from bpfl_med.data.picture_item import unread_pictures

logger = logging.getLogger(__name__)

_SHOWN = 5


@dataclass(frozen=True)
class CheckedDatalist:
    """Items that can be used, and why others cannot.

    Attributes:
        items: the good ones, in the given order.
        skipped: one {"image": path, "reason": sentence} for each bad one.
    """

    items: list[dict[str, Any]]
    skipped: list[dict[str, str]]


def check_datalist(
    items: Sequence[Mapping[str, Any]],
    *,
    mask_threshold: int,
    need_labels: bool,
    need_masks: bool,
    skip_bad: bool = False,
    root: str | Path | None = None,
) -> CheckedDatalist:
    """Open every picture and mask, and hold labels against masks.

    Args:
        items: of a datalist; "image" is needed, "mask" and "label" are checked where they are given.
        mask_threshold: mask values above it (of 0 to 255) are abnormal.
        need_labels: whether an item without a label is bad, because metrics are wanted.
        need_masks: whether an abnormal picture without a mask is bad, because pixel metrics are wanted.
        skip_bad: leave bad items out and list them, instead of stopping.
        root: folder of the data set, to say which pictures in it are no items.

    Raises:
        ValueError: if an item is bad and `skip_bad` is off, or no good item is left. The text names the first few.
    """
    with ThreadPoolExecutor() as pool:
        reasons = list(pool.map(lambda item: _problem(item, mask_threshold, need_labels, need_masks), items))
    skipped = [
        {"image": item["image"], "reason": reason} for item, reason in zip(items, reasons, strict=True) if reason
    ]
    good = [dict(item) for item, reason in zip(items, reasons, strict=True) if not reason]
    first = "; ".join(bad["reason"] for bad in skipped[:_SHOWN]) + ("; and more" if len(skipped) > _SHOWN else "")
    if skipped and not skip_bad:
        raise ValueError(
            f"{len(skipped)} of {len(items)} items of the data set cannot be used: {first}. Mend them, or set skip_bad "
            "to leave them out"
        )
    if not items:
        raise ValueError("The data set has no items; check its patterns")
    if not good:
        raise ValueError(f"None of the {len(items)} items of the data set can be used: {skipped[0]['reason']}")
    if skipped:
        logger.warning("%d of %d items are left out: %s", len(skipped), len(items), first)
    if root is not None and (unread := unread_pictures(items, root)):
        logger.warning("%s", unread)
    return CheckedDatalist(good, skipped)


def _problem(item: Mapping[str, Any], mask_threshold: int, need_labels: bool, need_masks: bool) -> str | None:
    """Say what is wrong with an item, or None."""
    if need_labels and item.get("label") is None:
        return f"{item['image']} has no label; name a data set's config that gives labels, or do not evaluate"
    try:
        size = open_picture(item["image"], "RGB").size
        if item.get("mask") is None:
            if need_masks and item.get("label") == 1:
                return f"{item['image']} is abnormal and has no mask; give one, or leave out the pixel metrics"
            return None
        mask = open_picture(item["mask"], "L")
    except PictureError as error:
        return str(error)
    if mask.size != size:
        return (
            f"the mask {item['mask']} has {mask.width} x {mask.height} pixels and its picture {item['image']} has "
            f"{size[0]} x {size[1]}; give the mask of that picture"
        )
    values = np.asarray(mask)
    is_abnormal = bool((values > mask_threshold).any())
    if is_abnormal and item.get("label") == 0:
        return f"{item['image']} is labelled normal, but its mask {item['mask']} marks pixels; correct one of them"
    if not is_abnormal and item.get("label") == 1:
        return (
            f"{item['image']} is labelled abnormal, but its mask {item['mask']} has no value above {mask_threshold} "
            f"(the largest is {values.max()}); set mask_threshold, or correct label or mask"
        )
    return None
