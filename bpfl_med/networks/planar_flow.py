"""One planar map, and a chain of them."""

from __future__ import annotations

import torch


def planar_map(z: torch.Tensor, u: torch.Tensor, w: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    r"""Apply one planar map and give the logarithm of its Jacobian determinant.

    .. math::
        h(z) = z + u \tanh(w \cdot z + b), \qquad
        \log|\det| = \log(|1 + u \cdot \psi(z)| + 10^{-5}), \qquad
        \psi(z) = (1 - \tanh^2(w \cdot z + b))\, w

    Nothing keeps :math:`u \cdot \psi(z)` above -1, as in the released program: a map may fold the space.

    Args:
        z: points [..., C].
        u: direction of the shift [..., C].
        w: normal of the plane [..., C].
        b: offset of the plane [...].

    Returns:
        The mapped points [..., C] and the log-determinants [...].
    """
    activation = torch.tanh((w * z).sum(-1) + b).unsqueeze(-1)
    psi = (1 - activation**2) * w
    log_det = torch.log((1 + (u * psi).sum(-1)).abs() + 1e-5)
    return z + u * activation, log_det


def planar_flow(
    z: torch.Tensor, u: torch.Tensor, w: torch.Tensor, b: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Apply K planar maps one after another.

    Args:
        z: points [G, R, C].
        u: [G, K, C].
        w: [G, K, C].
        b: [G, K].

    Returns:
        The points z_K [G, R, C] and the log-determinants of every map [G, R, K].
    """
    log_dets = []
    for k in range(u.shape[1]):
        z, log_det = planar_map(z, u[:, k, None], w[:, k, None], b[:, k, None])
        log_dets.append(log_det)
    return z, torch.stack(log_dets, dim=-1)
