"""Both ways of the hand-run comparison measure the same thing."""

from __future__ import annotations

import pytest

from bpfl_med.speed.metric_speed import our_way, usual_way


def test_both_ways_agree():
    ours, usual = our_way(6, 48), usual_way(6, 48)
    for name in ("auroc", "ap", "f1_max", "threshold"):
        assert ours[name] == pytest.approx(usual[name], abs=1e-9)
    assert ours["aupro"] == pytest.approx(usual["aupro"], abs=0.02)  # 200 thresholds against all
