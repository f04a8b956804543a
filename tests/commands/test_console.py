"""A line is a line, whatever a name holds and whatever the stream can show."""

from __future__ import annotations

import io
import os

import pytest

from bpfl_med.commands.console import Console


@pytest.mark.parametrize(
    ("encoding", "name", "shown"),
    [
        ("utf-8", "ümlaut_日本", "ümlaut_日本"),
        ("utf-8", os.fsdecode(b"M\xfcller"), "M\\udcfcller"),
        ("latin-1", "ümlaut_日本", "ümlaut_\\u65e5\\u672c"),
        ("ascii", "a\nb\tc\x1b[31m", "a\\nb\\tc\\x1b[31m"),
    ],
)
def test_names_are_shown_or_escaped(encoding, name, shown):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    Console(stream).report_failure(f"{name}: is cut short")
    assert stream.buffer.getvalue().decode(encoding) == f"bpfl-med: {shown}: is cut short\n"
