"""`bpfl-med datasets`: which data sets there are configs of, and whether a copy is as published."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from bpfl_med.commands.console import Console
from bpfl_med.commands.presets import dataset_file, preset_file, refuse_config_syntax
from bpfl_med.workflow.resources import bundle_folder, configs_folder

_EXIT_CODES = "Ends with 0 if the copy can be used, 1 if it differs from what is published, 2 if it cannot be read."


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Declare the command and its options."""
    datasets = commands.add_parser("datasets", help="list the known data sets, or check a copy of one")
    actions = datasets.add_subparsers(dest="action", required=True)
    actions.add_parser("list", help="list the data sets that there are configs of")
    check = actions.add_parser("check", help="compare a copy with what is published", description=_EXIT_CODES)
    check.add_argument("name", help="of the list, or a config file of your own")
    check.add_argument("root", type=Path, help="folder of the copy")
    check.add_argument("--layout", help="a name from configs/layouts, such as meta_json for curated copies")
    # Also behind the action's own arguments, where a hint to it is followed.
    check.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    return datasets


def run(options: argparse.Namespace, console: Console) -> int:
    """List data sets, or check a copy; return 1 if the copy differs from what is published, else 0."""
    if options.action == "list":
        _list(console)
        return 0
    return _check(options.name, options.root, options.layout, console)


def _list(console: Console) -> None:
    from monai.bundle import ConfigParser

    folder = configs_folder() / "datasets"
    for path in sorted(folder.glob("*.yaml")):
        config = ConfigParser.load_config_file(path)
        if "dataset_name" in config:
            counts = config.get("published_counts")
            told = f"{counts['normal']:5d} normal {counts['abnormal']:5d} abnormal" if counts else ""
            console.report(f"{path.stem:24s} {told:28s} {config['dataset_name']}")
    console.report(f"Where to get them, and their traps: {folder}/NAME.yaml")


def _check(name: str, root: Path, layout: str | None, console: Console) -> int:
    from monai.bundle import ConfigParser

    from bpfl_med.data.dataset_check import check_dataset
    from bpfl_med.data.volume_check import check_volumes
    from bpfl_med.workflow.unused_settings import refuse_unused

    configs = bundle_folder() / "configs"
    files = [configs / "inference.json", configs / "evaluate.json", dataset_file(name)]
    files += [preset_file("layouts", layout)] if layout else []
    refuse_config_syntax({"the folder": str(root)})
    parser = ConfigParser()
    parser.read_config([str(file) for file in files])
    refuse_unused(parser.get(), configs, known={"_meta_"})
    parser["dataset_dir"] = str(root)
    counts = parser.get_parsed_content("published_counts")
    if "volumes" in parser:
        findings = check_volumes(
            parser.get_parsed_content("volumes"),
            published_counts=counts,
            lesion_above=parser.get_parsed_content("lesion_above"),
        )
    else:
        findings = check_dataset(
            parser.get_parsed_content("datalist"),
            root,
            published_counts=counts,
            mask_threshold=parser.get_parsed_content("mask_threshold"),
            need_masks="pixel" in parser.get_parsed_content("metrics"),
        )
    console.report(f"{parser.get_parsed_content('dataset_name')} in {root}")
    for finding in findings:
        console.report(f"{'  DIFFERS: ' if finding.differs else '  '}{finding.sentence}.")
    differs = any(finding.differs for finding in findings)
    wrong = "The copy cannot be used as it is." if counts is None else "The copy differs from what is published."
    console.report(wrong if differs else "The copy can be used.")
    return int(differs)
