"""What a volume costs beside the network, on a small one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from bpfl_med.data import find_scans, load_scan
from bpfl_med.speed.report import volume_text
from bpfl_med.speed.volume import InstantNetwork, measure_volume, write_large_ct
from bpfl_med.speed.workload import networks, random_backbone

STAGES = {"image tower": 3.0, "text": 0.5, "whole image": 4.0}


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    folder = tmp_path_factory.mktemp("volume")
    backbone = random_backbone("demo", image_size=64, seed=0)
    network = networks(backbone, [], torch.device("cpu"), n_prompts=2, n_samples=2)["float32"]
    return folder, measure_volume(network, {"float32": STAGES}, "brain", folder=folder, side=80, n_slices=6)


def test_the_ct_is_a_head_at_the_size_asked_for(tmp_path: Path) -> None:
    write_large_ct(tmp_path, side=96, n_slices=5)
    volume = load_scan(find_scans(tmp_path)[0])
    assert volume.values.shape == (96, 96, 5)
    np.testing.assert_allclose(np.abs(np.diag(volume.affine))[:3], (4.25 * 48 / 96, 3.5 * 64 / 96, 0.8), rtol=1e-5)
    assert abs(volume.values[44:52, 44:52].mean() - 40) < 10  # brain
    assert abs(volume.values[:4, :4].mean() + 1000) < 10  # air


def test_the_whole_way_from_files_to_files_is_timed(measured: tuple[Path, dict]) -> None:
    folder, record = measured
    result = json.loads(next(folder.glob("results/*/result.json")).read_text())
    assert all(seconds > 0 for seconds in record["seconds"].values())
    assert record["seconds"]["slicing and putting back"] == result["seconds"]["score"]
    assert sum(not row["empty"] for row in result["scores"]["slices"]) == 6
    assert {"anomaly_map.nii.gz", "mask.seg.dcm", "contact_sheet.png"} <= {row["file"] for row in result["outputs"]}


def test_network_time_follows_from_that_of_one_image(measured: tuple[Path, dict]) -> None:
    record = measured[1]
    assert record["network_seconds"] == {"float32": 24.0}
    assert record["network_seconds_with_shared_prompts"] == 6 * 3.5 + 0.5 + 2 * 3.0
    assert record["share_of_network"]["float32"] == sum(record["seconds"].values()) / 24


def test_sharing_prompts_is_measured_with_its_error(measured: tuple[Path, dict]) -> None:
    shared = measured[1]["shared_prompts"]
    assert (shared["slices"], shared["feature_slices"]) == (3, 2)  # from the middle of six on
    assert 0 < shared["largest_difference_of_the_map"] < 0.2
    assert f"{shared['largest_difference_of_the_map']:.1e}" in volume_text(measured[1])


def test_the_instant_network_takes_pictures_of_the_true_size() -> None:
    assert InstantNetwork(518).image_size == 518
