"""The setting `threshold`, for volumes and for pictures."""

from __future__ import annotations

import pytest

from bpfl_med.workflow.map_threshold import parse_threshold, threshold_of_pictures


@pytest.mark.parametrize(("setting", "expected"), [(0.5, 0.5), ("0.25", 0.25), (0, 0), (1, 1), ("checkpoint", 0.7)])
def test_a_number_holds_for_volumes_and_pictures(setting, expected):
    assert parse_threshold(setting, 0.7) == ("number", expected)
    assert threshold_of_pictures(setting, 0.7) == expected


def test_a_percentile_is_for_volumes_alone():
    assert parse_threshold("p99.5", None) == ("percentile", 99.5)
    with pytest.raises(ValueError, match=r"threshold p99\.5 is a percentile of a volume's map; for pictures"):
        threshold_of_pictures("p99.5", None)


@pytest.mark.parametrize("setting", [1.5, -0.1, "p101", "p", "high", None, "nan"])
def test_anything_else_is_refused(setting):
    with pytest.raises(ValueError, match="threshold must be a number from 0 to 1, a percentile"):
        parse_threshold(setting, 0.7)


def test_a_checkpoint_without_a_threshold_is_told():
    with pytest.raises(ValueError, match="The checkpoint stores no threshold; give a number"):
        parse_threshold("checkpoint", None)
