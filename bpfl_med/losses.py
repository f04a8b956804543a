"""The terms of the training loss (the paper's prompt flow loss, orthogonal loss and task losses)."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from monai.losses import DiceLoss
from torch import nn

from bpfl_med.networks.bayes_pfl import TrainingOutput
from bpfl_med.networks.prompt_flow import FlowSamples, PromptSamples


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


class BayesPFLLoss(nn.Module):
    """All terms of the loss, from one training forward.

    Args:
        kl_weight: of each of the three divergences (0.01 in the paper).
        released_kl: divide the log-determinants of the image-agnostic distributions by the number of images, as the
            released program does; False is the textbook's form.
        orthogonal: whether the orthogonal loss takes part (an ablation of the paper).
    """

    def __init__(self, *, kl_weight: float = 0.01, released_kl: bool = True, orthogonal: bool = True) -> None:
        super().__init__()
        self.kl_weight = kl_weight
        self.released_kl = released_kl
        self.orthogonal = orthogonal
        self.dice = DiceLoss(batch=True, smooth_nr=1e-5, smooth_dr=1e-5)

    def forward(
        self, output: TrainingOutput, label: torch.Tensor, mask: torch.Tensor, *, prompt_index: int
    ) -> LossTerms:
        """Compute the terms for N images.

        Args:
            output: of :meth:`BayesPFL.training_output`, made with the same `prompt_index`.
            label: 1 for an abnormal image, else 0 [N].
            mask: 1 at abnormal pixels, else 0 [N, 1, H, W].
            prompt_index: 0-based entry of the banks that the task losses look at; the orthogonal loss sees all.
        """
        classification = F.cross_entropy(output.class_logits[:, :, prompt_index], label.long())
        layers = output.map_logits.unsqueeze(2)
        probability = torch.sigmoid(layers)
        segmentation = torch.stack(
            [focal_loss(logits, mask) + self.dice(p, mask) for logits, p in zip(layers, probability, strict=True)]
        ).sum()
        divergence = prompt_flow_divergence(output.samples, len(label), released=self.released_kl)
        orthogonal = orthogonal_loss(output.text) if self.orthogonal else classification.new_zeros(())
        return LossTerms(classification, segmentation, self.kl_weight * divergence, orthogonal)


def focal_loss(logits: torch.Tensor, mask: torch.Tensor, *, gamma: float = 2.0) -> torch.Tensor:
    r"""Focal loss of a two-way softmax, averaged over abnormal and over normal pixels separately, then added.

    .. math:: -(1 - p)^\gamma \log(p + 10^{-8}) \quad\text{for the probability p of a pixel's true class}

    MONAI's focal loss averages over all pixels together. A batch without abnormal (or without normal) pixels has no
    such term.

    Args:
        logits: abnormal-against-normal logits [N, 1, H, W].
        mask: 1 at abnormal pixels, else 0 [N, 1, H, W].
        gamma: how much easy pixels are turned down.
    """
    mask = mask.to(logits)  # 2 * mask - 1 would overflow in uint8
    sign = 2 * mask - 1
    p = torch.sigmoid(sign * logits)
    loss = -(torch.sigmoid(-sign * logits) ** gamma) * torch.log(p + 1e-8)
    abnormal, normal = (
        (loss * mask).sum() / mask.sum().clamp(min=1),
        (loss * (1 - mask)).sum() / (1 - mask).sum().clamp(min=1),
    )
    return abnormal + normal


def orthogonal_loss(text: torch.Tensor) -> torch.Tensor:
    """Mean squared cosine between the prompts of a bank, the diagonal set to zero; normal plus abnormal bank.

    As in the released program the mean runs over all B x B entries, diagonal included.

    Args:
        text: normalised text features [N, 2, B, C].
    """
    cosine = text @ text.transpose(-1, -2)
    others = 1 - torch.eye(cosine.shape[-1], device=cosine.device, dtype=cosine.dtype)
    return ((cosine * others) ** 2).mean((0, 2, 3)).sum()


def prompt_flow_divergence(samples: PromptSamples, n_images: int, *, released: bool = True) -> torch.Tensor:
    """Sum the divergences of the three prompt distributions that are on."""
    parts = [flow_divergence(part, n_images=n_images if released else None) for part in samples if part is not None]
    return torch.stack(parts).sum() if parts else torch.zeros(())


def flow_divergence(samples: FlowSamples, *, n_images: int | None = None) -> torch.Tensor:
    r"""Monte Carlo estimate of the divergence of one prompt distribution from the prior N(0, I).

    .. math:: \mathrm{mean}\Bigl[\log q_0(z_0) - \log p(z_K) - \sum_k \log|\det_k|\Bigr]

    with constants dropped: :math:`\log N(x; m, v) = -\tfrac12 \sum (\log v + (x - m)^2 / v)`.

    Args:
        samples: of one distribution, G x R of them.
        n_images: what the sum of the log-determinants is divided by, per sample. The released program divides by the
            number of images even where there is one distribution for all of them; None divides by G.
    """
    mean, variance = samples.mean[:, None], samples.variance[:, None]
    log_base = -0.5 * (variance.log() + (samples.z_0 - mean) ** 2 / variance).sum(-1)
    log_prior = -0.5 * (samples.z_k**2).sum(-1)
    log_det = samples.log_dets.sum(-1).mean(-1).sum()
    return (log_base - log_prior).mean() - log_det / (n_images or len(samples.log_dets))
