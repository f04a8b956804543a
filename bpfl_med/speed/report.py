"""What the benchmark measured, as Markdown tables and as JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bpfl_med.files.atomic import write_json, write_text


class Report:
    """Prints what was measured, and keeps `speed.md` and `speed.json` up to date with it.

    Args:
        folder: of the files; made if absent.
        title: the first line.
        conditions: what was measured where.
    """

    def __init__(self, folder: Path, title: str, conditions: Mapping[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.text = title + "\n"
        self.record = dict(conditions)
        print(self.text, flush=True)

    def add(self, part: str, record: Any, describe: Callable[[Any], str]) -> None:
        """Take in a part and its description."""
        text = describe(record)
        print(text, flush=True)
        self.text += f"\n{text}"
        self.record[part] = record
        write_text(self.folder / "speed.md", self.text)
        write_json(self.folder / "speed.json", self.record)


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Lay out a Markdown table: the first column to the left, numbers to the right, with three digits."""
    text = [[_cell(value) for value in row] for row in rows]
    widths = [max(len(row[i]) for row in (header, *text)) for i in range(len(header))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = [header, rule, *text]
    return "\n".join("| " + " | ".join(_aligned(line, widths)) + " |" for line in lines) + "\n"


def side_by_side_text(record: dict[str, Any]) -> str:
    """Tell what `SideBySide.record` holds."""
    ways = record["ways"]
    released, *ours = ways
    stages = list(ways[released]["seconds"])
    header = ["seconds (fastest round)", released]
    for name in ours:
        header += [f"ours, {name}", "ratio"]
    rows: list[list[object]] = []
    for stage in stages:
        row: list[object] = [stage, ways[released]["seconds"][stage]]
        for name in ours:
            row += [ways[name]["seconds"][stage], ways[name]["ratio_to_released"].get(stage)]
        rows.append(row)

    def line(label: str, value: Any) -> list[object]:
        return [label, value(ways[released]), *(cell for name in ours for cell in (value(ways[name]), None))]

    rows += [
        line("images per second", lambda way: way["images_per_second"]),
        line("GFLOP of matrix products", lambda way: sum(way["gflop"].values())),
        line("share of the matmul peak", lambda way: f"{way['share_of_matmul_peak']:.0%}"),
        line("tensors beside the weights, MiB", lambda way: way["tensor_mib"]),
        line("weights, MiB", lambda way: way["weight_mib"]),
        line("largest difference of the map", lambda way: f"{way['largest_error']['anomaly_map']:.1e}"),
        line("largest difference of the text score", lambda way: f"{way['largest_error']['text_score']:.1e}"),
        line("same ranking of the images", lambda way: "yes" if way["same_ranking"] else "no"),
    ]
    peaks = [
        [f"{precision}, {kernel}", rate]
        for precision, rates in record["matmul_gflop_per_second"].items()
        for kernel, rate in rates.items()
    ]
    kernels = [
        [precision, *told["image_kernels"].values(), told["text_kernels"]["linear"], told["patch_kernel"]]
        for precision, told in record["computed_by"].items()
    ]
    tables = (
        table(header, rows),
        table(["matrix products, by kernel", "GFLOP/s"], peaks),
        table(["computed by", "image tower", "its attention", "text tower", "RCA's patches"], kernels),
    )
    return "\n".join(tables)


def steps_text(record: Sequence[Mapping[str, Any]]) -> str:
    """Tell what `measure_steps` gives."""
    rows = [[step["stage"], step["change"], step["before"], step["after"]] for step in record]
    return table(["stage", "step", "seconds before", "after"], rows)


def volume_text(record: Mapping[str, Any]) -> str:
    """Tell what `measure_volume` gives."""
    beside = [[f"{name}, seconds", seconds] for name, seconds in record["seconds"].items()]
    network: list[list[object]] = []
    for name, seconds in record["network_seconds"].items():
        network += [
            [f"network, {name}, seconds (from those of one image)", seconds],
            [f"all else as a share of it, {name}", f"{record['share_of_network'][name]:.1%}"],
        ]
    shared = record["shared_prompts"]
    saved = [
        ["network with shared prompts, float32, seconds (likewise)", record["network_seconds_with_shared_prompts"]],
        [f"{shared['slices']} slices with prompts of their own, seconds (measured)", shared["seconds_own"]],
        [f"{shared['slices']} slices with shared prompts, seconds (measured)", shared["seconds_shared"]],
        ["largest difference of the map by sharing", f"{shared['largest_difference_of_the_map']:.1e}"],
        ["difference of the volume score by sharing", f"{shared['difference_of_the_volume_score']:.1e}"],
    ]
    return table([f"CT of {record['voxels']} voxels", ""], [*beside, *network, *saved])


def sweeps_text(record: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """Tell what `run_sweeps` gives."""
    tables = []
    for title, rows in record.items():
        tables.append(f"{title}\n\n" + table(list(rows[0]), [list(row.values()) for row in rows]))
    return "\n".join(tables)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    return "" if value is None else str(value)


def _aligned(line: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [f"{line[0]:<{widths[0]}}", *(f"{cell:>{width}}" for cell, width in zip(line[1:], widths[1:], strict=True))]
