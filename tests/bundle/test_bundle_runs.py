"""`run` and `run evaluating` of the bundle, whole, with the demonstration backbone."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from bundle_files import BUNDLE, DEMO, INFERENCE, REPOSITORY, SMALL, UNLABELLED, dataset_config
from monai.bundle import ConfigWorkflow
from PIL import Image

from bpfl_med.demo.dicom_phantoms import write_series
from bpfl_med.workflow.plain_errors import cause


def read_table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def brains(tmp_path: Path, phantoms: Path) -> Path:
    """Phantoms in the folders of brain_mri.yaml."""
    for ours, theirs in (("normal", "no"), ("abnormal", "yes")):
        shutil.copytree(phantoms / "brain" / ours, tmp_path / "data" / theirs)
    return tmp_path / "data"


@pytest.mark.parametrize(("files", "n_items"), [(UNLABELLED, 12), (DEMO, 8)], ids=["unlabelled", "labelled"])
def test_evaluation_has_the_properties_that_monai_asks_for(workflow, phantoms, files, n_items):
    made = workflow(files, dataset_dir=str(phantoms))
    made.initialize()
    assert made.check_properties() == []
    assert len(made.dataset) == n_items
    assert made.network_def.backbone.image_size == SMALL["image_size"]


def test_inference_has_the_properties_and_scores_a_series(tmp_path):
    series = write_series(tmp_path / "series")
    settings = {"dataset_dir": str(series.folder), "output_dir": str(tmp_path / "out"), "class_name": "brain"}
    files = [str(file) for file in (*INFERENCE, REPOSITORY / "configs/modalities/ct-brain.yaml")]
    made = ConfigWorkflow(config_file=files, workflow_type="infer", logging_file=False, n_samples=2, **settings)
    made.initialize()
    assert made.check_properties() == []
    made.run()
    result = json.loads((tmp_path / "out" / series.series_uid / "result.json").read_text())
    assert result["notice"].startswith("DEMONSTRATION weights")
    assert {"anomaly_map.nii.gz", "mask.seg.dcm"} <= {output["file"] for output in result["outputs"]}


def test_inference_that_keeps_going_tells_each_failure_and_ends_with_an_error(tmp_path, caplog):
    phantom = write_series(tmp_path / "in/good", kind="single_slice")
    for name in "ab":
        (tmp_path / f"in/{name}.nii").touch()
    files = [REPOSITORY / f"configs/{name}.yaml" for name in ("modalities/ct-brain", "backbones/intensity")]
    settings = {"dataset_dir": str(tmp_path / "in"), "output_dir": str(tmp_path / "out"), "class_name": "brain"}
    made = ConfigWorkflow(
        config_file=[str(file) for file in (BUNDLE / "configs/inference.json", *files)],
        workflow_type="infer",
        logging_file=False,
        take_all=True,
        keep_going=True,
        **settings,
    )
    made.initialize()
    with pytest.raises(RuntimeError) as caught:
        made.run()
    assert str(cause(caught.value)) == "2 of the scans could not be used, as was logged; the others are done"
    told = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert [text.split(": ")[0] for text in told[:2]] == [str(tmp_path / f"in/{name}.nii") for name in "ab"]
    assert (tmp_path / "out" / phantom.series_uid / "result.json").is_file()


def test_the_demonstration_makes_its_data_and_evaluates_them(run, figures, tmp_path):
    run(DEMO, **{"dataset_dir::n_per_class": 1, "dataset_dir::kinds": ["brain", "liver"], "n_cases": 1})
    report = json.loads((tmp_path / "out/metrics.json").read_text())
    assert len(report["dataset"].pop("checksum")) == 64
    assert report["dataset"] == {"name": "phantoms", "n_images": 4, "n_normal": 2, "n_abnormal": 2, "skipped": []}
    assert report["metrics"]["classes"].keys() == {"brain", "liver"}
    names = {f"{kind}_{key}" for kind in ("image", "pixel") for key in ("auroc", "ap", "f1_max")} | {"pixel_aupro"}
    assert {name for name, value in report["metrics"]["mean"].items() if 0 <= value <= 1} == names
    assert report["settings"]["image_score"] == "released"
    assert report["notice"].startswith("UNTRAINED prompts")
    assert [row["class_name"] for row in read_table(tmp_path / "out/images.csv")] == ["brain", "liver"] * 2
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "phantoms",
        "overlays",
        "cases",
        "curves.png",
        "scores.png",
        "metrics.json",
        "metrics.csv",
        "images.csv",
        "run.json",
    }


def test_pictures_without_labels_are_scored(run, phantoms, tmp_path):
    run(UNLABELLED, dataset_dir=str(phantoms / "liver/normal"), class_name="liver", n_pictures=2)
    rows = read_table(tmp_path / "out/images.csv")
    assert [Path(row["image"]).name for row in rows] == ["000.png", "001.png"]
    assert {row["class_name"] for row in rows} == {"liver"}
    for row in rows:
        assert float(row["anomaly_score"]) == float(row["text_score"]) + float(row["map_max"])
        assert "label" not in row
    report = json.loads((tmp_path / "out/metrics.json").read_text())
    assert report["metrics"] == {"mean": {}, "classes": {"liver": {}}}
    assert len(list((tmp_path / "out/overlays").iterdir())) == 2


def test_image_labels_alone_are_scored_by_the_text_branch(run, brains, tmp_path):
    run(dataset_config("brain_mri"), dataset_dir=str(brains))
    report = json.loads((tmp_path / "out/metrics.json").read_text())
    assert report["settings"]["image_score"] == "text"
    assert all(key.startswith("image_") for key in report["metrics"]["mean"])


def test_one_bad_picture_stops_the_run_before_any_output(brains, tmp_path):
    """From the command line, because the sentence must be its last line."""
    (brains / "yes/bad.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut off")
    command = [sys.executable, "-m", "monai.bundle", "run", "evaluating", "--bundle_root", str(BUNDLE)]
    command += ["--config_file", str([str(file) for file in dataset_config("brain_mri")])]
    command += ["--dataset_dir", str(brains), "--output_dir", str(tmp_path / "out")]
    result = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, check=False)
    assert result.returncode == 1
    last = result.stderr.splitlines()[-1]
    assert last.startswith(
        f"ValueError: 1 of 5 items of the data set cannot be used: {brains}/yes/bad.jpg cannot be read"
    )
    assert last.endswith("Mend them, or set skip_bad to leave them out")
    assert not (tmp_path / "out").exists()


def test_a_bad_picture_is_skipped_on_demand_and_listed(run, brains, tmp_path):
    (brains / "yes/bad.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut off")
    run(dataset_config("brain_mri"), dataset_dir=str(brains), skip_bad=True)
    dataset = json.loads((tmp_path / "out/metrics.json").read_text())["dataset"]
    assert (dataset["n_images"], dataset["n_normal"], dataset["n_abnormal"]) == (4, 2, 2)
    assert [bad["image"] for bad in dataset["skipped"]] == [f"{brains}/yes/bad.jpg"]
    assert "cannot be read as a picture" in dataset["skipped"][0]["reason"]
    assert len(read_table(tmp_path / "out/images.csv")) == 4


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ({"dataset_dir": "/nowhere"}, "There is no folder /nowhere; set dataset_dir to where the data set lies"),
        ({"class_name": " "}, "A class name must say what the image shows, such as 'brain', got ' '"),
        ({"class_name": "left temporal lobe " * 40}, "text tokens, and there is room for 66; use a shorter name"),
        ({"clas_name": "brain"}, "No part of the configs uses 'clas_name'; check the spelling on the command line"),
        ({"network_def#n_sample": 3}, "got an unexpected keyword argument 'n_sample'"),
        ({"prompts_file": "/nowhere.pth"}, "There are no prompts at /nowhere.pth; see README, Weights"),
        ({"output_dir": "/dev/null/out"}, "Nothing can be written to /dev/null/out ("),
        ({"image_size": 65}, "The image size must be a multiple of the patch size 8"),
        ({"feature_blocks": [2, 9]}, "The feature blocks must be ascending numbers from 1 to 6"),
        ({"n_samples": 0}, "n_samples must be at least 1, got 0"),
    ],
)
def test_a_mistake_is_told_before_scoring(workflow, phantoms, overrides, sentence):
    made = workflow(UNLABELLED, **{"dataset_dir": str(phantoms / "brain/normal"), **overrides})
    with pytest.raises(Exception) as caught:  # noqa: PT011  MONAI wraps the error; the text below is ours
        made.initialize()
    assert sentence in str(cause(caught.value))


def test_evaluating_without_labels_is_told_before_scoring(workflow, phantoms):
    made = workflow(dataset_config("brain_mri")[:-1], dataset_dir=str(phantoms / "brain/normal"))
    with pytest.raises(RuntimeError) as caught:
        made.initialize()
    assert "000.png has no label; name a data set's config that gives labels" in str(cause(caught.value))


def test_a_picture_of_16_bits_is_named(workflow, brains):
    Image.fromarray(np.full((8, 8), 3000, np.uint16)).save(brains / "no/deep.png")
    made = workflow(dataset_config("brain_mri"), dataset_dir=str(brains))
    with pytest.raises(RuntimeError) as caught:
        made.initialize()
    assert f"{brains}/no/deep.png holds more than 8 bits a channel" in str(cause(caught.value))


@pytest.mark.parametrize("name", ["brain_mri", "head_ct", "kvasir_seg"])
def test_real_pictures_are_evaluated(run, shared, tmp_path, name):
    """The first and the last few of each set."""
    root = shared / "data" / name
    if not root.is_dir():
        pytest.skip(f"{root} is not on this machine")
    few = {"checked_datalist::items": "$@datalist[:3] + @datalist[-3:]"}
    run(dataset_config(name), dataset_dir=str(root), **few)
    report = json.loads((tmp_path / "out/metrics.json").read_text())
    assert report["dataset"]["n_images"] == len(read_table(tmp_path / "out/images.csv")) == 6
    kind = "pixel" if name == "kvasir_seg" else "image"
    assert 0 <= report["metrics"]["mean"][f"{kind}_auroc"] <= 1
