"""A comparison as Markdown, LaTeX, CSV and JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from bpfl_med.benchmark.comparison import LEVELS, Comparison, ComparisonRow
from bpfl_med.files.atomic import write_text
from bpfl_med.files.csv_text import csv_text

_LABELS = {"auroc": "AUROC", "ap": "AP", "f1_max": "F1-max", "aupro": "AUPRO"}
_TITLES = {"image": "Image level", "pixel": "Pixel level", "volume": "Volume level"}
_ABSENT = "-"
_LATEX = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
}


def write_tables(comparison: Comparison, folder: str | Path) -> list[Path]:
    """Write `table.md`, `table.tex`, `table.csv` and `table.json`, and return their paths."""
    folder = Path(folder)
    texts = {
        "md": markdown(comparison),
        "tex": latex(comparison),
        "csv": csv_rows(comparison),
        "json": as_json(comparison),
    }
    for suffix, text in texts.items():
        write_text(folder / f"table.{suffix}", text)
    return [folder / f"table.{suffix}" for suffix in texts]


def markdown(comparison: Comparison) -> str:
    """Give one table a level, a row a method and a column a data set, with all that must be said below."""
    lines = [f"> **{notice}**\n" for notice in comparison.notices]
    for level, caption, header, body in _grids(comparison):
        lines.append(f"## {_TITLES[level]}\n\n{caption}\n")
        lines.append(_markdown_row(header))
        lines.append("|" + "---|" * len(header))
        lines += [_markdown_row([f"**{row[0]}**", *row[1:]] if is_ours else row) for row, is_ours in body]
        lines.append("")
    for title, items in _sections(comparison):
        lines += [f"{title}:\n", *(f"- {item}" for item in items), ""]
    return "\n".join(lines).rstrip() + "\n"


def latex(comparison: Comparison) -> str:
    """Give the same as `table` environments for the package booktabs."""
    below = [rf"\textbf{{{title}:}} {_escaped(' '.join(items))}" for title, items in _sections(comparison)]
    lines = []
    for level, caption, header, body in _grids(comparison):
        lines += [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{_escaped(' '.join([f'{_TITLES[level]}: {caption}', *comparison.notices]))}}}",
            rf"\begin{{tabular}}{{l{'c' * (len(header) - 1)}}}",
            r"\toprule",
            _latex_row(header),
            r"\midrule",
            *(_latex_row(row, bold=is_ours) for row, is_ours in body),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    return "\n".join([*lines, r"{\footnotesize", *(f"{paragraph}\\par" for paragraph in below), "}", ""])


def csv_rows(comparison: Comparison) -> str:
    """Give one line a number; a notice stands in a column of its own, so that no number is read without it."""
    notice = " ".join(comparison.notices)
    rows = [
        {**asdict(row), "value": f"{row.value:.6g}", "notice": notice if row.is_ours else ""} for row in comparison.rows
    ]
    return csv_text(rows)


def as_json(comparison: Comparison) -> str:
    """Give the whole comparison as JSON."""
    return json.dumps(asdict(comparison), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


Grid = tuple[str, str, list[str], list[tuple[list[str], bool]]]


def _grids(comparison: Comparison) -> list[Grid]:
    """Give of each level: its name, what a cell holds, the header, and rows with whether they are ours."""
    grids: list[Grid] = []
    for level, metrics in LEVELS.items():
        columns = [name for name in comparison.datasets if _has(comparison, metrics, dataset=name)]
        if not any(row.is_ours and row.metric in metrics for row in comparison.rows):
            continue
        names = " / ".join(_LABELS[metric.removeprefix(f"{level}_")] for metric in metrics)
        body = [
            ([method, *(_cell(comparison, method, is_ours, name, metrics) for name in columns)], is_ours)
            for method, is_ours in comparison.methods
            if _has(comparison, metrics, method=method, is_ours=is_ours)
        ]
        caption = f"{names} in percent; in brackets the source of a published number, and the number of its note."
        if any(row.lower is not None and row.metric in metrics for row in comparison.rows):
            caption += " In parentheses the bounds by the bootstrap over images."
        grids.append((level, caption, ["Method", *columns], body))
    return grids


def _has(comparison: Comparison, metrics: Sequence[str], **wanted: object) -> bool:
    return any(
        row.metric in metrics and all(getattr(row, key) == value for key, value in wanted.items())
        for row in comparison.rows
    )


def _cell(comparison: Comparison, method: str, is_ours: bool, dataset: str, metrics: Sequence[str]) -> str:
    """Give the values of one method on one data set, those of each source by themselves."""
    mine = [
        row
        for row in comparison.rows
        if (row.method, row.is_ours, row.dataset) == (method, is_ours, dataset) and row.metric in metrics
    ]
    parts = []
    for source, note in dict.fromkeys((row.source, row.note) for row in mine):
        values = {row.metric: _describe(row) for row in mine if (row.source, row.note) == (source, note)}
        mark = f", note {comparison.notes.index(note) + 1}" if note else ""
        suffix = "" if is_ours else f" [{source}{mark}]"
        parts.append(" / ".join(values.get(metric, _ABSENT) for metric in metrics) + suffix)
    return "; ".join(parts) or _ABSENT


def _describe(row: ComparisonRow) -> str:
    bounds = f" ({row.lower:.1f} to {row.upper:.1f})" if row.lower is not None else ""
    return f"{row.value:.1f}{bounds}"


def _sections(comparison: Comparison) -> list[tuple[str, list[str]]]:
    sections = [
        ("Comparable or not", list(comparison.remarks)),
        ("How our numbers were made", [f"{protocol}." for protocol in comparison.protocols]),
        ("Notes", [f"{place}: {note}." for place, note in enumerate(comparison.notes, start=1)]),
        ("Sources (the claims of those who published them)", [f"{k}: {v}." for k, v in comparison.sources.items()]),
    ]
    return [(title, items) for title, items in sections if items]


def _markdown_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def _latex_row(cells: Sequence[str], *, bold: bool = False) -> str:
    first, *others = (_escaped(cell) for cell in cells)
    return " & ".join([rf"\textbf{{{first}}}" if bold else first, *others]) + r" \\"


def _escaped(text: str) -> str:
    return re.sub("|".join(map(re.escape, _LATEX)), lambda match: _LATEX[match[0]], text)
