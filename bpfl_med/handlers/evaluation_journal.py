"""What of an evaluation is done, on disk, so that a killed run goes on where it stopped."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import ignite.distributed as idist
import numpy as np
from ignite.engine import Engine, Events
from torch.utils.data import BatchSampler

from bpfl_med.files.atomic import replaced_file, write_json
from bpfl_med.handlers.anomaly_evaluation import AnomalyEvaluation, ImageRecord, Pixels
from bpfl_med.handlers.evaluation_report import EVALUATION_PACKAGES
from bpfl_med.machine.package_versions import package_versions
from bpfl_med.machine.processes import host_group
from bpfl_med.workflow.different_settings import different_settings


class EvaluationJournal:
    """Cut the images into batches, share them out to the processes, and keep what was found of each batch on disk.

    Batch n, always the same images, belongs to process n modulo their number, so no image is scored twice and a result
    depends neither on the number of processes nor on where a run was interrupted. Each scored batch is one file in
    `.progress` of the output folder, there whole or not at all. A run that finds files there, of a run with the same
    settings, counts them and scores the rest. The folder is removed when the report is written; until then it takes
    about 1 kB an image, and 4.1 bytes a pixel if there are pixel metrics.

    Args:
        output_dir: of the run; all processes of a machine must see the same.
        evaluation: whose records are kept.
        settings: all that a result depends on, such as data set, network and protocol; values that JSON can hold.
        n_images: in the data set.
        batch_size: images in a batch.

    Raises:
        ValueError: if the folder holds the progress of a run with other settings; the text names them.
    """

    def __init__(
        self,
        output_dir: str | Path,
        *,
        evaluation: AnomalyEvaluation,
        settings: Mapping[str, Any],
        n_images: int,
        batch_size: int,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        self.folder = Path(output_dir) / ".progress"
        self.evaluation = evaluation
        described = {**settings, "batch_size": batch_size, "versions": package_versions(*EVALUATION_PACKAGES)}
        self.settings = json.loads(json.dumps(described))
        self.batch_size = batch_size
        batches = list(BatchSampler(range(n_images), batch_size, drop_last=False))
        _refuse_other_settings(self.folder, self.settings)
        self._own = range(idist.get_rank(), len(batches), idist.get_world_size())
        self._done = [number for number in self._own if self._file(number).exists()]
        self.remaining = [batches[number] for number in self._own if number not in set(self._done)]
        """This process's batches that are not done, each a list of places in the data set."""

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator whose loader gives `remaining`, behind the evaluation and before the report."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._read)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._write)

    def records(self) -> Iterator[ImageRecord]:
        """Read all records of this process's images, once all of them are scored."""
        for number in self._own:
            yield from _read_records(self._file(number))

    def remove(self) -> None:
        """Remove the folder, once all processes have come here and the report is written."""
        with host_group() as group:
            if group is not None:
                group.barrier().wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _file(self, number: int) -> Path:
        return self.folder / f"{number:06d}.npz"

    def _read(self, engine: Engine) -> None:
        for number in self._done:
            for record in _read_records(self._file(number)):
                self.evaluation.add(record)

    def _write(self, engine: Engine) -> None:
        records = self.evaluation.latest
        rows = np.frombuffer(json.dumps([record.row for record in records]).encode(), np.uint8)
        pixels = [record.pixels for record in records if record.pixels is not None]
        if not (self.folder / "settings.json").exists():
            write_json(self.folder / "settings.json", self.settings)
        with replaced_file(self._file(records[0].row["index"] // self.batch_size)) as partial:
            if pixels:
                maps, masks = (np.stack(part) for part in zip(*pixels, strict=True))
                np.savez(partial, rows=rows, maps=maps, masks=np.packbits(masks))
            else:
                np.savez(partial, rows=rows)


def _read_records(path: Path) -> list[ImageRecord]:
    try:
        with np.load(path) as arrays:
            rows = json.loads(arrays["rows"].tobytes())
            if "maps" not in arrays:
                return [ImageRecord(row, None) for row in rows]
            maps, packed = arrays["maps"], arrays["masks"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is damaged ({error}); remove it and run again, to score its images anew") from error
    masks = np.unpackbits(packed, count=maps.size).reshape(maps.shape)
    return [ImageRecord(row, Pixels(*planes)) for row, *planes in zip(rows, maps, masks, strict=True)]


def _refuse_other_settings(folder: Path, settings: dict[str, Any]) -> None:
    try:
        earlier = json.loads((folder / "settings.json").read_text())
    except FileNotFoundError:
        return
    different = different_settings(settings, earlier)
    if different:
        raise ValueError(
            f"{folder} holds the progress of an unfinished run with other settings ({different}). Run it "
            "again with those to go on, choose another output_dir, or remove that folder to begin anew"
        )
