"""When stage 1 of the training ends, and when stage 2."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import ignite.distributed as idist
import torch
from ignite.engine import Engine, Events

from bpfl_med.checkpoints import save_prompts
from bpfl_med.networks import BayesPFL
from bpfl_med.training.parameter_groups import stage_2_parameters

logger = logging.getLogger(__name__)

_STATE = ("best_score", "best_weights", "n_worse", "is_over")


class TwoStages:
    """Train stage 1 until the validation stops improving, take its best weights, and train stage 2 likewise.

    As in the released program an epoch that equals the best counts as improved, and a stage ends at epoch
    `patience + 1` in a row without improvement; if the epochs run out in stage 1 there is no stage 2. Unlike there, the
    best weights of stage 2 are restored too. Stage and best weights are part of the training's checkpoint.

    Ignite's `EarlyStopping` ends an engine, counts an equal score as no improvement, and keeps no weights.

    Args:
        network: in training; its `stage` is set.
        validator: engine that has evaluated the network at the end of an epoch; attach after its handler.
        stage_2_optimizer: takes the place of the trainer's optimiser; its learning rate stays as it is.
        patience: epochs without improvement that a stage may have in a row.
        stage_1_metric: mean over the validation's classes by which stage 1 is judged.
        stage_2_metric: the same for stage 2.
        prompts_file: gets the best weights so far.
    """

    def __init__(
        self,
        *,
        network: BayesPFL,
        validator: Engine,
        stage_2_optimizer: torch.optim.Optimizer,
        patience: int,
        stage_1_metric: str,
        stage_2_metric: str,
        prompts_file: str | Path,
    ) -> None:
        self.network = network
        self.validator = validator
        self.stage_2_optimizer = stage_2_optimizer
        self.patience = patience
        self.metrics = {1: stage_1_metric, 2: stage_2_metric}
        self.prompts_file = Path(prompts_file)
        self.best_score: float | None = None
        self.best_weights: dict[str, torch.Tensor] = {}
        self.n_worse = 0
        self.is_over = False

    def attach(self, engine: Engine) -> None:
        """Register with the trainer."""
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.EPOCH_STARTED, self._apply_stage)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._judge)
        engine.add_event_handler(Events.COMPLETED, self._take_best)
        engine.add_event_handler(Events.COMPLETED, self._warn_of_missing_stage)

    def state_dict(self) -> dict[str, Any]:
        """What a resumed training needs."""
        return {name: getattr(self, name) for name in _STATE}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where a training stopped."""
        for name in _STATE:
            setattr(self, name, state[name])

    def _start(self, engine: Engine) -> None:
        self.network.stage = 1

    def _apply_stage(self, engine: Engine) -> None:
        """Let the stage's optimiser move the stage's parameters, and no gradient reach others."""
        if self.is_over:
            engine.terminate()
        if self.network.stage == 2:
            engine.optimizer = self.stage_2_optimizer
            trained = {id(parameter) for parameter in stage_2_parameters(self.network)}
            for parameter in self.network.parameters():
                parameter.requires_grad_(id(parameter) in trained)

    def _judge(self, engine: Engine) -> None:
        score = self._score()
        if self.best_score is None or score >= self.best_score:
            self._remember(score)
            return
        self.n_worse += 1
        if self.n_worse <= self.patience:
            return
        stage = self.network.stage
        logger.info("Stage %d ends after epoch %d: its best weights are restored", stage, engine.state.epoch)
        self._take_best(engine)
        if stage == 1:
            self.network.stage = 2
            self.best_score, self.n_worse = None, 0
        else:
            self.is_over = True
            engine.terminate()

    def _score(self) -> float:
        name = self.metrics[self.network.stage]
        if name not in self.validator.state.metrics:
            raise ValueError(
                f"The validation data do not define {name}, which stage {self.network.stage} is judged by; give some "
                "with normal and abnormal pictures, and masks"
            )
        # The first process's, since its last digits may be others on another machine and all must go on together.
        score = torch.tensor(self.validator.state.metrics[name], dtype=torch.float64, device=idist.device())
        return float(idist.broadcast(score, src=0))

    def _remember(self, score: float) -> None:
        self.best_score, self.n_worse = score, 0
        if self.network.stage == 1:  # stage 2 leaves the map as it is
            thresholds = [metrics["pixel_threshold"] for metrics in self.validator.state.evaluation.by_class.values()]
            defined = [threshold for threshold in thresholds if threshold is not None]
            self.network.threshold = sum(defined) / len(defined) if defined else None
        self.best_weights = {name: value.detach().cpu().clone() for name, value in self.network.state_dict().items()}
        if idist.get_rank() == 0:
            save_prompts(self.network, self.prompts_file)

    def _take_best(self, engine: Engine) -> None:
        if self.best_weights:
            self.network.load_state_dict(self.best_weights)

    def _warn_of_missing_stage(self, engine: Engine) -> None:
        if self.network.stage == 1 and idist.get_rank() == 0:
            logger.warning(
                "The epochs ran out in stage 1, so there was no stage 2 and the image score is that of stage 1; set "
                "more max_epochs or less patience for the paper's training"
            )
