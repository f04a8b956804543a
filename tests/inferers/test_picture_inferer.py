"""The inferer hands the class names on and gives every field."""

from __future__ import annotations

import pytest
import torch

from bpfl_med.inferers import PictureInferer
from bpfl_med.networks import BayesPFL, IntensityNetwork
from bpfl_med.networks.clip_normalization import clip_normalize


@pytest.fixture(scope="module")
def network(backbone) -> BayesPFL:
    return BayesPFL(backbone, feature_blocks=(2, 4), n_samples=2, class_name="liver").eval()


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.randn(2, 3, 48, 48, generator=torch.Generator().manual_seed(0))


def test_each_image_is_scored_under_its_own_name(network, images):
    result = PictureInferer()(images, network, ["brain", "colon"])
    assert result.keys() == {"anomaly_map", "text_score", "uncertainty", "score_std"}
    alone = network.predict(images[1:], ["colon"])
    torch.testing.assert_close(result["anomaly_map"][1:], alone.anomaly_map, atol=1e-5, rtol=0)
    torch.testing.assert_close(result["text_score"][1:], alone.text_score, atol=1e-5, rtol=0)
    assert (network.predict(images[1:], ["brain"]).anomaly_map - alone.anomaly_map).abs().max() > 1e-4


def test_the_networks_own_name_is_the_default(network, images):
    ours, expected = PictureInferer()(images, network), network.predict(images, ["liver", "liver"])
    for name, value in expected._asdict().items():
        torch.testing.assert_close(ours[name], value, atol=0, rtol=0)


def test_one_name_is_no_list_of_names(network, images):
    """Its letters would be taken for the names of as many images."""
    with pytest.raises(ValueError, match="must be a list of class names, one per image, got the text 'ab'"):
        network.predict(images, "ab")


def test_a_picture_is_its_own_map_by_the_intensity_check(images):
    network = IntensityNetwork()
    found = PictureInferer()(clip_normalize(images.abs().clamp(max=1)), network)
    torch.testing.assert_close(found["anomaly_map"], images[:, :1].abs().clamp(max=1), atol=1e-6, rtol=0)
    with pytest.raises(ValueError, match="one class name per image, got 1 for 2 images"):
        PictureInferer()(images, network, ["brain"])


def test_features_of_another_network_are_refused(images):
    with pytest.raises(ValueError, match="Features are those of a Bayes-PFL, and the network is a IntensityNetwork"):
        PictureInferer(features=lambda *_: None)(images, IntensityNetwork())


def test_too_few_names_are_refused(network, images):
    with pytest.raises(ValueError, match="one class name per image, got 1 for 2 images"):
        PictureInferer()(images, network, ["brain"])
