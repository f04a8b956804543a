"""The three prompt distributions: a Gaussian base, moved by planar flows (the paper's prompt flow module)."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from bpfl_med.networks.planar_flow import planar_flow
from bpfl_med.networks.prompt_noise import PromptNoise

Conditioning = Literal["image_specific", "image_agnostic", "off"]


class FlowSamples(NamedTuple):
    """R samples of one prompt distribution, and what its divergence needs.

    G is the number of images for an image-specific distribution and 1 for an image-agnostic one.

    Attributes:
        mean: mu of the base [G, C].
        variance: diagonal variance of the base [G, C].
        z_0: samples of the base [G, R, C].
        z_k: the same samples after the flow, phi [G, R, C].
        log_dets: log-determinant of every planar map [G, R, K].
        shared: whether G is 1 because one draw serves all images, and not because there is one image.
    """

    mean: torch.Tensor
    variance: torch.Tensor
    z_0: torch.Tensor
    z_k: torch.Tensor
    log_dets: torch.Tensor
    shared: bool


class PromptSamples(NamedTuple):
    """Samples of the context, normal-state and abnormal-state distributions; None where one is off."""

    context: FlowSamples | None
    normal: FlowSamples | None
    abnormal: FlowSamples | None


class GaussianBase(nn.Module):
    r"""The base distribution :math:`q_0(z \mid \xi) = N(\mu(\xi), \mathrm{diag}\, v(\xi))`.

    Mean and variance come from two perceptrons C -> hidden -> hidden -> C with Softplus between. As in the released
    program :math:`v = \exp(o / 2)` for the output o of the second, so a standard deviation is :math:`\exp(o / 4)`.
    """

    def __init__(self, width: int, hidden_width: int) -> None:
        super().__init__()
        self.mean = _perceptron(width, hidden_width)
        self.twice_log_variance = _perceptron(width, hidden_width)

    def forward(self, condition: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Give mean and variance, both [G, C], for conditions xi [G, C]."""
        return self.mean(condition), torch.exp(0.5 * self.twice_log_variance(condition))


class ImageSpecificFlow(nn.Module):
    """A flow whose condition is the image's global feature and whose maps are linear functions of it (ISD)."""

    def __init__(self, width: int, n_flows: int) -> None:
        super().__init__()
        self.n_flows = n_flows
        self.u = _Linear(width, n_flows * width)
        self.w = _Linear(width, n_flows * width)
        self.b = _Linear(width, n_flows)

    def forward(self, base: GaussianBase, global_feature: torch.Tensor, noise: torch.Tensor) -> FlowSamples:
        """Draw samples for every image from x_cls [N, C] and standard normal noise [N, R, C] or [R, C]."""
        u = self.u(global_feature).unflatten(-1, (self.n_flows, -1))
        w = self.w(global_feature).unflatten(-1, (self.n_flows, -1))
        return _sample(base, global_feature, noise, u, w, self.b(global_feature), shared=False)


class ImageAgnosticFlow(nn.Module):
    """A flow whose condition and maps are free parameters, the same for every image (IAD)."""

    def __init__(self, width: int, n_flows: int) -> None:
        super().__init__()
        self.condition = nn.Parameter(torch.randn(1, width))
        self.u = nn.Parameter(torch.randn(n_flows, width))
        self.w = nn.Parameter(torch.randn(n_flows, width))
        self.b = nn.Parameter(torch.randn(n_flows))

    def forward(self, base: GaussianBase, global_feature: torch.Tensor, noise: torch.Tensor) -> FlowSamples:
        """Draw samples from standard normal noise [R, C] or [N, R, C]; the feature gives only the dtype."""
        condition, u, w, b = (value.to(global_feature.dtype) for value in (self.condition, self.u, self.w, self.b))
        return _sample(base, condition, noise, u[None], w[None], b[None], shared=noise.ndim == 2)


class PromptFlow(nn.Module):
    """The distributions of the context and of the two states; the states share their base's perceptrons.

    Args:
        width: C, the width of the text tokens.
        hidden_width: width of the perceptrons' hidden layers (V / 2 in the paper).
        n_flows: K, planar maps in each flow.
        context: what the context distribution depends on (the paper: image-specific).
        state: what the two state distributions depend on (the paper: image-agnostic).

    Raises:
        ValueError: if a distribution is neither "image_specific", "image_agnostic" nor "off".
    """

    def __init__(
        self, width: int, hidden_width: int, n_flows: int, *, context: Conditioning, state: Conditioning
    ) -> None:
        super().__init__()
        self.context_base, self.context = _distribution("context", context, width, hidden_width, n_flows)
        self.state_base, self.normal = _distribution("state", state, width, hidden_width, n_flows)
        self.abnormal = None if state == "off" else _flow(state, width, n_flows)

    def forward(self, global_feature: torch.Tensor, noise: PromptNoise) -> PromptSamples:
        """Sample the three distributions for N images, computing in the dtype of the global feature.

        Args:
            global_feature: x_cls [N, C], not normalised.
            noise: standard normal noise; context [N, R, C] or [R, C] (the same for every image), states [R, C].
        """

        def sample(flow: nn.Module | None, base: nn.Module | None, eps: torch.Tensor) -> FlowSamples | None:
            return None if flow is None else flow(base, global_feature, eps.to(global_feature))

        return PromptSamples(
            sample(self.context, self.context_base, noise.context),
            sample(self.normal, self.state_base, noise.normal),
            sample(self.abnormal, self.state_base, noise.abnormal),
        )


class _Linear(nn.Linear):
    """A linear layer that computes in the dtype of its input, whatever that of its weights."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return F.linear(input, self.weight.to(input.dtype), self.bias.to(input.dtype))


def _sample(
    base: GaussianBase,
    condition: torch.Tensor,
    noise: torch.Tensor,
    u: torch.Tensor,
    w: torch.Tensor,
    b: torch.Tensor,
    *,
    shared: bool,
) -> FlowSamples:
    mean, variance = base(condition)
    z_0 = mean[:, None] + variance.sqrt()[:, None] * (noise if noise.ndim == 3 else noise[None])
    z_k, log_dets = planar_flow(z_0, u, w, b)
    return FlowSamples(mean, variance, z_0, z_k, log_dets, shared)


def _perceptron(width: int, hidden_width: int) -> nn.Sequential:
    return nn.Sequential(
        _Linear(width, hidden_width),
        nn.Softplus(),
        _Linear(hidden_width, hidden_width),
        nn.Softplus(),
        _Linear(hidden_width, width),
    )


def _flow(kind: Conditioning, width: int, n_flows: int) -> nn.Module:
    return {"image_specific": ImageSpecificFlow, "image_agnostic": ImageAgnosticFlow}[kind](width, n_flows)


def _distribution(
    name: str, kind: Conditioning, width: int, hidden_width: int, n_flows: int
) -> tuple[nn.Module | None, nn.Module | None]:
    if kind == "off":
        return None, None
    if kind not in ("image_specific", "image_agnostic"):
        raise ValueError(f"The {name} distribution must be 'image_specific', 'image_agnostic' or 'off', got {kind!r}")
    return GaussianBase(width, hidden_width), _flow(kind, width, n_flows)
