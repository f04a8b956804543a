"""Numbers that others have published, each with where it was read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import NamedTuple


class PublishedNumber(NamedTuple):
    """One number.

    Attributes:
        dataset: name of the data set, as in `dataset_name` of its config.
        method: name of the method.
        metric: such as "image_auroc", as in the metrics of a report.
        value: in percent.
        sources: codes of where it was read, see `Published.sources`.
        note: what a reader must know of it, or None.
    """

    dataset: str
    method: str
    metric: str
    value: float
    sources: tuple[str, ...]
    note: str | None


class ImageCounts(NamedTuple):
    """How many normal and abnormal images published numbers are of, and by which list, if a data set has two."""

    n_normal: int
    n_abnormal: int
    protocol: str | None


@dataclass(frozen=True)
class Published:
    """The content of `published.json`.

    Attributes:
        numbers: all of them.
        sources: what a code stands for.
        methods: in the order of a table's rows.
        counts: of each data set whose images were counted; two where two lists are in use.
        same_images: names of data sets whose numbers stand beside those of another name.
    """

    numbers: tuple[PublishedNumber, ...]
    sources: dict[str, str]
    methods: tuple[str, ...]
    counts: dict[str, tuple[ImageCounts, ...]]
    same_images: dict[str, str]

    def of(self, dataset: str) -> list[PublishedNumber]:
        """Give the numbers to stand beside those of a data set."""
        name = self.same_images.get(dataset, dataset)
        return [number for number in self.numbers if number.dataset == name]

    def counts_of(self, dataset: str) -> tuple[ImageCounts, ...]:
        """Give the counts that published numbers beside those of a data set may be of."""
        return self.counts.get(self.same_images.get(dataset, dataset), ())


def load_published() -> Published:
    """Read the numbers that come with this package."""
    content = json.loads(files("bpfl_med.benchmark").joinpath("published.json").read_text(encoding="utf-8"))
    own = {"dataset", "method", "sources", "note"}
    numbers = tuple(
        PublishedNumber(entry["dataset"], entry["method"], metric, value, tuple(entry["sources"]), entry.get("note"))
        for entry in content["numbers"]
        for metric, value in entry.items()
        if metric not in own
    )
    counts = {
        name: tuple(ImageCounts(item["n_normal"], item["n_abnormal"], item.get("protocol")) for item in items)
        for name, items in content["counts"].items()
    }
    return Published(numbers, content["sources"], tuple(content["methods"]), counts, content["same_images"])
