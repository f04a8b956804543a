"""Tables as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any


def csv_text(rows: Sequence[Mapping[str, Any]], notice: str | None = None) -> str:
    """Write rows as CSV; a notice stands in a column of its own, so that no row is read without it."""
    rows = [{**row, "notice": notice} for row in rows] if notice else rows
    file = io.StringIO()
    writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()
