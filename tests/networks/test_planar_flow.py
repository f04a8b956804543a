from __future__ import annotations

import torch
from torch import Tensor

from bpfl_med.networks.planar_flow import planar_flow, planar_map


def draw(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_log_determinant_of_a_map_is_that_of_its_jacobian() -> None:
    z, u, w = (draw(20, 6, seed=seed) for seed in range(3))
    b = draw(20, seed=3)
    _, log_dets = planar_map(z, u, w, b)
    for i in range(len(z)):
        jacobian = torch.autograd.functional.jacobian(lambda point, i=i: planar_map(point, u[i], w[i], b[i])[0], z[i])
        torch.testing.assert_close(log_dets[i], torch.log(torch.det(jacobian).abs() + 1e-5))


def test_log_determinants_of_a_flow_add_up_to_that_of_its_jacobian() -> None:
    z, u, w, b = draw(1, 1, 5, seed=0), draw(1, 4, 5, seed=1), draw(1, 4, 5, seed=2), draw(1, 4, seed=3)
    _, log_dets = planar_flow(z, u, w, b)
    jacobian = torch.autograd.functional.jacobian(lambda point: planar_flow(point, u, w, b)[0], z).reshape(5, 5)
    assert log_dets.shape == (1, 1, 4)
    torch.testing.assert_close(log_dets.sum(), torch.log(torch.det(jacobian).abs()), rtol=0, atol=1e-3)


def test_a_flow_is_its_maps_one_after_another_for_every_point() -> None:
    z, u, w, b = draw(2, 3, 4, seed=0), draw(2, 5, 4, seed=1), draw(2, 5, 4, seed=2), draw(2, 5, seed=3)
    z_k, log_dets = planar_flow(z, u, w, b)
    for g in range(2):
        for r in range(3):
            point = z[g, r]
            for k in range(5):
                point, log_det = planar_map(point, u[g, k], w[g, k], b[g, k])
                torch.testing.assert_close(log_dets[g, r, k], log_det)
            torch.testing.assert_close(z_k[g, r], point)
