"""Measure the speed of the network on this machine, beside the released program's way of computing.

Four parts. "stages" times one image in both ways, with equal weights and equal results. "steps" times what lies
between the two, one step after the other. "volume" times what a CT of 512 x 512 x 155 voxels costs beside the network.
"sweeps" shows how the cost grows with samples, prompts, slices, pictures and processes. All weights are random; nothing
is downloaded.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from bpfl_med.machine.process_memory import keep_freed_memory
from bpfl_med.networks.autotune import processor_name
from bpfl_med.speed.report import Report, side_by_side_text, steps_text, sweeps_text, volume_text
from bpfl_med.speed.side_by_side import SideBySide
from bpfl_med.speed.workload import networks, random_backbone, random_pictures

_PARTS = ("stages", "steps", "volume", "sweeps")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; every part is printed and written as soon as it is measured."""
    options = _parser().parse_args(arguments)
    keep_freed_memory()
    if options.threads:
        torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    backbone = random_backbone(options.model, image_size=options.image_size, seed=0)
    built = networks(
        backbone,
        options.precisions,
        device,
        n_prompts=options.n_prompts,
        n_samples=options.n_samples,
        compile_options={"mode": options.compile} if options.compile else None,
    )
    report = Report(
        options.output, _title(options, device), {"machine": _machine(device), "settings": _settings(options)}
    )
    comparison = SideBySide(built, random_pictures(options.rounds, options.image_size), options.class_name)
    comparison.run()
    report.add("stages", comparison.record(), side_by_side_text)
    seconds = {precision: comparison.measurements[precision].seconds for precision in built}
    if "steps" in options.parts:
        from bpfl_med.speed.steps import measure_steps

        steps = measure_steps(built["float32"], comparison.images[0], options.class_name, rounds=options.rounds)
        report.add("steps", steps, steps_text)
    if "volume" in options.parts:
        from bpfl_med.speed.volume import measure_volume

        with tempfile.TemporaryDirectory() as folder:
            measured = measure_volume(
                built["float32"],
                seconds,
                options.class_name,
                folder=Path(folder),
                side=options.side,
                n_slices=options.n_slices,
            )
        report.add("volume", measured, volume_text)
    if "sweeps" in options.parts:
        from bpfl_med.speed.plots import draw_sweeps
        from bpfl_med.speed.sweeps import run_sweeps

        sweeps = run_sweeps(built, comparison.images[0], options.class_name, largest=options.largest)
        draw_sweeps(sweeps, options.output / "speed.png")
        report.add("sweeps", sweeps, sweeps_text)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bpfl_med.speed", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("-o", "--output", type=Path, default=Path("runs/speed"), help="folder of speed.md, .json, .png (%(default)s)")
    add("--parts", nargs="+", choices=_PARTS, default=_PARTS, help="stages are always measured (all)")
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="%(default)s")
    add("--threads", type=int, help="of the CPU (as PyTorch chooses)")
    add("--model", default="ViT-L-14-336", help="open_clip's name of an architecture, or demo (%(default)s)")
    add("--image-size", type=int, default=518, help="pixels (%(default)s)")
    add("--n-prompts", type=int, default=3, help="B, prompts in a bank (%(default)s)")
    add("--n-samples", type=int, default=10, help="R, Monte Carlo samples (%(default)s)")
    add("--class-name", default="brain", help="%(default)s")
    add("--rounds", type=int, default=3, help="how often both ways are timed, in turn (%(default)s)")
    add("--precisions", nargs="*", default=["bfloat16"], help="beside float32: bfloat16, float16 (bfloat16)")
    add(
        "--compile", metavar="MODE", help="of torch.compile for our image tower, such as reduce-overhead (not compiled)"
    )
    add("--side", type=int, default=512, help="rows and columns of the CT (%(default)s)")
    add("--n-slices", type=int, default=155, help="slices of the CT (%(default)s)")
    add("--largest", type=int, default=1000, help="slices and pictures of the largest sweep (%(default)s)")
    return parser


def _machine(device: torch.device) -> dict[str, Any]:
    return {
        "processor": processor_name(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    return {key: value for key, value in vars(options).items() if key != "output"}


def _title(options: argparse.Namespace, device: torch.device) -> str:
    machine = _machine(device)
    return (
        f"{options.model} at {options.image_size} pixels, B = {options.n_prompts}, R = {options.n_samples}, random "
        f"weights, one image at a time; {machine['device']}, {machine['threads']} threads, {machine['processor']}, "
        f"torch {machine['torch']}"
    )


if __name__ == "__main__":
    sys.exit(main())
