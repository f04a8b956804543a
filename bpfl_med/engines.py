"""The evaluators: one whose iterations are batches of pictures, one whose iterations are scans."""

from __future__ import annotations

from typing import Any

import torch
from ignite.engine import Events
from monai.engines import SupervisedEvaluator
from monai.engines.utils import IterationEvents
from monai.utils.enums import CommonKeys

from bpfl_med.data.scan_failure import failure_sentence


class PictureEvaluator(SupervisedEvaluator):
    """MONAI's evaluator, which also ends as it should where a process has no batch, or none that is left to do."""

    def run(self, global_epoch: int = 1) -> None:
        """Score all batches; without any, handlers still gather and report."""
        if self.state.epoch_length:
            super().run(global_epoch)
            return
        for event in (Events.STARTED, Events.EPOCH_STARTED, Events.EPOCH_COMPLETED, Events.COMPLETED):
            self.fire_event(event)


class ScanEvaluator(SupervisedEvaluator):
    """Score one scan an iteration; a scan that cannot be read or scored does not end the run.

    `state.failures` lists the sentence of each such scan; its `state.output["pred"]` is None. `state.result` is what
    a handler made of the last scan, such as :class:`~bpfl_med.handlers.ScanResultSaver`; None if nothing was.

    Args:
        class_name: what the scans show.
        keep_going: list failures instead of raising the first.
        kwargs: of :class:`monai.engines.SupervisedEvaluator`; the loader gives one {"image": ScanVolume} at a time.
    """

    def __init__(self, *, class_name: str, keep_going: bool, **kwargs: Any) -> None:
        super().__init__(decollate=False, **kwargs)
        self.class_name = class_name
        self.keep_going = keep_going
        self.state.failures = []
        self.add_event_handler(Events.GET_BATCH_STARTED, self._let_go)

    def _let_go(self, engine: ScanEvaluator) -> None:
        """Drop the last scan before the next is read, so that never two are in memory."""
        engine.state.batch = engine.state.output = engine.state.result = None

    def _iteration(self, engine: ScanEvaluator, batchdata: dict[str, Any]) -> dict[str, Any]:
        volume, failure = batchdata["image"], batchdata.get("failure")
        prediction = None
        if failure is None:
            try:
                device_type = engine.state.device.type
                with engine.mode(engine.network), torch.autocast(device_type, enabled=engine.amp, **engine.amp_kwargs):
                    prediction = engine.inferer(volume, engine.network, class_name=self.class_name)
            except Exception as error:
                if not self.keep_going:
                    raise
                failure = failure_sentence(error, volume.scan.path)
        if failure is not None:
            engine.report_failure(failure)
        engine.state.output = {CommonKeys.IMAGE: volume, CommonKeys.PRED: prediction}
        engine.fire_event(IterationEvents.FORWARD_COMPLETED)
        engine.fire_event(IterationEvents.MODEL_COMPLETED)
        output: dict[str, Any] = engine.state.output
        return output

    def report_failure(self, failure: str) -> None:
        """List and log the sentence of a scan that cannot be used."""
        self.state.failures.append(failure)
        self.logger.error(failure)

    def raise_failures(self) -> None:
        """End a run with an error if a scan could not be used, when the others are done.

        Raises:
            RuntimeError: the text says how many failed; each was logged.
        """
        if failures := self.state.failures:
            raise RuntimeError(f"{len(failures)} of the scans could not be used, as was logged; the others are done")
