"""The ablations of the paper are settings, each of which does what it says."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from bundle_files import small_network

from bpfl_med.networks import BayesPFL

IMAGE = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@cache
def unchanged() -> BayesPFL:
    return small_network()


def with_the_same_weights(network: BayesPFL) -> BayesPFL:
    """Give a network the weights of the unchanged one: what is drawn at first depends on all parts."""
    weights = dict(unchanged().named_parameters())
    for name, parameter in network.named_parameters():
        if name in weights and weights[name].shape == parameter.shape:
            parameter.data.copy_(weights[name])
    return network


@pytest.mark.parametrize(
    ("overrides", "changes_map", "changes_score"),
    [
        ({"network_def#context_distribution": "off"}, True, True),
        ({"network_def#context_distribution": "image_agnostic"}, True, True),
        ({"network_def#state_distribution": "off"}, True, True),
        ({"network_def#state_distribution": "image_specific"}, True, True),
        ({"network_def#residual_attention": False}, True, False),
        ({"network_def#patch_pooling": "average"}, False, True),
        ({"network_def#image_parts": ["x_cls"]}, False, True),
        ({"network_def#image_parts": ["x_patch"]}, False, True),
        ({"network_def#ensemble": "text"}, True, True),
        ({"network_def#stage": 1}, False, True),
        ({"n_samples": 5}, True, True),
        ({"seed": 1}, True, True),
        ({"feature_blocks": [3, 6]}, True, True),
    ],
)
def test_ablations_are_settings(overrides, changes_map, changes_score):
    networks = unchanged(), with_the_same_weights(small_network(**overrides))
    before, after = (network.predict(IMAGE, ["brain"]) for network in networks)
    assert ((before.anomaly_map - after.anomaly_map).abs().max() > 1e-6) == changes_map
    assert ((before.text_score - after.text_score).abs().max() > 1e-6) == changes_score
