"""Our results beside published ones: which numbers, and what must be said of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bpfl_med.benchmark.published import ImageCounts, Published, PublishedNumber
from bpfl_med.benchmark.run_result import RunResult

LEVELS = {
    "image": ("image_auroc", "image_f1_max", "image_ap"),
    "pixel": ("pixel_auroc", "pixel_aupro", "pixel_ap", "pixel_f1_max"),
    "volume": ("volume_auroc", "volume_f1_max", "volume_ap"),
}
"""Metrics of a table in the order in which a cell gives them."""


@dataclass(frozen=True)
class ComparisonRow:
    """One number of the comparison, in percent.

    Attributes:
        dataset: name of the data set.
        method: name of the method.
        is_ours: whether a run of this software made it.
        metric: such as "image_auroc".
        value: in percent.
        lower: bound of its confidence interval, or None.
        upper: the other bound.
        source: codes of where it was read, or the folder of the run.
        note: what a reader must know of it, or None.
    """

    dataset: str
    method: str
    is_ours: bool
    metric: str
    value: float
    lower: float | None
    upper: float | None
    source: str
    note: str | None


@dataclass(frozen=True)
class Comparison:
    """All that a table says.

    Attributes:
        rows: the numbers, ours first.
        notices: sentences that must not be overlooked, such as that weights are untrained.
        notes: on single numbers; a cell refers to them by their place, from 1.
        remarks: on whether protocols are comparable.
        protocols: how our numbers were made, one sentence a run.
        sources: what the codes stand for, of those that are used.
    """

    rows: tuple[ComparisonRow, ...]
    notices: tuple[str, ...]
    notes: tuple[str, ...]
    remarks: tuple[str, ...]
    protocols: tuple[str, ...]
    sources: dict[str, str]

    @property
    def datasets(self) -> list[str]:
        """Names of the data sets, in the order of our runs."""
        return list(dict.fromkeys(row.dataset for row in self.rows))

    @property
    def methods(self) -> list[tuple[str, bool]]:
        """Names of the methods and whether they are ours, in the order of the table's rows."""
        return list(dict.fromkeys((row.method, row.is_ours) for row in self.rows))


def compare(results: Sequence[RunResult], published: Published) -> Comparison:
    """Put our results beside what is published of the same data sets.

    Raises:
        ValueError: if there are no results, or two runs of one network over one data set.
    """
    if not results:
        raise ValueError("There are no results to compare; run an evaluation first")
    _refuse_repeats(results)
    metrics = [metric for level in LEVELS.values() for metric in level]
    rows = [_our_row(result, metric) for result in results for metric in metrics if metric in result.metrics]
    datasets = list(dict.fromkeys(result.dataset for result in results))
    theirs = [_their_row(name, number) for name in datasets for number in published.of(name)]
    rows += sorted(theirs, key=lambda row: published.methods.index(row.method))
    used = {code for row in theirs for code in row.source.split(",")}
    return Comparison(
        tuple(rows),
        tuple(dict.fromkeys(result.notice for result in results if result.notice)),
        tuple(dict.fromkeys(row.note for row in theirs if row.note)),
        (*(remark for name in datasets for remark in _remarks(name, results, published)), *_on_aupro(theirs)),
        tuple(result.protocol for result in results),
        {code: text for code, text in published.sources.items() if code in used},
    )


def _our_row(result: RunResult, metric: str) -> ComparisonRow:
    lower, upper = result.intervals.get(metric, (None, None))
    value = result.metrics[metric]
    return ComparisonRow(result.dataset, result.method, True, metric, value, lower, upper, result.folder.name, None)


def _their_row(dataset: str, number: PublishedNumber) -> ComparisonRow:
    sources = ",".join(number.sources)
    return ComparisonRow(dataset, number.method, False, number.metric, number.value, None, None, sources, number.note)


def _refuse_repeats(results: Sequence[RunResult]) -> None:
    seen: dict[tuple[str, str], RunResult] = {}
    for result in results:
        other = seen.setdefault((result.dataset, result.method), result)
        if other is not result:
            raise ValueError(
                f"{other.folder} and {result.folder} both hold results of {result.method} on {result.dataset}; move "
                "one away"
            )


def _remarks(dataset: str, results: Sequence[RunResult], published: Published) -> list[str]:
    """Say of one data set whether our images are those that published numbers are of."""
    if not published.of(dataset):
        return [f"{dataset}: no published number is known to us."]
    known = published.counts_of(dataset)
    remarks = []
    for n_normal, n_abnormal in dict.fromkeys(_counts(result) for result in results if result.dataset == dataset):
        same = [counts for counts in known if counts[:2] == (n_normal, n_abnormal)]
        others = [counts for counts in known if counts not in same]
        our_counts = same[0] if same else ImageCounts(n_normal, n_abnormal, None)
        ours = f"{dataset}: ours are of {_describe(our_counts, 'images ')}"
        if not known and 0 in (n_normal, n_abnormal) and _has_image_metrics(dataset, published):
            remarks.append(f"{ours}, published ones of normal and abnormal images: NOT COMPARABLE.")
        elif not known:
            remarks.append(f"{ours}; how many the published ones are of is not known to us.")
        elif not same:
            remarks.append(f"{ours}, published ones of {' or '.join(map(_describe, known))}: NOT COMPARABLE.")
        elif others:
            remarks.append(
                f"{ours}. Numbers of {' or '.join(map(_describe, others))} are NOT COMPARABLE with them, and of most "
                "published ones it is not said which images they are of."
            )
    return remarks


def _has_image_metrics(dataset: str, published: Published) -> bool:
    """Say whether images of both kinds were published on, as metrics of images need."""
    return any(number.metric.startswith("image_") for number in published.of(dataset))


def _on_aupro(theirs: Sequence[ComparisonRow]) -> list[str]:
    if not any(row.metric == "pixel_aupro" for row in theirs):
        return []
    return [
        "AUPRO: ours is exact; others take a choice of thresholds and divide by another end point, so small "
        "differences say nothing."
    ]


def _describe(counts: ImageCounts, unit: str = "") -> str:
    protocol = f"; {counts.protocol}" if counts.protocol else ""
    total = counts.n_normal + counts.n_abnormal
    return f"{total} {unit}({counts.n_normal} normal, {counts.n_abnormal} abnormal{protocol})"


def _counts(result: RunResult) -> tuple[int, int]:
    dataset = result.report["dataset"]
    return dataset["n_normal"], dataset["n_abnormal"]
