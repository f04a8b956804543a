"""What one run over one data set has written of itself."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class RunResult:
    """The report of one run.

    Attributes:
        folder: of the run.
        report: content of its `metrics.json`.
    """

    folder: Path
    report: dict[str, Any]

    @classmethod
    def read(cls, folder: Path) -> RunResult:
        """Read the report of one run.

        Raises:
            ValueError: if it cannot be read.
        """
        path = folder / "metrics.json"
        try:
            result = cls(folder, json.loads(path.read_text(encoding="utf-8")))
            _ = result.protocol, result.metrics, result.notice
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path} is no report of an evaluation ({error!r}); move it away") from error
        return result

    @property
    def dataset(self) -> str:
        """Name of the data set."""
        return self.report["dataset"]["name"]

    @property
    def method(self) -> str:
        """Name of the network with its backbone, and the caution that must stand wherever a number does."""
        network = self.report["network"]
        backbone = network.get("backbone", {}).get("name")
        name = f"{network['name']} on {backbone}" if backbone else network["name"]
        return f"{name}, {network['caution']}" if network["caution"] else name

    @property
    def notice(self) -> str | None:
        """The sentence that must stand wherever numbers do."""
        return self.report["notice"]

    @property
    def metrics(self) -> dict[str, float]:
        """Mean metrics in percent, those that are defined."""
        mean = self.report["metrics"]["mean"]
        return {name: 100 * value for name, value in mean.items() if value is not None}

    @property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """Bounds of the mean metrics in percent, of a run that was asked for them."""
        mean = (self.report.get("intervals") or {"mean": {}})["mean"]
        return {name: (100 * bounds[0], 100 * bounds[1]) for name, bounds in mean.items() if bounds is not None}

    @property
    def protocol(self) -> str:
        """How the numbers were made, in a sentence."""
        dataset, settings, network = (self.report[key] for key in ("dataset", "settings", "network"))
        score = settings["image_score"]
        if score == "released":
            score += f" (mean of the {settings['top_k']} largest pixels"
            own = settings["top_k_by_class"]
            score += f"; {', '.join(f'{name} {number}' for name, number in own.items())})" if own else ")"
        parts = [
            f"{dataset['n_images']} images ({dataset['n_normal']} normal, {dataset['n_abnormal']} abnormal)",
            f"image score {score}",
        ]
        if "pixel" in settings["metrics"]:
            limit = settings["aupro_fpr_limit"]
            parts.append(f"pixel metrics with sigma {settings['smoothing_sigma']}, AUPRO to FPR {limit}")
        parts += [f"{key} {network[key]}" for key in ("n_samples", "seed") if network.get(key) is not None]
        if checksum := network.get("checksum"):
            parts.append(f"weights {checksum[:12]}")
        if len(class_names := list(self.report["metrics"]["classes"])) in (1, 2):
            parts.append(f"class name {', '.join(class_names)}")
        if intervals := self.report.get("intervals"):
            parts.append(f"{100 * intervals['confidence']:g} % intervals of {intervals['n_resamples']} resamples")
        if dataset["skipped"]:
            parts.append(f"{len(dataset['skipped'])} images left out")
        return f"{self.dataset}, {self.method}: {'; '.join(parts)}"


def read_results(folder: str | Path) -> list[RunResult]:
    """Read the reports of all runs in folders below a folder, sorted by path.

    Raises:
        ValueError: if a report cannot be read.
    """
    return [RunResult.read(path.parent) for path in sorted(Path(folder).rglob("metrics.json"))]
