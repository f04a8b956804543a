"""The terms of the training loss (the paper's prompt flow loss, orthogonal loss and task losses)."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from bpfl_med.networks.bayes_pfl import TrainingOutput
from bpfl_med.networks.prompt_flow import FlowSamples, PromptSamples

_SMOOTH = 1e-5  # of the dice loss
_N_SCALARS = 7  # of LossSums; its other fields have one value a layer


class LossTerms(NamedTuple):
    """The four parts of the stage-1 loss, all scalars. Stage 2 uses the first alone."""

    classification: torch.Tensor
    segmentation: torch.Tensor
    prompt_flow: torch.Tensor
    orthogonal: torch.Tensor

    @property
    def total(self) -> torch.Tensor:
        """The sum of all parts."""
        return self.classification + self.segmentation + self.prompt_flow + self.orthogonal


class LossSums(NamedTuple):
    """What images add to the loss, so that the loss of a batch is a function of plain sums over its images.

    Dice and focal are ratios over the whole batch and no means of the images' own. Sums of parts of a batch, seen one
    after another or by several processes, add up to those of the whole, so its loss and gradient are exact either way.

    Attributes:
        n_images: N [].
        classification: cross entropies [].
        divergence: divergences of the prompt distributions but for `shared_log_det` [].
        shared_log_det: N times the log-determinants that are divided by N twice (see :func:`flow_sums`) [].
        orthogonal: squared cosines between the prompts of a bank, mean of its B x B entries, both banks [].
        n_abnormal, n_normal: pixels [].
        focal_abnormal, focal_normal: focal terms of the pixels [L].
        overlap: probability of "abnormal" on abnormal pixels [L].
        cardinality: the same on all pixels, plus the abnormal pixels [L].
    """

    n_images: torch.Tensor
    classification: torch.Tensor
    divergence: torch.Tensor
    shared_log_det: torch.Tensor
    orthogonal: torch.Tensor
    n_abnormal: torch.Tensor
    n_normal: torch.Tensor
    focal_abnormal: torch.Tensor
    focal_normal: torch.Tensor
    overlap: torch.Tensor
    cardinality: torch.Tensor

    def flat(self) -> torch.Tensor:
        """Give all values, [7 + 4L], in float64, so that adding parts costs no digits."""
        return torch.cat([value.double().reshape(-1) for value in self])

    @staticmethod
    def length(n_layers: int) -> int:
        """Tell how many values :meth:`flat` gives for L layers."""
        return _N_SCALARS + (len(LossSums._fields) - _N_SCALARS) * n_layers

    @classmethod
    def from_flat(cls, values: torch.Tensor) -> LossSums:
        """Undo :meth:`flat`."""
        return cls(*values[:_N_SCALARS], *values[_N_SCALARS:].reshape(len(cls._fields) - _N_SCALARS, -1))


class BayesPFLLoss(nn.Module):
    """All terms of the loss, from one training forward.

    Args:
        kl_weight: of each of the three divergences (0.01 in the paper).
        released_kl: divide the log-determinants of a distribution that all images share by the number of images, as the
            released program does; False is the textbook's form.
        orthogonal: whether the orthogonal loss takes part (an ablation of the paper).
        gamma: how much the focal loss turns down pixels that are right already.
    """

    def __init__(
        self, *, kl_weight: float = 0.01, released_kl: bool = True, orthogonal: bool = True, gamma: float = 2.0
    ) -> None:
        super().__init__()
        self.kl_weight = kl_weight
        self.released_kl = released_kl
        self.orthogonal = orthogonal
        self.gamma = gamma

    @property
    def settings(self) -> dict[str, float | bool]:
        """What the loss depends on; values that JSON can hold."""
        return {name: getattr(self, name) for name in ("kl_weight", "released_kl", "orthogonal", "gamma")}

    def forward(
        self, output: TrainingOutput, label: torch.Tensor, mask: torch.Tensor, *, prompt_index: int
    ) -> LossTerms:
        """Compute the terms of a whole batch of N images; arguments as of :meth:`sums`."""
        return self.terms(self.sums(output, label, mask, prompt_index=prompt_index))

    def sums(self, output: TrainingOutput, label: torch.Tensor, mask: torch.Tensor, *, prompt_index: int) -> LossSums:
        """Sum over N images what the terms are made of.

        Args:
            output: of :meth:`BayesPFL.training_output`, made with the same `prompt_index`.
            label: 1 for an abnormal image, else 0 [N].
            mask: 1 at abnormal pixels, else 0 [N, 1, H, W].
            prompt_index: 0-based entry of the banks that the task losses look at; the orthogonal loss sees all.
        """
        n_images = len(label)
        logits = output.map_logits.to(torch.promote_types(output.map_logits.dtype, torch.float32))
        abnormal = mask[:, 0].to(logits)  # 2 * mask - 1 would overflow in uint8
        n_abnormal = abnormal.sum()
        probability = torch.sigmoid(logits)
        focal_abnormal, focal_normal = focal_sums(logits, abnormal, self.gamma)
        divergence, shared_log_det = prompt_flow_sums(output.samples, n_images, released=self.released_kl)
        return LossSums(
            n_images=logits.new_tensor(n_images),
            classification=F.cross_entropy(
                output.class_logits[:, :, prompt_index].to(logits.dtype), label.long(), reduction="sum"
            ),
            divergence=divergence.to(logits.device),
            shared_log_det=shared_log_det.to(logits.device),
            orthogonal=orthogonal_sum(output.text.to(logits.dtype)),
            n_abnormal=n_abnormal,
            n_normal=abnormal.numel() - n_abnormal,
            focal_abnormal=focal_abnormal,
            focal_normal=focal_normal,
            overlap=(probability * abnormal).sum((1, 2, 3)),
            cardinality=probability.sum((1, 2, 3)) + n_abnormal,
        )

    def terms(self, sums: LossSums) -> LossTerms:
        """Turn the sums over all images of a batch into the terms of its loss."""
        n = sums.n_images
        orthogonal = sums.orthogonal / n
        return LossTerms(
            classification=sums.classification / n,
            segmentation=(focal_loss(sums) + dice_loss(sums)).sum(),
            prompt_flow=self.kl_weight * (sums.divergence / n - sums.shared_log_det / n**2),
            orthogonal=orthogonal if self.orthogonal else torch.zeros_like(orthogonal),
        )


def focal_sums(logits: torch.Tensor, abnormal: torch.Tensor, gamma: float) -> tuple[torch.Tensor, torch.Tensor]:
    r"""Sum the focal terms of abnormal and of normal pixels, each [L].

    .. math:: -(1 - p)^\gamma \log(p + 10^{-8}), \qquad p = \text{probability of the pixel's true class}

    Args:
        logits: abnormal-against-normal logits [L, N, H, W].
        abnormal: 1 at abnormal pixels, else 0, of the logits' dtype [N, H, W].
        gamma: how much easy pixels are turned down.
    """
    sign = 2 * abnormal - 1
    loss = -(torch.sigmoid(-sign * logits) ** gamma) * torch.log(torch.sigmoid(sign * logits) + 1e-8)
    of_abnormal = (loss * abnormal).sum((1, 2, 3))
    return of_abnormal, (loss * (1 - abnormal)).sum((1, 2, 3))


def focal_loss(sums: LossSums) -> torch.Tensor:
    """Mean focal term of the abnormal pixels plus that of the normal ones, of every layer [L].

    MONAI's focal loss averages over all pixels together. A batch without abnormal (or without normal) pixels has no
    such part.
    """
    return sums.focal_abnormal / sums.n_abnormal.clamp(min=1) + sums.focal_normal / sums.n_normal.clamp(min=1)


def dice_loss(sums: LossSums) -> torch.Tensor:
    """Dice loss of the abnormal channel over the whole batch, of every layer [L]; MONAI's `DiceLoss(batch=True)`."""
    return 1 - (2 * sums.overlap + _SMOOTH) / (sums.cardinality + _SMOOTH)


def orthogonal_sum(text: torch.Tensor) -> torch.Tensor:
    """Mean squared cosine between the prompts of a bank, the diagonal set to zero; both banks, summed over images.

    As in the released program the mean runs over all B x B entries, diagonal included.

    Args:
        text: normalised text features [N, 2, B, C].
    """
    cosine = text @ text.transpose(-1, -2)
    others = 1 - torch.eye(cosine.shape[-1], device=cosine.device, dtype=cosine.dtype)
    return ((cosine * others) ** 2).mean((2, 3)).sum()


def prompt_flow_sums(samples: PromptSamples, n_images: int, *, released: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Add up :func:`flow_sums` of the prompt distributions that are on."""
    parts = [flow_sums(part, n_images, released=released) for part in samples if part is not None]
    divergence, shared_log_det = zip(*parts, strict=True) if parts else ([torch.zeros(())], [torch.zeros(())])
    return torch.stack(list(divergence)).sum(), torch.stack(list(shared_log_det)).sum()


def flow_sums(samples: FlowSamples, n_images: int, *, released: bool) -> tuple[torch.Tensor, torch.Tensor]:
    r"""Monte Carlo estimate of the divergence of one prompt distribution from the prior N(0, I), summed over images.

    .. math:: D = \mathrm{mean}\Bigl[\log q_0(z_0) - \log p(z_K) - \sum_k \log|\det_k|\Bigr]

    with constants dropped: :math:`\log N(x; m, v) = -\tfrac12 \sum (\log v + (x - m)^2 / v)`.

    Args:
        samples: of one distribution: for every image, or one draw that all images share.
        n_images: N.
        released: divide the log-determinants of a shared draw by N, as the released program does.

    Returns:
        Two sums s and t such that :math:`D = s / N - t / N^2`; t is zero but for a shared draw in the released form.
    """
    mean, variance = samples.mean[:, None], samples.variance[:, None]
    log_base = -0.5 * (variance.log() + (samples.z_0 - mean) ** 2 / variance).sum(-1)
    log_prior = -0.5 * (samples.z_k**2).sum(-1)
    density_ratio, log_det = (log_base - log_prior).mean(-1), samples.log_dets.sum(-1).mean(-1)
    if not samples.shared:
        divergence = (density_ratio - log_det).sum()
        return divergence, torch.zeros_like(divergence)
    if not released:
        divergence = n_images * (density_ratio - log_det).sum()
        return divergence, torch.zeros_like(divergence)
    return n_images * density_ratio.sum(), n_images * log_det.sum()
