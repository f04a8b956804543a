"""The command `bpfl-med`: the bundle with good defaults."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events

from bpfl_med.plain_errors import cause
from bpfl_med.resources import bundle_folder, configs_folder


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0 if all went well, 2 if input or settings cannot be used.

    Whatever cannot be used is said in one line on standard error, which names the file and the reason.
    """
    options = _parser().parse_args(arguments)
    failures: list[str] = []
    try:
        with contextlib.ExitStack() as stack:
            if not options.debug:
                stack.enter_context(_silent_libraries())
            predict(options, failures)
    except Exception as error:
        failures.append(_sentence(error))
        if options.debug:
            raise
    for failure in failures:
        print(f"bpfl-med: {failure}", file=sys.stderr)
    return 2 if failures else 0


def predict(options: argparse.Namespace, failures: list[str]) -> None:
    """Score studies through the bundle's inference config; add a sentence for each that could not be scored."""
    from monai.bundle import ConfigWorkflow

    configs = configs_folder()
    files = [bundle_folder() / "configs" / "inference.json", _overlay(configs / "modalities", options.modality)]
    if options.backbone:
        files.append(_overlay(configs / "backbones", options.backbone))
    settings: dict[str, Any] = {
        "bundle_root": str(bundle_folder()),
        "dataset_dir": str(options.study),
        "output_dir": str(options.output),
        "class_name": options.class_name,
        "keep_going": not options.debug,
        **{key: value for key in _PASSED_ON if (value := getattr(options, key)) is not None},
    }
    for key, value in settings.items():
        if isinstance(value, str) and (value.startswith(("$", "@", "%")) or "#" in value):
            raise ValueError(
                f"{key} must not begin with $, @ or % nor hold #, which a config would read, got {value!r}"
            )
    workflow = ConfigWorkflow(
        config_file=[str(file) for file in files], workflow_type="infer", logging_file=False, **settings
    )
    workflow.initialize()
    workflow.evaluator.state.failures = failures
    workflow.evaluator.add_event_handler(Events.ITERATION_COMPLETED, _say_result, options.output)
    workflow.run()


def _say_result(engine: Engine, output: Path) -> None:
    """Print one line for a study whose results were written."""
    prediction = engine.state.output["pred"]
    if prediction is None:
        return
    folder = output / engine.state.output["image"].study.name
    if (folder / "result.json").is_file():
        slices = ", ".join(map(str, prediction.ranking[:3])) or "none"
        caution = f" ({engine.network.notice.split(':')[0]})" if engine.network.notice else ""
        print(f"{folder}: score {prediction.volume_score:.3f} of 0 to 1, slices to look at (from 0): {slices}{caution}")


@contextlib.contextmanager
def _silent_libraries() -> Iterator[None]:
    """Keep what libraries say off standard error, decoders written in C included, while a block runs.

    What a person must know is in result.json, or said by this program.
    """
    disabled = logging.root.manager.disable
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "w") as nowhere, warnings.catch_warnings(action="ignore"):  # noqa: PTH123  a device
            os.dup2(nowhere.fileno(), 2)
            logging.disable(logging.CRITICAL)
            yield
    finally:
        logging.disable(disabled)
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)


_PASSED_ON = (
    "plane", "threshold", "series_uid", "take_all", "volume_index", "allow_gaps", "resume", "shared_prompts",
    "prompts_file", "n_samples", "seed", "batch_size",
)  # fmt: skip


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bpfl-med", description="Zero-shot anomaly detection for radiology. Research only."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    predict = commands.add_parser("predict", help="score a study and write overlays")
    # Options that are left out are not passed on, so that each default is written in the bundle alone.
    predict.add_argument("study", type=Path, help="a NIfTI or NRRD file, a DICOM file, or a folder of them")
    predict.add_argument("-o", "--output", type=Path, required=True, help="folder that gets one folder a study")
    predict.add_argument("--class-name", required=True, help="what the scan shows, such as brain")
    predict.add_argument(
        "--modality", required=True, help="grey levels: a name from configs/modalities, such as ct-brain"
    )
    predict.add_argument("--backbone", help="a name from configs/backbones; ViT-L/14@336 if left out")
    predict.add_argument("--plane", choices=["axial", "coronal", "sagittal", "acquired"], help="plane of the slices")
    predict.add_argument("--threshold", help="of the mask: 0 to 1, a percentile such as p99.5, or checkpoint")
    predict.add_argument("--series", dest="series_uid", metavar="UID", help="take this DICOM series")
    predict.add_argument("--all", dest="take_all", action="store_true", default=None, help="take all studies")
    predict.add_argument("--volume", dest="volume_index", type=int, help="which volume of a 4-D file, from 0")
    predict.add_argument("--allow-gaps", action="store_true", default=None, help="accept a stack with missing slices")
    predict.add_argument("--resume", action="store_true", default=None, help="leave out studies that have results")
    predict.add_argument("--shared-prompts", type=int, metavar="N", help="one set of prompts a volume, from N slices")
    predict.add_argument("--prompts-file", help="trained prompts")
    predict.add_argument("--n-samples", type=int, help="Monte Carlo samples")
    predict.add_argument("--seed", type=int, help="of the Monte Carlo noise")
    predict.add_argument("--batch-size", type=int, help="slices at a time")
    predict.add_argument("--debug", action="store_true", help="show where an error came from")
    return parser


def _overlay(folder: Path, name: str) -> Path:
    known = {file.stem: file for file in sorted(folder.glob("*.yaml"))}
    if name not in known:
        raise ValueError(f"there is no preset {name!r} in configs/{folder.name}; there are {', '.join(known)}")
    return known[name]


def _sentence(error: BaseException) -> str:
    """Give the text of an error on one line."""
    error = cause(error)
    text = " ".join(str(error).split())
    return text if isinstance(error, ValueError | OSError) else f"{type(error).__name__}: {text}; see --debug"


if __name__ == "__main__":
    sys.exit(main())
