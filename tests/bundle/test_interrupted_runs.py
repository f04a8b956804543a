"""A run that was killed goes on where it stopped, in one process or several, and gives what an unbroken one gives."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch
from bundle_files import BUNDLE, DEMO, REPOSITORY, SMALL

from bpfl_med.demo import write_phantom_images
from bpfl_med.workflow.plain_errors import cause

SEVERAL = (*DEMO, BUNDLE / "configs/multi_gpu.json")
FILES = ("metrics.json", "metrics.csv", "images.csv")
N_IMAGES = 15  # of 16, so that two processes have unequal shares


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    return write_phantom_images(tmp_path_factory.mktemp("phantoms"), n_per_class=4, seed=3, kinds=("brain", "liver"))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """The same arithmetic as in the other processes, to compare bytes."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


def settings(pictures: Path, **changes: object) -> dict:
    few = {
        "checked_datalist::items": f"$@datalist[:{N_IMAGES}]",
        "batch_size": 1,
        "n_pictures": 0,
        "bootstrap_resamples": 20,
    }
    return {"dataset_dir": str(pictures), **few, **changes}


def command(files: Sequence[Path], out: Path, overrides: dict) -> list[str]:
    arguments = {"bundle_root": BUNDLE, "output_dir": out, **SMALL, **overrides}
    listed = [
        part for key, value in arguments.items() for part in (f"--{key}", f"${value}" if value is None else str(value))
    ]
    return ["-m", "monai.bundle", "run", "evaluating", "--config_file", str([str(file) for file in files]), *listed]


def environment(**variables: object) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("SLURM")}
    return {**kept, "OMP_NUM_THREADS": "1", **{key: str(value) for key, value in variables.items()}}


def start(files: Sequence[Path], out: Path, overrides: dict, **variables: object) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, *command(files, out, overrides)], cwd=REPOSITORY, env=environment(**variables)
    )


def kill_when(ready, processes: Sequence[subprocess.Popen]) -> None:
    """Send SIGKILL once there is enough progress; the run must not have ended before."""
    deadline = time.monotonic() + 600
    while not ready() and time.monotonic() < deadline:
        time.sleep(0.002)
    for process in processes:
        process.kill()
    assert [process.wait() for process in processes] == [-signal.SIGKILL] * len(processes)


def done(out: Path) -> set[int]:
    return {int(path.stem) for path in (out / ".progress").glob("[0-9]*.npz")}


def assert_same_reports(one: Path, other: Path) -> None:
    for name in FILES:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    assert not (one / ".progress").exists()
    assert not (other / ".progress").exists()


def test_two_killed_processes_are_resumed_by_two(run, pictures, tmp_path):
    """The first two are joined as SLURM starts them, the next two by torchrun; the reference is one process."""
    out, slow = tmp_path / "several", settings(pictures, n_pictures=100)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    job = {"SLURM_JOB_ID": port, "SLURM_NTASKS": 2, "SLURM_JOB_NODELIST": "localhost", "SLURM_JOB_NUM_NODES": 1}
    job["MASTER_PORT"] = port
    ranks = [start(SEVERAL, out, slow, SLURM_PROCID=rank, SLURM_LOCALID=rank, **job) for rank in (0, 1)]
    kill_when(lambda: {number % 2 for number in done(out)} == {0, 1}, ranks)
    assert 2 <= len(done(out)) < N_IMAGES
    shutil.copytree(out, tmp_path / "half")

    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "--standalone"]
    subprocess.run(
        [*torchrun, *command(SEVERAL, out, settings(pictures))], cwd=REPOSITORY, env=environment(), check=True
    )
    run(DEMO, output_dir=str(tmp_path / "one"), **settings(pictures))
    assert_same_reports(out, tmp_path / "one")
    with (out / "images.csv").open(newline="") as file:
        assert [int(row["index"]) for row in csv.DictReader(file)] == list(range(N_IMAGES))
    assert json.loads((out / "run.json").read_text())["n_processes"] == 2

    # One process takes over what two have left.
    run(DEMO, output_dir=str(tmp_path / "half"), **settings(pictures))
    assert_same_reports(tmp_path / "half", tmp_path / "one")


@pytest.fixture(scope="module")
def killed(pictures, tmp_path_factory) -> Path:
    """The output of one process that was killed when some images were scored."""
    out = tmp_path_factory.mktemp("killed") / "out"
    process = start(DEMO, out, settings(pictures, n_pictures=100))
    kill_when(lambda: len(done(out)) >= 4, [process])
    assert 4 <= len(done(out)) < N_IMAGES
    assert not (out / "metrics.json").exists()
    return out


@pytest.fixture
def half(killed, tmp_path) -> Path:
    return Path(shutil.copytree(killed, tmp_path / "half"))


def test_a_killed_process_is_resumed_where_it_stopped(workflow, run, pictures, half, tmp_path):
    n_done = len(done(half))
    made = workflow(DEMO, output_dir=str(half), **settings(pictures))
    made.initialize()
    made.run()
    assert made.evaluator.state.iteration == N_IMAGES - n_done
    run(DEMO, output_dir=str(tmp_path / "unbroken"), **settings(pictures))
    assert_same_reports(half, tmp_path / "unbroken")


def test_a_run_killed_before_its_report_only_writes_it(run, pictures, tmp_path, monkeypatch):
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr("bpfl_med.handlers.EvaluationJournal.remove", lambda journal: None)
        run(DEMO, **settings(pictures))
    first = {name: (out / name).read_bytes() for name in FILES}
    for name in FILES:
        (out / name).unlink()
    made = run(DEMO, **settings(pictures))
    assert made.evaluator.state.iteration == 0
    assert {name: (out / name).read_bytes() for name in FILES} == first


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"seed": 334}, "network.seed was 333, is now 334"),
        ({"seed": 334}, "network.checksum was "),
        ({"smoothing_sigma": 4}, "(settings.smoothing_sigma was 1.5, is now 4)"),
        ({"batch_size": 2}, "(batch_size was 1, is now 2)"),
        ({"checked_datalist::items": "$@datalist[:9]"}, "dataset.n_images was 15, is now 9"),
    ],
)
def test_progress_of_other_settings_is_refused(workflow, pictures, half, changes, sentence):
    before = done(half)
    made = workflow(DEMO, output_dir=str(half), **settings(pictures, **changes))
    with pytest.raises(RuntimeError) as caught:
        made.initialize()
    text = str(cause(caught.value))
    assert text.startswith(f"{half}/.progress holds the progress of an unfinished run with other settings (")
    assert sentence in text
    assert text.endswith("choose another output_dir, or remove that folder to begin anew")
    assert done(half) == before


def test_a_picture_changed_since_is_refused(workflow, pictures, half, tmp_path):
    changed = Path(shutil.copytree(pictures, tmp_path / "changed"))
    shutil.copy(changed / "brain/normal/001.png", changed / "brain/normal/000.png")
    made = workflow(DEMO, output_dir=str(half), **settings(changed))
    with pytest.raises(RuntimeError) as caught:
        made.initialize()
    assert "dataset.checksum was " in str(cause(caught.value))


def test_a_damaged_file_of_progress_is_named(workflow, pictures, half):
    damaged = half / f".progress/{min(done(half)):06d}.npz"
    damaged.write_bytes(damaged.read_bytes()[:100])
    made = workflow(DEMO, output_dir=str(half), **settings(pictures))
    made.initialize()
    with pytest.raises(RuntimeError) as caught:
        made.run()
    text = str(cause(caught.value))
    assert text.startswith(f"{damaged} is damaged (")
    assert text.endswith("; remove it and run again, to score its images anew")


@pytest.mark.parametrize("launcher", ["WORLD_SIZE", "SLURM_STEP_NUM_TASKS"])
def test_processes_that_are_not_joined_are_refused(workflow, pictures, monkeypatch, launcher):
    monkeypatch.setenv(launcher, "3")
    made = workflow(DEMO, **settings(pictures))
    with pytest.raises(RuntimeError) as caught:
        made.initialize()
    assert "3 processes were started that know nothing of one another; add the bundle's" in str(cause(caught.value))


def test_a_shell_with_several_cores_of_slurm_is_one_process(workflow, pictures, monkeypatch, tmp_path):
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "4")
    monkeypatch.setenv("SLURM_PTY_PORT", "40000")
    workflow(DEMO, output_dir=str(tmp_path), **settings(pictures)).initialize()
