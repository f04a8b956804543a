"""`python -m bpfl_med.speed`: measure the network's speed on this machine against the released program's way."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from bpfl_med.networks.linear_kernel import processor_name
from bpfl_med.speed.report import side_by_side_text
from bpfl_med.speed.side_by_side import SideBySide
from bpfl_med.speed.workload import networks, random_backbone, random_pictures


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark, print its tables and write `speed.md` and `speed.json`."""
    options = _parser().parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    backbone = random_backbone(options.model, image_size=options.image_size, seed=0)
    built = networks(backbone, options.precisions, device, n_prompts=options.n_prompts, n_samples=options.n_samples)
    comparison = SideBySide(built, random_pictures(options.rounds, options.image_size), options.class_name)
    comparison.run()
    record = {"machine": _machine(device), "settings": _settings(options), "side_by_side": comparison.record()}
    text = f"{_title(record)}\n\n{side_by_side_text(record['side_by_side'])}"
    print(text)
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "speed.md").write_text(text)
    (options.output / "speed.json").write_text(json.dumps(record, indent=2) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bpfl_med.speed", description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/speed"), help="folder of speed.md, speed.json")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, help="of the CPU; as PyTorch chooses if left out")
    parser.add_argument("--model", default="ViT-L-14-336", help="open_clip's name of an architecture, or demo")
    parser.add_argument("--image-size", type=int, default=518)
    parser.add_argument("--n-prompts", type=int, default=3, help="B")
    parser.add_argument("--n-samples", type=int, default=10, help="R")
    parser.add_argument("--class-name", default="brain")
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is timed, each with another image")
    parser.add_argument("--precisions", nargs="*", default=["bfloat16"], help="beside float32")
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


def _title(record: dict[str, Any]) -> str:
    machine, settings = record["machine"], record["settings"]
    return (
        f"{settings['model']} at {settings['image_size']} pixels, B = {settings['n_prompts']}, "
        f"R = {settings['n_samples']}, random weights, one image at a time; {machine['device']}, "
        f"{machine['threads']} threads, {machine['processor']}, torch {machine['torch']}"
    )


if __name__ == "__main__":
    sys.exit(main())
