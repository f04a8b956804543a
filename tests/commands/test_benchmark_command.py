"""`bpfl-med benchmark` over small data sets, with the demonstration backbone."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from bpfl_med import cli
from bpfl_med.checkpoints import read_tensors
from bpfl_med.demo import demo_prompts, write_phantom_images
from bpfl_med.figures.panels import panels_picture
from bpfl_med.networks.checkpoint_record import read_record

OVERLAY = "{image_size: 64, prompts_file: null, n_samples: 2, num_workers: 0, n_pictures: 0, n_cases: 0}"


@pytest.fixture
def sets(tmp_path: Path) -> Path:
    """Phantoms as BrainMRI and as Kvasir-SEG are distributed."""
    phantoms = write_phantom_images(tmp_path / "phantoms", n_per_class=2, seed=4)
    for ours, theirs in (("normal", "no"), ("abnormal", "yes")):
        shutil.copytree(phantoms / "brain" / ours, tmp_path / "brains" / theirs)
    shutil.copytree(phantoms / "liver/abnormal", tmp_path / "polyps/images")
    shutil.copytree(phantoms / "liver/mask", tmp_path / "polyps/masks")
    for folder in ("images", "masks"):
        for path in (tmp_path / "polyps" / folder).iterdir():
            path.rename(path.with_suffix(".jpg"))
    (tmp_path / "small.yaml").write_text(OVERLAY)
    return tmp_path


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # the bundle sets it
    monkeypatch.setattr("bpfl_med.handlers.EvaluationFigures.attach", lambda handler, engine: None)  # takes long


def benchmark(sets: Path, *options: object) -> int:
    given = ("benchmark", *options, "-o", sets / "out", "--backbone", "demo", "--config", sets / "small.yaml")
    return cli.main([str(option) for option in given])


def test_sets_and_baseline_stand_in_one_table(sets, capfd):
    assert benchmark(sets, f"brain_mri={sets}/brains", f"kvasir_seg={sets}/polyps", "--baseline") == 0
    said = capfd.readouterr().out.splitlines()
    assert said[0] == f"{sets}/out/bayes_pfl/brain_mri: 4 images ..."
    assert said[1].startswith(f"{sets}/out/bayes_pfl/brain_mri: done: image_auroc ")
    assert said[-4:] == [f"{sets}/out/table.{suffix}" for suffix in ("md", "tex", "csv", "json")]
    table = (sets / "out/table.md").read_text()
    for name in ("bayes_pfl", "prompt_ensemble"):
        report = json.loads((sets / f"out/{name}/brain_mri/metrics.json").read_text())
        mean = report["metrics"]["mean"]
        shown = " / ".join(f"{100 * mean[f'image_{key}']:.1f}" for key in ("auroc", "f1_max", "ap"))
        named = f"{report['network']['name']} on demonstration, {report['network']['caution']}"
        assert f"| **{named}** | {shown} |" in table
        assert f"> **{report['notice']}**" in table
    assert "| AdaCLIP | 94.4 / - / 93.1 [P] |" in table
    assert "BrainMRI: ours are of 4 images (2 normal, 2 abnormal), published ones of 153 (" in table


def test_a_finished_set_is_run_again_only_with_other_settings(sets, capfd):
    command = (f"brain_mri={sets}/brains",)
    assert benchmark(sets, *command) == 0
    written = (sets / "out/bayes_pfl/brain_mri/metrics.json").stat().st_mtime_ns
    capfd.readouterr()
    assert benchmark(sets, *command) == 0
    assert capfd.readouterr().out.startswith(f"{sets}/out/bayes_pfl/brain_mri: was finished: image_auroc ")
    assert (sets / "out/bayes_pfl/brain_mri/metrics.json").stat().st_mtime_ns == written
    assert benchmark(sets, *command, "--seed", 7) == 0
    assert ": done: " in capfd.readouterr().out
    assert json.loads((sets / "out/bayes_pfl/brain_mri/metrics.json").read_text())["network"]["seed"] == 7


def test_options_reach_the_evaluation(sets):
    options = ("--bootstrap-resamples", 5, "--n-samples", 3, "--batch-size", 3)
    assert benchmark(sets, f"brain_mri={sets}/brains", *options) == 0
    report = json.loads((sets / "out/bayes_pfl/brain_mri/metrics.json").read_text())
    assert report["intervals"]["n_resamples"] == 5
    assert report["network"]["n_samples"] == 3


def test_one_bad_set_does_not_cost_the_others(sets, capfd):
    (sets / "brains/yes/bad.jpg").write_bytes(b"no picture")
    assert benchmark(sets, f"brain_mri={sets}/brains", f"kvasir_seg={sets}/polyps") == 3
    said = capfd.readouterr().err
    folder, picture = sets / "out/bayes_pfl/brain_mri", sets / "brains/yes/bad.jpg"
    assert f"bpfl-med: {folder}: 1 of 5 items of the data set cannot be used: {picture}" in said
    table = (sets / "out/table.md").read_text()
    assert "Kvasir-SEG" in table
    assert "BrainMRI" not in table


def test_outlines_are_drawn_at_the_threshold_that_the_prompts_store(sets, monkeypatch):
    drawn = []
    draw = panels_picture

    def note(panels, **settings):
        drawn.append(panels[1].title)
        return draw(panels, **settings)

    monkeypatch.setattr("bpfl_med.handlers.overlay_pictures.panels_picture", note)
    (sets / "small.yaml").write_text("{num_workers: 0, n_pictures: 1, n_cases: 1, threshold: checkpoint}")
    assert benchmark(sets, f"brain_mri={sets}/brains") == 0
    stored = read_record(read_tensors(demo_prompts())["_extra_state"])["threshold"]
    assert set(drawn) == {f"anomaly map; orange: at least {stored:.3g}"}


def test_results_among_the_pictures_are_refused(sets, capfd):
    """A second run without labels would score the pictures that the first one drew."""
    (sets / "out").symlink_to(sets / "brains/out")
    assert benchmark(sets, f"brain_mri={sets}/brains") == 2
    assert f"lies in {sets}/brains, where the input is; choose an output folder beside it" in capfd.readouterr().err


def test_a_class_name_that_changes_nothing_is_refused(sets, capfd):
    (sets / "word.yaml").write_text("class_name: head")
    assert benchmark(sets, f"brain_mri={sets}/brains", "--config", sets / "word.yaml") == 2
    assert "class_name 'head' would change nothing, because" in capfd.readouterr().err
    (sets / "word.yaml").write_text("{class_name: head, datalist#class_name: '@class_name'}")
    assert benchmark(sets, f"brain_mri={sets}/brains", "--config", sets / "word.yaml") == 0


def test_a_report_is_there_when_all_is_drawn(sets, monkeypatch):
    """What was killed while it drew is done again, but for the scoring; and its speed is that of nothing."""
    with monkeypatch.context() as patch:
        patch.setattr("bpfl_med.handlers.CasePictures._draw", lambda *_: 1 / 0)
        assert benchmark(sets, f"brain_mri={sets}/brains") == 2
    folder = sets / "out/bayes_pfl/brain_mri"
    assert not (folder / "metrics.json").exists()
    assert benchmark(sets, f"brain_mri={sets}/brains") == 0
    run = json.loads((folder / "run.json").read_text())
    assert (run["seconds"], run["images_per_second_of_first_process"]) == (None, None)
    assert (folder / "metrics.json").exists()


def test_a_percentile_is_refused_before_pictures_are_scored(sets, capfd):
    (sets / "percentile.yaml").write_text("threshold: p99.5")
    assert benchmark(sets, f"brain_mri={sets}/brains", "--config", sets / "percentile.yaml") == 2
    assert "p99.5 is a percentile of a volume's map; for pictures give a number" in capfd.readouterr().err
    assert not (sets / "out").exists()


def test_a_setting_that_a_part_does_not_take_is_told_with_what_to_do(sets, capfd):
    (sets / "misspelt.yaml").write_text("network_def#n_sample: 3")
    assert benchmark(sets, f"brain_mri={sets}/brains", "--config", sets / "misspelt.yaml") == 2
    last = capfd.readouterr().err.splitlines()[-1]
    assert last.startswith(f"bpfl-med: {sets}/out/bayes_pfl/brain_mri: BayesPFL")
    assert (
        "'n_sample'; check the spelling of that setting on the command line and in the config files; there are " in last
    )
    assert "n_samples" in last


@pytest.mark.parametrize(
    ("dataset", "sentence"),
    [
        ("brain_mri", "write NAME=ROOT, a data set's name and its folder, got 'brain_mri'"),
        ("brain_mri=/nowhere", "There is no folder /nowhere; give the one where brain_mri lies"),
        ("brain_mr=/", "there is no preset 'brain_mr' in configs/datasets; there are br35h, brain_mri"),
    ],
)
def test_a_mistake_is_told_before_any_set_is_run(sets, capfd, dataset, sentence):
    assert benchmark(sets, f"kvasir_seg={sets}/polyps", dataset) == 2
    assert capfd.readouterr().err.startswith(f"bpfl-med: {sentence}")
    assert not (sets / "out").exists()


def test_two_sets_of_one_name_are_not_written_over_one_another(sets, capfd):
    assert benchmark(sets, f"kvasir_seg={sets}/polyps", f"kvasir_seg={sets}/brains") == 2
    assert f"would both be written to {sets}/out/bayes_pfl/kvasir_seg; run one at a time" in capfd.readouterr().err
    assert not (sets / "out").exists()
