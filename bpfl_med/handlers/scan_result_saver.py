"""Turn the prediction of a scan into a folder of results that is there whole or not at all."""

from __future__ import annotations

import errno
import json
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ignite.engine import Engine, Events

from bpfl_med.data.scan_failure import failure_sentence
from bpfl_med.data.scan_volume import ScanVolume
from bpfl_med.data.scans import Scan
from bpfl_med.dicom.algorithm import Algorithm
from bpfl_med.dicom.source_images import read_source_images
from bpfl_med.files.atomic import check_writable, remove_unfinished, replaced_folder, write_json
from bpfl_med.handlers.scan_result import ScanResult, describe_result
from bpfl_med.handlers.scan_result_record import result_record
from bpfl_med.inferers import VolumePrediction
from bpfl_med.version import __version__
from bpfl_med.workflow.different_settings import different_settings
from bpfl_med.workflow.map_threshold import parse_threshold

logger = logging.getLogger(__name__)

_OF_ONE_RUN = ("black_and_white", "computed_by")  # of the scan, and of the machine, which rounds in its own way
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

ScanWriter = Callable[[Path, ScanResult], None]
"""Writes files of one kind into a scan's folder."""


class ScanResultSaver:
    """Write one folder a scan, with `result.json` and what the writers add.

    A folder appears under its final name only when all is written, so a run may be killed at any moment. `result.json`
    holds UIDs, checksums, settings and scores, and no path, name or date of the input. The engine's `state.result` is
    what was written of the last scan; None if nothing was.

    Args:
        output_dir: the folder of all scans' folders.
        writers: of overlays, DICOM objects and pictures, in the order in which they write; the `settings` of one that
            has them go to `result.json`.
        network: `provenance` of the network.
        settings: `VolumeInferer.settings`, and how scans are read.
        threshold: of the mask: a number, a percentile of the map over the slices that are not empty ("p99.5"), or
            "checkpoint" for the one that the training stored.
        stored_threshold: that one, or None.
        class_name: what the scans show.

    Raises:
        ValueError: if the threshold is none of these, or the checkpoint stores none.
    """

    def __init__(
        self,
        output_dir: str | Path,
        *,
        writers: Sequence[ScanWriter],
        network: Mapping[str, Any],
        settings: Mapping[str, Any],
        threshold: float | str,
        stored_threshold: float | None,
        class_name: str,
    ) -> None:
        self.output_dir = Path(output_dir)
        self.writers = writers
        self.network = network
        self.settings = settings
        kind, value = self.threshold = parse_threshold(threshold, stored_threshold)
        is_given_as_number = kind == "number" and threshold != "checkpoint"
        self.threshold_setting = value if is_given_as_number else threshold  # "0.5" of a command line is 0.5, too
        self.class_name = class_name

    def check_kept(self, scans: Iterable[Scan], unfinished: Iterable[Scan]) -> None:
        """Make sure that the results which a resumed run keeps are of its own network and settings.

        Args:
            scans: all of them.
            unfinished: those that are scored in this run.

        Raises:
            ValueError: if the results of another were made in another way; the text names the difference.
        """
        scored = {scan.name for scan in unfinished}
        for scan in (scan for scan in scans if scan.name not in scored):
            path = self.output_dir / scan.name / "result.json"
            if different := self._differences(path):
                raise ValueError(
                    f"{path} was made with other settings ({different}); resume with those, or choose "
                    "another output folder"
                )

    def _differences(self, path: Path) -> str:
        """Say in which settings and network an older `result.json` differs; nothing if there is none."""
        try:
            record = json.loads(path.read_text())
        except (OSError, ValueError):
            return ""
        now = self._shared()
        then = {part: {k: v for k, v in record.get(part, {}).items() if k not in _OF_ONE_RUN} for part in now}
        return different_settings(now, then)

    def _shared(self) -> dict[str, dict[str, Any]]:
        """Give what all scans of a run share: the settings, with the writers and theirs, and the network."""
        return {
            "settings": {
                "class_name": self.class_name,
                "threshold": self.threshold_setting,
                **self.settings,
                "writers": [{"writer": type(w).__name__, **getattr(w, "settings", {})} for w in self.writers],
            },
            "network": {key: value for key, value in self.network.items() if key not in _OF_ONE_RUN},
        }

    def attach(self, engine: Engine) -> None:
        """Register with a `ScanEvaluator`, whose output is a `ScanVolume` and a `VolumePrediction`."""
        engine.add_event_handler(Events.STARTED, lambda: remove_unfinished(self.output_dir))
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._write_or_report)

    def _write_or_report(self, engine: Engine) -> None:
        """Let a scan whose tags a writer cannot use be a failure of its own, and a lost folder the end of the run."""
        volume: ScanVolume = engine.state.output["image"]
        prediction: VolumePrediction | None = engine.state.output["pred"]
        if prediction is None:  # the scan could not be read or scored
            return
        try:
            engine.state.result = self._write(volume, prediction)
        except Exception as error:
            if isinstance(error, OSError):
                self._refuse_lost_folder(error)
            if not engine.keep_going:
                raise
            what = "its results cannot be written"
            engine.report_failure(failure_sentence(error, volume.scan.path, what))

    def _refuse_lost_folder(self, error: OSError) -> None:
        """Raise if no later scan could be written either, because there is no room or the folder is closed to us."""
        while error.errno is None and isinstance(error.__cause__, OSError):  # as pydicom wraps it
            error = error.__cause__
        if error.errno in _FULL:
            raise OSError(
                f"Nothing more can be written to {self.output_dir} ({error.strerror}); make room there and run again "
                "with resume"
            ) from error
        check_writable(self.output_dir)

    def _write(self, volume: ScanVolume, prediction: VolumePrediction) -> ScanResult:
        threshold = self._threshold_of(prediction)
        own = ("n_samples", "seed", "stage", "ensemble", "notice")
        parameters: dict[str, str | float] = {
            "class_name": self.class_name,
            "threshold": threshold,
            **{key: json.dumps(value) for key, value in self.settings.items()},
            **{key: self.network[key] for key in own if self.network.get(key) is not None},
        }
        result = ScanResult(
            volume,
            prediction,
            prediction.anomaly_map >= threshold,
            threshold,
            self.class_name,
            Algorithm(self._algorithm_name(), __version__, self.network["checksum"], parameters),
            self.network["caution"],
            self.network["notice"],
            self._differences(self.output_dir / volume.scan.name / "result.json"),
        )
        seconds = {"read": volume.load_seconds, "score": prediction.seconds}
        with replaced_folder(self.output_dir / volume.scan.name) as folder:
            for writer in self.writers:
                started = time.perf_counter()
                writer(folder, result)
                seconds[type(writer).__name__] = time.perf_counter() - started
            _tell_unusable_attributes(folder, result)
            record = result_record(
                result, folder, settings=self._shared()["settings"], network=self.network, seconds=seconds
            )
            write_json(folder / "result.json", record)
        logger.info("%s: %s", self.output_dir / volume.scan.name, describe_result(result))
        return result

    def _algorithm_name(self) -> str:
        """Name what made a DICOM object, as viewers show it in the name of its series."""
        return " ".join(filter(None, (self.network["caution"], self.network["name"], "(research only)")))

    def _threshold_of(self, prediction: VolumePrediction) -> float:
        kind, value = self.threshold
        if kind == "number":
            return value
        scored = prediction.plane.pictures(prediction.anomaly_map)[prediction.ranking]
        return float(np.percentile(scored, value, overwrite_input=True)) if scored.size else 1.0


def _tell_unusable_attributes(folder: Path, result: ScanResult) -> None:
    """Say what of patient and study DICOM objects lack: an archive may not find the patient without it."""
    if result.volume.series is not None and any(folder.rglob("*.dcm")):
        for keyword in read_source_images(result.volume.series).patient_study.left_out:
            result.omitted[f"{keyword} in DICOM objects"] = "its value in the scan is against the standard"
