"""`bpfl-med predict`: score scans and write overlays."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events

from bpfl_med.commands.console import Console
from bpfl_med.commands.presets import preset_file, refuse_config_syntax
from bpfl_med.workflow.resources import bundle_folder

_PASSED_ON = (
    "plane", "threshold", "series_uid", "take_all", "volume_index", "allow_gaps", "resume", "shared_prompts",
    "prompts_file", "n_samples", "seed", "batch_size",
)  # fmt: skip


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Declare the command and its options."""
    predict = commands.add_parser("predict", help="score a scan and write overlays")
    # Options that are left out are not passed on, so that each default is written in the bundle alone.
    predict.add_argument("scan", type=Path, help="a NIfTI or NRRD file, a DICOM file, or a folder of them")
    predict.add_argument("-o", "--output", type=Path, required=True, help="folder that gets one folder a scan")
    predict.add_argument("--class-name", required=True, help="what the scan shows, such as brain")
    predict.add_argument(
        "--modality", required=True, help="grey levels: a name from configs/modalities, such as ct-brain"
    )
    predict.add_argument("--backbone", help="a name from configs/backbones; ViT-L/14@336 if left out")
    predict.add_argument("--plane", choices=["axial", "coronal", "sagittal", "acquired"], help="plane of the slices")
    predict.add_argument("--threshold", help="of the mask: 0 to 1, a percentile such as p99.5, or checkpoint")
    predict.add_argument("--series", dest="series_uid", metavar="UID", help="take this DICOM series")
    predict.add_argument("--all", dest="take_all", action="store_true", default=None, help="take all scans")
    predict.add_argument("--volume", dest="volume_index", type=int, help="which volume of a 4-D file, from 0")
    predict.add_argument("--allow-gaps", action="store_true", default=None, help="accept a stack with missing slices")
    predict.add_argument("--resume", action="store_true", default=None, help="leave out scans that have results")
    predict.add_argument("--shared-prompts", type=int, metavar="N", help="one set of prompts a volume, from N slices")
    predict.add_argument("--prompts-file", help="trained prompts")
    predict.add_argument("--n-samples", type=int, help="Monte Carlo samples")
    predict.add_argument("--seed", type=int, help="of the Monte Carlo noise")
    predict.add_argument("--batch-size", type=int, help="slices at a time")
    return predict


def run(options: argparse.Namespace, console: Console) -> int:
    """Score scans through the bundle's inference config; say a sentence for each that could not be scored.

    Returns:
        0, 2 if no scan could be used, or 3 if some could not and others have results.
    """
    from monai.bundle import ConfigWorkflow

    files = [bundle_folder() / "configs" / "inference.json", preset_file("modalities", options.modality)]
    if options.backbone:
        files.append(preset_file("backbones", options.backbone))
    settings: dict[str, Any] = {
        "bundle_root": str(bundle_folder()),
        "dataset_dir": str(options.scan),
        "output_dir": str(options.output),
        "class_name": options.class_name,
        "keep_going": not options.debug,
        **{key: value for key in _PASSED_ON if (value := getattr(options, key)) is not None},
    }
    refuse_config_syntax(settings)
    workflow = ConfigWorkflow(
        config_file=[str(file) for file in files], workflow_type="infer", logging_file=False, **settings
    )
    if options.take_all:  # all headers are read, which takes hours in a large archive
        console.report(f"{options.scan}: looking for scans ...")
    workflow.initialize()
    workflow.evaluator.inferer.progress = console.terminal
    workflow.evaluator.add_event_handler(Events.ITERATION_COMPLETED, _say_outcome, options.output, console)
    n_scans, n_to_score = (len(workflow.parser.get_parsed_content(part)) for part in ("scans", "datalist"))
    if n_to_score < n_scans:
        console.report(f"{options.output}: {n_scans - n_to_score} of {n_scans} scans have results already")
    workflow.evaluator.run()  # not the config's `run`, which ends with an error if a scan failed
    n_failed = len(workflow.evaluator.state.failures)
    n_done = n_scans - n_failed
    if options.take_all:
        failed = f", {n_failed} could not be used" if n_failed else ""
        console.report(f"{options.output}: {n_done} of {n_scans} scans have results{failed}")
    if n_failed == 0:
        return 0
    return 3 if n_done else 2


def _say_outcome(engine: Engine, output: Path, console: Console) -> None:
    """Print one line for a scan: of its results, or why it has none."""
    from bpfl_med.handlers.scan_result import describe_result

    if (result := engine.state.result) is None:
        console.report_failure(engine.state.failures[-1])
    else:
        console.report(f"{output / result.volume.scan.name}: {describe_result(result)}")
