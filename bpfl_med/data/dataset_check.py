"""Say how a copy of a data set differs from the published one, before hours of work depend on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bpfl_med.data.checked_datalist import check_datalist
from bpfl_med.data.duplicates import find_duplicates
from bpfl_med.data.picture_item import unread_pictures

_SHOWN = 5


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Attributes:
        sentence: what.
        differs: whether it speaks against using the copy as it is, and is not merely worth knowing.
    """

    sentence: str
    differs: bool


def check_dataset(
    items: Sequence[Mapping[str, Any]],
    root: str | Path,
    *,
    published_counts: Mapping[str, int] | None,
    mask_threshold: int,
    need_masks: bool,
) -> list[Finding]:
    """Compare a copy with the published counts, open every file, and look for pictures that are there twice.

    Pictures that are there twice are no difference, because published sets hold such; equal files with different labels
    are one.

    Args:
        items: of a datalist with labels.
        root: the folder of the data set.
        published_counts: how many pictures are "normal" and "abnormal", where that is published.
        mask_threshold: mask values above it (of 0 to 255) are abnormal.
        need_masks: whether every abnormal picture must have a mask.

    Raises:
        ValueError: if none of the items can be used.
    """
    checked = check_datalist(
        items, mask_threshold=mask_threshold, need_labels=True, need_masks=need_masks, skip_bad=True
    )
    return [
        compare_counts([item["label"] for item in items], published_counts, "pictures"),
        *few((bad["reason"] for bad in checked.skipped), differs=True),
        *_repeats(checked.items, Path(root)),
        *([Finding(unread, differs=False)] if (unread := unread_pictures(items, root)) else []),
    ]


def compare_counts(labels: Sequence[int], published: Mapping[str, int] | None, what: str) -> Finding:
    """Hold the labels of all "pictures" or "volumes" against the published counts."""
    counts = {"normal": labels.count(0), "abnormal": labels.count(1)}
    there = f"{counts['normal']} normal and {counts['abnormal']} abnormal {what}"
    if published is None:
        return Finding(f"There are {there}; how many there should be is not in the config", differs=False)
    if counts == published:
        return Finding(f"There are {there}, as published", differs=False)
    return Finding(
        f"There are {there}, and published are {published['normal']} normal and {published['abnormal']} abnormal ones; "
        "look for files that are missing, or that do not belong to the set",
        differs=True,
    )


def few(sentences: Iterable[str], *, differs: bool) -> list[Finding]:
    """Keep the first few of many sentences, and say how many more there are."""
    sentences = list(sentences)
    shown = [Finding(sentence, differs) for sentence in sentences[:_SHOWN]]
    rest = len(sentences) - _SHOWN
    return shown + ([Finding(f"There are {rest} more such cases", differs)] if rest > 0 else [])


def _repeats(items: Sequence[Mapping[str, Any]], root: Path) -> list[Finding]:
    paths = [Path(item["image"]) for item in items]
    duplicates = find_duplicates(paths)

    def described(group: Sequence[int]) -> str:
        return " = ".join(str(paths[index].relative_to(root)) for index in group)

    def conflicts(groups: Sequence[Sequence[int]]) -> list[str]:
        return [described(group) for group in groups if len({items[index]["label"] for index in group}) > 1]

    findings = []
    if duplicates.equal:
        findings.append(
            f"{duplicates.n_files} of the {len(paths)} files are distinct, the others repeat one byte for byte, as in "
            + described(duplicates.equal[0])
        )
    if duplicates.alike:
        findings.append(
            f"{duplicates.n_pictures} pictures are distinct if near-copies count as one, as in "
            + described(duplicates.alike[0])
        )
    return [
        *(Finding(sentence, differs=False) for sentence in findings or ["No picture is there twice"]),
        *few((f"Labelled both ways: near-copies {c}" for c in conflicts(duplicates.alike)), differs=False),
        *few((f"Labelled both ways: equal files {c}" for c in conflicts(duplicates.equal)), differs=True),
    ]
