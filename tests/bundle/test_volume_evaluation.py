"""Volumes with lesion masks are evaluated by slices, voxels and volumes, in one run of the bundle."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from bundle_files import EVALUATE, REPOSITORY

from bpfl_med.data import Scan, load_scan
from bpfl_med.inferers import VolumeInferer
from bpfl_med.transforms import PercentileIntensity

FILES = (*EVALUATE, REPOSITORY / "configs/datasets/ms_lesion.yaml")
HEALTHY = {"volumes#normal": ["healthy*/FLAIR.nii.gz"], "volumes#abnormal": ["patient*/FLAIR.nii.gz"]}


@pytest.fixture(scope="module")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two patients with a bright ball in slices 3 to 5 of 8, and two healthy ones; the outer slices are air."""
    root = tmp_path_factory.mktemp("volumes")
    for seed, name in enumerate(("patient1", "patient2", "healthy1", "healthy2")):
        values = np.random.default_rng(seed).normal(100, 8, (40, 48, 8)).astype(np.float32)
        values[..., [0, 7]] = values[:4] = 0
        lesion = np.zeros(values.shape, np.uint8)
        (root / name).mkdir()
        if name.startswith("patient"):
            lesion[20:28, 10:20, 3:6] = 1
            values[lesion > 0] = 250
            nib.save(nib.Nifti1Image(lesion, np.eye(4)), root / name / "lesion.nii.gz")
        nib.save(nib.Nifti1Image(values, np.eye(4)), root / name / "FLAIR.nii.gz")
    return root


def report(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "metrics.json").read_text())


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_slices_voxels_and_volumes(run, volumes, tmp_path):
    made = run(FILES, dataset_dir=str(volumes), **HEALTHY)
    settings, metrics = (report(tmp_path / "out")[key] for key in ("settings", "metrics"))
    made_by = ("plane", "percentiles", "lesion_above", "image_score")
    assert [settings[key] for key in made_by] == ["axial", [0.5, 99.5], 0, "paper"]
    metrics = metrics["mean"]
    levels = {"image": {"auroc", "ap", "f1_max"}, "volume": {"auroc", "ap", "f1_max"}}
    levels["pixel"] = {"auroc", "ap", "f1_max", "aupro"}
    assert set(metrics) == {f"{level}_{name}" for level, names in levels.items() for name in names}
    assert all(0 <= value <= 1 for value in metrics.values())
    found = rows(tmp_path / "out/volumes.csv")
    assert [(row["volume"], row["label"], row["n_slices"], row["n_abnormal_slices"]) for row in found] == [
        ("healthy1__FLAIR", "0", "6", "0"),
        ("healthy2__FLAIR", "0", "6", "0"),
        ("patient1__FLAIR", "1", "6", "3"),
        ("patient2__FLAIR", "1", "6", "3"),
    ]
    assert all(row["notice"].startswith("UNTRAINED prompts") for row in found)

    # The score of a volume is the inferer's, but for 8 bits and Pillow's way to resize.
    inferer = VolumeInferer(PercentileIntensity(0.5, 99.5), plane="axial", batch_size=4, device=torch.device("cpu"))
    for row in found:
        volume = load_scan(Scan("a", volumes / row["volume"].split("__")[0] / "FLAIR.nii.gz", None))
        prediction = inferer(volume, made.network_def.eval(), class_name="brain")
        assert float(row["volume_score"]) == pytest.approx(prediction.volume_score, abs=1e-2)
        slices = [r for r in rows(tmp_path / "out/images.csv") if f"/{row['volume']}/" in r["image"]]
        assert float(row["volume_score"]) == max((float(r["text_score"]) + float(r["map_max"])) / 2 for r in slices)
        assert f"{row['volume']}/" in row["most_suspicious_slice"]


def test_what_the_grey_level_finds_is_measured_at_all_levels(run, volumes, tmp_path):
    """The ball is the brightest thing, so a map of grey levels finds it: masks lie where the map is."""
    files = (*FILES[:2], FILES[-1], REPOSITORY / "configs/backbones/intensity.yaml")
    run(files, dataset_dir=str(volumes), smoothing_sigma=0, score_protocol="image", **HEALTHY)
    metrics = report(tmp_path / "out")["metrics"]["mean"]
    assert metrics["pixel_auroc"] > 0.98
    assert metrics["pixel_aupro"] > 0.9
    assert metrics["volume_auroc"] is not None


def test_a_level_with_one_kind_only_is_not_defined(run, volumes, tmp_path):
    run(FILES, dataset_dir=str(volumes), **{"volumes#abnormal": ["patient*/FLAIR.nii.gz"]})
    metrics = report(tmp_path / "out")["metrics"]["mean"]
    assert (metrics["volume_auroc"], metrics["volume_ap"], metrics["volume_f1_max"]) == (None, None, None)
    assert metrics["image_auroc"] is not None


def test_a_mask_of_another_grid_stops_the_run_before_anything_is_scored(workflow, volumes, tmp_path):
    moved = np.eye(4)
    moved[2, 3] = 3
    for name in ("FLAIR", "lesion"):
        (tmp_path / "in/patient1").mkdir(parents=True, exist_ok=True)
        image = nib.load(volumes / f"patient1/{name}.nii.gz")
        affine = moved if name == "lesion" else image.affine
        nib.save(nib.Nifti1Image(np.asarray(image.dataobj), affine), tmp_path / f"in/patient1/{name}.nii.gz")
    with pytest.raises(RuntimeError) as caught:
        workflow(FILES, dataset_dir=str(tmp_path / "in")).initialize()
    assert "its voxels lie up to 3.0 mm from those of its volume" in str(caught.value.__cause__)
