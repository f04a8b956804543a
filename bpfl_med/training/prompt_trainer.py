"""The Ignite engine that trains the prompts: one step of the paper's training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import ignite.distributed as idist
import torch
from ignite.engine import Events
from monai.engines import SupervisedTrainer
from monai.engines.utils import IterationEvents
from monai.utils.enums import CommonKeys

from bpfl_med.losses import BayesPFLLoss, LossSums
from bpfl_med.networks import BayesPFL, ImageFeatures
from bpfl_med.training.feature_inferer import FeatureInferer
from bpfl_med.training.training_noise import TrainingNoise


class PromptTrainer(SupervisedTrainer):
    """Train prompts, distributions and projections; the CLIP towers stay as they are.

    A step uses one Monte Carlo sample of each distribution and one entry of the prompt banks. The loss and its gradient
    are those of the whole step, however it is divided into micro-batches or among processes: what the loss is made of
    adds up (:class:`~bpfl_med.losses.LossSums`), and the gradients of trained parameters are summed over processes.
    Frozen ones are never exchanged.

    Args:
        network: to train; its `stage` (1 or 2) tells which loss is minimised.
        optimizer: of stage 1. The handler that begins stage 2 replaces it.
        loss_function: gives the terms.
        inferer: gives what the frozen image tower says.
        noise: what a step draws.
        micro_batch_size: images that go through the text tower and the maps at a time, in one process. It changes
            memory and speed only: with several micro-batches the forward is computed twice. None takes all at once.
        amp: run the forward in mixed precision with bfloat16, whose range needs no scaling of the loss.
        kwargs: of :class:`monai.engines.SupervisedTrainer`; the loader has `TrainingBatches` of a
            `TrainingDataset`.

    Attributes:
        state.output: {"loss": total, and the four terms by name}, floats of the whole step.

    Raises:
        ValueError: if the micro-batch size is not positive; in a run, if the loss is no finite number.
    """

    network: BayesPFL
    inferer: FeatureInferer
    loss_function: BayesPFLLoss

    def __init__(
        self,
        *,
        network: BayesPFL,
        loss_function: BayesPFLLoss,
        inferer: FeatureInferer,
        noise: TrainingNoise,
        micro_batch_size: int | None,
        amp: bool,
        **kwargs: Any,
    ) -> None:
        if micro_batch_size is not None and micro_batch_size < 1:
            raise ValueError(f"micro_batch_size must be at least 1, or null for no division, got {micro_batch_size}")
        super().__init__(network=network, loss_function=loss_function, inferer=inferer, decollate=False, **kwargs)
        self.noise = noise
        self.micro_batch_size = micro_batch_size
        self.mixed_precision = amp
        self.add_event_handler(Events.STARTED, self._begin)
        self.add_event_handler(Events.EPOCH_STARTED, self._shuffle)

    def _begin(self) -> None:
        """Give every process the same weights to begin with."""
        self.network.trained = True
        for parameter in self.network.parameters():
            if parameter.requires_grad:
                idist.broadcast(parameter.data, src=0)

    def _shuffle(self) -> None:
        """Tell the batches which epoch begins, as MONAI tells PyTorch's own sampler alone."""
        self.data_loader.batch_sampler.set_epoch(self.state.epoch)

    def _iteration(self, engine: SupervisedTrainer, batchdata: Mapping[str, Any]) -> dict[str, float]:
        """Make one step of the optimiser."""
        shares = self._micro_batches(batchdata)
        features = [self._features(batchdata, share) for share in shares]
        self.network.train()
        self.optimizer.zero_grad(set_to_none=True)
        kept = [self._sums(features[0], shares[0], batchdata)] if len(shares) == 1 else None
        with torch.no_grad():
            parts = kept or [self._sums(*part, batchdata) for part in zip(features, shares, strict=True)]
            total = self._sum_over_processes([sums.flat() for sums in parts])
        engine.fire_event(IterationEvents.FORWARD_COMPLETED)
        loss, terms, gradient = self._loss_and_gradient(total)
        engine.state.output = {CommonKeys.LOSS.value: loss, **terms}
        engine.fire_event(IterationEvents.LOSS_COMPLETED)
        for sums in kept or (self._sums(*part, batchdata) for part in zip(features, shares, strict=True)):
            sums.flat().dot(gradient).backward()
        self._sum_gradients_over_processes()
        engine.fire_event(IterationEvents.BACKWARD_COMPLETED)
        self.optimizer.step()
        engine.fire_event(IterationEvents.MODEL_COMPLETED)
        output: dict[str, float] = engine.state.output
        return output

    def _micro_batches(self, batch: Mapping[str, Any]) -> list[slice]:
        n_images = len(batch.get(CommonKeys.IMAGE, ()))
        size = self.micro_batch_size or n_images or 1
        return [slice(first, min(first + size, n_images)) for first in range(0, n_images, size)]

    def _features(self, batch: Mapping[str, Any], share: slice) -> ImageFeatures:
        image = batch[CommonKeys.IMAGE][share].to(self.state.device, non_blocking=self.non_blocking)
        with torch.autocast(image.device.type, dtype=torch.bfloat16, enabled=self.mixed_precision):
            return self.inferer(image, self.network)

    def _sums(self, features: ImageFeatures, share: slice, batch: Mapping[str, Any]) -> LossSums:
        network, step = self.network, self.state.iteration
        width, n_prompts = network.backbone.embed_dim, network.hyper_parameters["n_prompts"]
        device = features.global_feature.device
        noise = self.noise.noise(self.state.epoch, step, batch["index"][share].tolist(), width)
        index = self.noise.prompt_index(step, n_prompts)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=self.mixed_precision):
            output = network.training_output(features, batch["class_name"][share], noise, prompt_index=index)
        label, mask = batch["label"][share].to(device), batch["mask"][share].to(device)
        return self.loss_function.sums(output, label, mask, prompt_index=index)

    def _sum_over_processes(self, parts: Sequence[torch.Tensor]) -> torch.Tensor:
        """Add up the sums of all images of the step."""
        n_layers = len(self.network.hyper_parameters["feature_blocks"])
        nothing = torch.zeros(LossSums.length(n_layers), dtype=torch.float64, device=self.state.device)
        total = idist.all_reduce(torch.stack([nothing, *parts]).sum(0))
        assert isinstance(total, torch.Tensor)
        return total

    def _loss_and_gradient(self, total: torch.Tensor) -> tuple[float, dict[str, float], torch.Tensor]:
        """Give the loss, its terms, and its derivative by each of the sums."""
        total = total.requires_grad_()
        terms = self.loss_function.terms(LossSums.from_flat(total))
        loss = terms.total if self.network.stage == 1 else terms.classification
        if not loss.isfinite():
            raise ValueError(
                f"The training diverged: the loss of step {self.state.iteration} (epoch {self.state.epoch}) is "
                f"{loss.item()}; take smaller learning rates"
            )
        (gradient,) = torch.autograd.grad(loss, total)
        return loss.item(), {name: term.item() for name, term in terms._asdict().items()}, gradient

    def _sum_gradients_over_processes(self) -> None:
        if idist.get_world_size() == 1:
            return
        for group in self.optimizer.param_groups:
            for parameter in group["params"]:
                # A process without images has none, and must take part all the same.
                gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
                parameter.grad = idist.all_reduce(gradient)
