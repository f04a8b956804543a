"""`run training` of the bundle, whole, with the demonstration backbone at a small size."""

from __future__ import annotations

import csv
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from bundle_files import BUNDLE, DEMO_BACKBONE, EVALUATE, REPOSITORY, SMALL, TRAIN
from monai.bundle import ConfigParser, ConfigWorkflow
from PIL import Image

from bpfl_med.checkpoints import read_tensors
from bpfl_med.demo import write_phantom_images
from bpfl_med.networks.checkpoint_record import read_record
from bpfl_med.workflow.plain_errors import cause

FEW = {"image_size": 64, "batch_size": 3, "num_workers": 0}
ABLATIONS = sorted((REPOSITORY / "configs/ablations").glob("*.yaml"))


def read_rows(folder: Path) -> list[dict[str, float]]:
    with (folder / "training.csv").open(newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def make_training(output: Path, data: Path, files: tuple[Path, ...] = TRAIN, **overrides: object) -> ConfigWorkflow:
    settings = {"dataset_dir": str(data), "val_dataset_dir": str(data), "output_dir": str(output), **FEW}
    return ConfigWorkflow(
        config_file=[str(file) for file in files],
        workflow_type="train",
        logging_file=False,
        bundle_root=str(BUNDLE),
        **{**settings, **overrides},
    )


@pytest.fixture(autouse=True)
def _hook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # the bundle sets it


def train(*args: object, **overrides: object) -> ConfigWorkflow:
    made = make_training(*args, **overrides)
    made.initialize()
    made.run()
    made.finalize()
    return made


def command(output: Path, data: Path, **overrides: object) -> list[str]:
    """The same from the command line."""
    settings = {"dataset_dir": data, "val_dataset_dir": data, "output_dir": output, "bundle_root": BUNDLE, **FEW}
    files = overrides.pop("files", TRAIN)
    arguments = ["-m", "monai.bundle", "run", "training", "--config_file", str([str(file) for file in files])]
    for name, value in {**settings, **overrides}.items():
        arguments += [f"--{name}", str(value)]
    return arguments


def test_both_stages_and_what_they_leave(tmp_path: Path, phantoms: Path) -> None:
    made = make_training(tmp_path / "out", phantoms, patience=0, max_epochs=12)
    made.initialize()
    assert made.check_properties() == []
    made.run()
    rows = read_rows(tmp_path / "out")
    assert {row["stage"] for row in rows} == {1, 2}
    assert [row["epoch"] for row in rows] == list(range(1, len(rows) + 1))
    for row in rows:
        terms = ("classification", "segmentation", "prompt_flow", "orthogonal")
        expected = sum(row[term] for term in terms) if row["stage"] == 1 else row["classification"]
        assert row["loss"] == pytest.approx(expected)
    best = {stage: _last_best([row for row in rows if row["stage"] == stage], stage) for stage in (1, 2)}
    assert best[1] < best[2]
    weights = read_tensors(tmp_path / "out/prompts.safetensors")
    record = read_record(weights["_extra_state"])
    assert (record["stage"], record["trained"]) == (2, True)
    assert record["threshold"] is not None
    assert not any(name.startswith("backbone.") for name in weights)
    assert Image.open(tmp_path / "out/training.png").size[0] > 400


def _last_best(rows: list[dict[str, float]], stage: int) -> float:
    score = {1: "val_pixel_ap", 2: "val_image_ap"}[stage]
    return max(rows, key=lambda row: (row[score], row["epoch"]))["epoch"]


def test_trained_prompts_are_evaluated(tmp_path: Path, phantoms: Path) -> None:
    train(tmp_path / "out", phantoms, max_epochs=1)
    made = ConfigWorkflow(
        config_file=[str(file) for file in (*EVALUATE, REPOSITORY / "configs/datasets/unlabelled.yaml")],
        workflow_type="infer",
        logging_file=False,
        bundle_root=str(BUNDLE),
        dataset_dir=str(phantoms / "brain/normal"),
        output_dir=str(tmp_path / "eval"),
        **{**SMALL, "prompts_file": str(tmp_path / "out/prompts.safetensors")},
    )
    made.initialize()
    network = made.parser.get_parsed_content("network")
    assert network.trained
    assert network.stage == 1  # the epochs ran out before stage 2


def test_killed_at_any_moment_it_ends_with_the_same_bytes(tmp_path: Path, phantoms: Path) -> None:
    settings = {"max_epochs": 5, "patience": 0}
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    arguments = command(whole, phantoms, **settings)
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True, cwd=REPOSITORY, env=environment)
    process = subprocess.Popen(
        [sys.executable, *command(broken, phantoms, **settings)],
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 600
    while not (broken / "training.csv").exists() or len(read_rows(broken)) < 2:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(read_rows(broken)) < 5
    arguments = command(broken, phantoms, resume=True, **settings)
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True, cwd=REPOSITORY, env=environment)
    for name in ("prompts.safetensors", "training.csv", "training.png"):
        assert (broken / name).read_bytes() == (whole / name).read_bytes(), name


def test_two_processes_train_as_one(tmp_path: Path, phantoms: Path) -> None:
    """Eight images in batches of three: shares are uneven."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    several = (*TRAIN, BUNDLE / "configs/multi_gpu.json")
    arguments = command(tmp_path / "two", phantoms, files=several, max_epochs=2, image_size=96)
    runner = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    subprocess.run([*runner, *arguments], check=True, capture_output=True, cwd=REPOSITORY, env=environment)
    train(tmp_path / "one", phantoms, max_epochs=2, image_size=96)
    for found, expected in zip(read_rows(tmp_path / "two"), read_rows(tmp_path / "one"), strict=True):
        for name, value in expected.items():
            assert found[name] == pytest.approx(value, abs=1e-4), name


@pytest.mark.parametrize("ablation", ABLATIONS, ids=lambda path: path.stem)
def test_every_ablation_is_an_overlay_that_makes_a_step(ablation: Path, tmp_path: Path, phantoms: Path) -> None:
    made, plain = make_training(tmp_path, phantoms, (*TRAIN, ablation)), make_training(tmp_path, phantoms)
    made.initialize()
    plain.initialize()
    assert _choices(made) != _choices(plain)
    trainer = made.trainer
    trainer.state.epoch = trainer.state.iteration = 1
    trainer.network.stage = 1
    output = trainer._iteration(trainer, next(iter(trainer.data_loader)))
    assert all(torch.isfinite(torch.tensor(list(output.values()))))


def _choices(made: ConfigWorkflow) -> list[object]:
    loss = made.parser.get_parsed_content("loss_function")
    network = made.network_def
    return [network.hyper_parameters, network.ensemble, loss.released_kl, loss.orthogonal]


def test_tensorboard_by_overlay(tmp_path: Path, phantoms: Path) -> None:
    overlay = REPOSITORY / "configs/training/tensorboard.yaml"
    train(tmp_path, phantoms, (*TRAIN, overlay), max_epochs=1)
    from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer

    events = EventMultiplexer().AddRunsFromDirectory(str(tmp_path / "tensorboard"))
    events.Reload()
    tags = {tag for run in events.Runs().values() for tag in run["scalars"]}
    assert {"loss", "segmentation", "pixel_ap"} <= tags


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ({"val_dataset_dir": "/nowhere"}, "There is no folder /nowhere"),
        ({"max_epoch": 3}, "No part of the configs uses 'max_epoch'; check the spelling"),
        ({"initial_prompts": "/nowhere.pth"}, "There are no prompts at /nowhere.pth"),
        ({"output_dir": "/dev/null/out"}, "Nothing can be written to /dev/null/out ("),
        ({"batch_size": 0}, "a batch size of at least 1, got 8 and 0"),
    ],
)
def test_a_mistake_is_told_before_training(overrides: dict, sentence: str, tmp_path: Path, phantoms: Path) -> None:
    made = make_training(tmp_path, phantoms, **overrides)
    with pytest.raises(Exception) as caught:  # noqa: PT011  MONAI wraps the error; the text below is ours
        made.initialize()
    assert sentence in str(cause(caught.value))


def test_a_begun_training_is_not_replaced(tmp_path: Path, phantoms: Path) -> None:
    (tmp_path / "training.pt").touch()
    made = make_training(tmp_path, phantoms)
    with pytest.raises(RuntimeError) as caught:
        made.initialize()
    assert "is of a training that was begun; set resume to go on with it" in str(cause(caught.value))


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory, phantoms: Path) -> Path:
    """The folder of a training of one epoch."""
    folder = tmp_path_factory.mktemp("begun")
    train(folder, phantoms, max_epochs=1)
    return folder


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"loss_function#kl_weight": 5}, "loss.kl_weight was 0.01, is now 5."),
        ({"patience": 9}, "patience was 3, is now 9."),
        ({"amp": True}, "amp was False, is now True."),
        ({"precision": "bfloat16"}, "precision was 'float32', is now 'bfloat16'."),
        ({"augmentation#0#prob": 1.0}, "configs.augmentation.0.prob was 0.5, is now 1.0."),
        ({"network_def#ensemble": "text"}, "ensemble was 'image', is now 'text'."),
        ({"lr_scheduler#warmup_steps": 1}, "configs.lr_scheduler.warmup_steps was '$int("),
        ({"train#trainer#noise#seed": 5}, "configs.train::trainer::noise.seed was '@seed', is now 5."),
        ({"validate#evaluation#smoothing_sigma": 2}, "validation.smoothing_sigma was 0, is now 2."),
        ({"val_top_k": 5}, "validation.top_k was 2000, is now 5."),
    ],
)
def test_another_training_is_not_gone_on_with(change: dict, told: str, begun: Path, phantoms: Path) -> None:
    made = make_training(begun, phantoms, max_epochs=1, resume=True, **change)
    made.initialize()
    with pytest.raises(Exception) as caught:  # noqa: PT011  MONAI wraps the error; the text below is ours
        made.run()
    assert f"is of another training: {told}" in str(cause(caught.value))


@pytest.mark.parametrize("name", ["visa", "mvtec_ad", "meta_json"])
def test_the_papers_trainings_name_known_files(name: str) -> None:
    text = (REPOSITORY / f"configs/training/{name}.yaml").read_text()
    named = re.findall(r"(?:bundles|configs)/[\w./-]+\.(?:json|yaml)", text)
    assert [path for path in named if not (REPOSITORY / path).is_file()] == []
    parser = ConfigParser()
    parser.read_config([str(file) for file in (*TRAIN, REPOSITORY / f"configs/training/{name}.yaml")])
    assert len(parser["val_classes"]) == 5
    assert DEMO_BACKBONE in TRAIN


def test_the_demonstrations_training_draws_its_own_data(tmp_path: Path) -> None:
    few = {"n_per_class": 1, "kinds": ["washer", "carpet"]}
    made = ConfigWorkflow(
        config_file=[str(file) for file in (*TRAIN, REPOSITORY / "configs/training/demo.yaml")],
        workflow_type="train",
        logging_file=False,
        bundle_root=str(BUNDLE),
        output_dir=str(tmp_path / "out"),
        max_epochs=1,
        num_workers=0,
        **{f"dataset_dir#{key}": value for key, value in few.items()},
        **{"val_dataset_dir#n_per_class": 1, "val_dataset_dir#kinds": ["wicker", "gear"]},
    )
    made.initialize()
    made.run()
    items = made.parser.get_parsed_content("checked_datalist").items
    assert {item["class_name"] for item in items} == {"washer", "carpet"}
    assert len(read_rows(tmp_path / "out")) == 1
    record = read_record(read_tensors(tmp_path / "out/prompts.safetensors")["_extra_state"])
    assert record["backbone"]["name"] == "demonstration"
    assert record["backbone"]["image_size"] == made.parser["image_size"]


@pytest.mark.parametrize(
    "change",
    [
        {"validate#evaluation#memory_limit": 2**21},
        {"network_def#chunk_bytes": 2**20},
        {"micro_batch_size": 1},
        {"num_workers": 1},
    ],
)
def test_what_changes_no_result_may_change_on_the_way(
    change: dict, begun: Path, phantoms: Path, tmp_path: Path
) -> None:
    shutil.copytree(begun, tmp_path / "out")
    train(tmp_path / "out", phantoms, max_epochs=1, resume=True, **change)


def test_the_schedule_ends_with_the_training(tmp_path: Path) -> None:
    data = write_phantom_images(tmp_path / "data", n_per_class=2, seed=2, kinds=("brain", "liver"))
    made = make_training(tmp_path / "out", data, max_epochs=20)  # 8 pictures in batches of 3
    made.initialize()
    schedule = made.parser.get_parsed_content("lr_scheduler")
    assert (schedule.warmup_steps, schedule.t_total) == (6, 60)
