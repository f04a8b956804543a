"""`bpfl-med benchmark`: evaluate data sets one after another, and put the results beside published ones."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, NamedTuple

import ignite.distributed as idist

from bpfl_med.commands.console import Console
from bpfl_med.commands.presets import dataset_file, preset_file, refuse_config_syntax
from bpfl_med.workflow.plain_errors import describe_error
from bpfl_med.workflow.resources import bundle_folder

_PASSED_ON = ("n_samples", "seed", "batch_size", "num_workers", "bootstrap_resamples")


class _Run(NamedTuple):
    """One evaluation: with which config files and settings, to which folder."""

    files: list[Path]
    settings: dict[str, Any]
    folder: Path


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Declare the command and its options."""
    benchmark = commands.add_parser(
        "benchmark",
        help="evaluate data sets and write a table beside published numbers",
        description="A data set that is finished with the same settings is not run again, and a killed run goes on "
        "where it stopped. The table is of all results in the output folder.",
    )
    benchmark.add_argument(
        "datasets",
        nargs="+",
        metavar="NAME=ROOT",
        help="a name from configs/datasets or a config file, and its folder",
    )
    benchmark.add_argument("-o", "--output", type=Path, required=True, help="folder of results and tables")
    benchmark.add_argument("--backbone", help="a name from configs/backbones; ViT-L/14@336 if left out")
    benchmark.add_argument(
        "--baseline", action="store_true", help="evaluate the training-free prompt ensemble of the backbone as well"
    )
    benchmark.add_argument("--prompts-file", help="trained prompts")
    benchmark.add_argument("--layout", help="a name from configs/layouts, such as meta_json for curated copies")
    benchmark.add_argument(
        "--config", type=Path, action="append", default=[], metavar="FILE", help="a further config file, on top of all"
    )
    benchmark.add_argument("--n-samples", type=int, help="Monte Carlo samples")
    benchmark.add_argument("--seed", type=int, help="of the Monte Carlo noise")
    benchmark.add_argument("--batch-size", type=int, help="pictures at a time")
    benchmark.add_argument("--num-workers", type=int, help="processes that load pictures")
    benchmark.add_argument(
        "--bootstrap-resamples", type=int, metavar="N", help="bound metrics by the bootstrap over images"
    )
    return benchmark


def run(options: argparse.Namespace, console: Console) -> int:
    """Evaluate each data set that is not finished, and write the tables; say a sentence for each that failed.

    Returns:
        0, 2 if no data set could be evaluated, or 3 if some failed and others have results.
    """
    from bpfl_med.benchmark.comparison import compare
    from bpfl_med.benchmark.published import load_published
    from bpfl_med.benchmark.run_result import read_results
    from bpfl_med.benchmark.tables import write_tables

    planned_runs = _plan(options)
    n_failed = 0
    for planned in planned_runs:
        try:
            _evaluate(planned, console)
        except Exception as error:
            if options.debug or idist.get_world_size() > 1:  # the other processes would wait for this one
                raise
            console.report_failure(f"{planned.folder}: {describe_error(error)}")
            n_failed += 1
    is_first = idist.get_rank() == 0
    # Not between two data sets, because processes that have parted cannot join again.
    idist.finalize()
    if is_first and (results := read_results(options.output)):
        for path in write_tables(compare(results, load_published()), options.output):
            console.report(str(path))
    if n_failed == 0:
        return 0
    return 2 if n_failed == len(planned_runs) else 3


def _plan(options: argparse.Namespace) -> list[_Run]:
    """Give all evaluations, or raise before the first if one of them cannot be."""
    configs = bundle_folder() / "configs"
    above = [preset_file("layouts", options.layout)] if options.layout else []
    above += [preset_file("backbones", options.backbone)] if options.backbone else []
    shared = {key: value for key in _PASSED_ON if (value := getattr(options, key)) is not None}
    prompts = {"prompts_file": options.prompts_file} if options.prompts_file else {}
    variants: list[tuple[str, list[Path], dict[str, Any]]] = [("bayes_pfl", [], prompts)]
    if options.baseline:
        variants.append(("prompt_ensemble", [preset_file("baselines", "prompt_ensemble")], {}))
    runs: list[_Run] = []
    for text in options.datasets:
        name, separator, root = text.partition("=")
        if not separator:
            raise ValueError(f"write NAME=ROOT, a data set's name and its folder, got {text!r}")
        if not Path(root).is_dir():
            raise ValueError(f"There is no folder {root}; give the one where {name} lies")
        file = dataset_file(name)
        for variant, extra, settings in variants:
            folder = options.output / variant / file.stem
            if any(folder == planned.folder for planned in runs):
                raise ValueError(f"{text} and another data set would both be written to {folder}; run one at a time")
            places = {"bundle_root": str(bundle_folder()), "dataset_dir": root, "output_dir": str(folder)}
            given = {**places, **shared, **settings}
            refuse_config_syntax(given)
            files = [configs / "inference.json", configs / "evaluate.json", file, *above, *extra, *options.config]
            runs.append(_Run(files, given, folder))
    return runs


def _evaluate(planned: _Run, console: Console) -> None:
    """Run one evaluation to its end, unless it is there."""
    from monai.bundle import ConfigWorkflow

    from bpfl_med.benchmark.run_result import RunResult

    workflow = ConfigWorkflow(
        config_file=[str(file) for file in planned.files], workflow_type="infer", logging_file=False, **planned.settings
    )
    workflow.initialize()
    report, journal = (workflow.parser.get_parsed_content(name) for name in ("report", "journal"))
    is_finished = report.is_written and not journal.folder.exists()
    if not is_finished:
        _say(console, f"{planned.folder}: {report.description['dataset']['n_images']} images ...")
        workflow.run()
    result = RunResult.read(planned.folder)
    metrics = ", ".join(f"{name} {value:.1f}" for name, value in result.metrics.items()) or "no metric is defined"
    _say(console, f"{planned.folder}: {'was finished' if is_finished else 'done'}: {metrics}")


def _say(console: Console, text: str) -> None:
    if idist.get_rank() == 0:
        console.report(text)
