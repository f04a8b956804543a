"""A bundle for programs that read preprocessing, inferer and postprocessing of one config, as MONAI Label does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from bundle_files import DEMO_BACKBONE, REPOSITORY
from monai.bundle import ConfigParser, ConfigWorkflow
from monai.data import MetaTensor

from bpfl_med.inferers import VolumeInferer
from bpfl_med.inferers.tensor_inferer import TensorVolumeInferer
from bpfl_med.networks import IntensityNetwork
from bpfl_med.transforms import PercentileIntensity
from bpfl_med.workflow.host_bundle import write_host_bundle

OVERLAYS = [REPOSITORY / "configs/modalities/mr.yaml", DEMO_BACKBONE]
SETTINGS: dict[str, Any] = {"class_name": "brain", "threshold": 0.5, "n_samples": 2}


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """Six slices of noise, with axes that point left, back and up."""
    values = np.random.default_rng(5).normal(100, 30, (20, 26, 6)).clip(0).astype(np.float32)
    nib.save(nib.Nifti1Image(values, np.diag([-1.0, -2.0, 3.0, 1.0])), tmp_path / "scan.nii.gz")
    return tmp_path / "scan.nii.gz"


def host_mask(bundle: Path, scan: Path) -> MetaTensor:
    """Do what MONAI Label and MONAI Deploy do with a bundle."""
    parser = ConfigParser()
    parser.read_config(str(bundle / "configs/inference.json"))
    network = parser.get_parsed_content("network_def")
    network.load_state_dict(torch.load(bundle / "models/model.pt", weights_only=True), strict=True)
    data = parser.get_parsed_content("preprocessing")({"image": str(scan)})
    pred = parser.get_parsed_content("inferer")(inputs=data["image"][None], network=network)
    return parser.get_parsed_content("postprocessing")({**data, "pred": pred[0]})["pred"]


def test_a_host_gets_the_mask_that_the_bundle_itself_writes(tmp_path, scan, monkeypatch):
    monkeypatch.setattr("sys.excepthook", None)  # the workflow sets it; put back when the test ends
    bundle = write_host_bundle(tmp_path / "hosted", overlays=OVERLAYS, **SETTINGS)
    files = [str(REPOSITORY / "bundles/bayes_pfl/configs/inference.json"), *map(str, OVERLAYS)]
    places = {"dataset_dir": str(scan), "output_dir": str(tmp_path / "out"), "writers": "$[]"}
    workflow = ConfigWorkflow(files, logging_file=False, workflow_type="infer", **places, **SETTINGS)
    workflow.initialize()
    workflow.run()
    expected = workflow.evaluator.state.output["pred"].anomaly_map >= SETTINGS["threshold"]
    assert 0.01 < expected.mean() < 0.99
    np.testing.assert_array_equal(host_mask(bundle, scan)[0].numpy(), expected)


def test_the_metadata_tell_of_volumes_and_of_a_label(tmp_path):
    bundle = write_host_bundle(tmp_path / "hosted", overlays=OVERLAYS, **SETTINGS)
    data_format = json.loads((bundle / "configs/metadata.json").read_text())["network_data_format"]
    assert len(data_format["inputs"]["image"]["spatial_shape"]) == 3
    assert data_format["outputs"]["pred"]["channel_def"] == {"0": "background", "1": "abnormal"}


def test_a_misspelt_setting_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match="The configs have no 'clas_name'; check the spelling"):
        write_host_bundle(tmp_path / "hosted", overlays=OVERLAYS, clas_name="brain")
    assert not (tmp_path / "hosted").exists()


def test_prompts_that_are_not_there_are_told_before_clip_is_asked_for(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There are no prompts at .*train_visa\.pth; see README, Weights"):
        write_host_bundle(tmp_path / "hosted", overlays=OVERLAYS[:1], **SETTINGS)


@pytest.mark.parametrize(
    "volume", [torch.zeros(1, 1, 4, 4, 4), MetaTensor(torch.zeros(1, 3, 4, 4, 4)), MetaTensor(torch.zeros(4, 4, 4))]
)
def test_other_tensors_are_refused(volume):
    slices = VolumeInferer(PercentileIntensity(1, 99), plane="axial", batch_size=2, device=torch.device("cpu"))
    with pytest.raises(ValueError, match=re.escape(f"got {type(volume).__name__} {list(volume.shape)}")):
        TensorVolumeInferer(slices, class_name="brain")(volume, IntensityNetwork())


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_volume_that_is_not_finite_is_refused(value):
    volume = MetaTensor(torch.zeros(1, 1, 4, 4, 4))
    volume[0, 0, 1, 2, 3] = value
    slices = VolumeInferer(PercentileIntensity(1, 99), plane="axial", batch_size=2, device=torch.device("cpu"))
    with pytest.raises(ValueError, match="The volume holds NaN or infinite values; replace them"):
        TensorVolumeInferer(slices, class_name="brain")(volume, IntensityNetwork())
