"""Go on with a training that was ended at any moment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import ignite.distributed as idist
import torch
from ignite.engine import Engine, Events

from bpfl_med.files.atomic import replaced_file
from bpfl_med.workflow.different_settings import different_settings


class Stateful(Protocol):
    """What a checkpoint can hold: a module, an optimiser, a scheduler, a handler."""

    def state_dict(self) -> dict[str, Any]: ...  # noqa: D102

    def load_state_dict(self, state_dict: Any) -> Any: ...  # noqa: D102


class TrainingCheckpoint:
    """Keep the state of a training at its last epoch boundary, in one file that is replaced whole or not at all.

    Ignite's `Checkpoint` removes the old file before the new one is written, and MONAI's loader wants one to be there.
    The file holds tensors and plain values and is read without running code.

    Args:
        path: the file.
        objects: what is kept, by name; attach after all handlers that change them at the end of an epoch.
        settings: plain values that make the training what it is; another training is not gone on with.
        resume: go on with the training of the file, if there is one. Otherwise a file that is there is not replaced.

    Raises:
        FileExistsError: if there is a file and `resume` is off.
        ValueError: if the file is of another training, or unreadable.
    """

    def __init__(
        self, path: str | Path, *, objects: Mapping[str, Stateful], settings: Mapping[str, Any], resume: bool
    ) -> None:
        self.path = Path(path)
        self.objects = dict(objects)
        self.settings = json.loads(json.dumps(settings))  # as the file gives them back
        if self.path.exists() and not resume:
            raise FileExistsError(
                f"{self.path} is of a training that was begun; set resume to go on with it, or another output_dir"
            )

    def attach(self, engine: Engine) -> None:
        """Register with the trainer."""
        engine.add_event_handler(Events.STARTED, self._load)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._save)

    def _save(self, engine: Engine) -> None:
        if idist.get_rank() == 0:
            content = {
                "settings": json.dumps(self.settings),
                "epoch": engine.state.epoch,
                "iteration": engine.state.iteration,
                **{name: part.state_dict() for name, part in self.objects.items()},
            }
            with replaced_file(self.path) as partial:
                torch.save(content, partial)
        idist.barrier()  # no process begins an epoch that could not be resumed

    def _load(self, engine: Engine) -> None:
        if not self.path.exists():
            return
        try:
            content = torch.load(self.path, map_location="cpu", weights_only=True)
            settings = json.loads(content["settings"])
        except Exception as error:
            raise ValueError(
                f"{self.path} cannot be read as a training's checkpoint; remove it and begin anew"
            ) from error
        different = different_settings(self.settings, settings)
        if different:
            raise ValueError(
                f"{self.path} is of another training: {different}. Set them as they were, or choose another output_dir"
            )
        for name, part in self.objects.items():
            part.load_state_dict(content[name])
        engine.state.epoch, engine.state.iteration = content["epoch"], content["iteration"]
