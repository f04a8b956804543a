"""The weights of the demonstration are the recorded ones, load, fit each other, and say what they are."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from PIL import Image

import bpfl_med.demo
from bpfl_med.checkpoints import read_tensors
from bpfl_med.demo import demo_backbone, demo_prompts
from bpfl_med.demo.backbone import untrained_clip
from bpfl_med.demo.phantoms import KINDS
from bpfl_med.metrics import PixelMetrics
from bpfl_med.networks import BayesPFL
from bpfl_med.networks.clip_normalization import clip_normalize
from bpfl_med.workflow.resources import bundle_folder, configs_folder

FOLDER = Path(bpfl_med.demo.__file__).parent
CONFIGS = [bundle_folder() / "configs/inference.json", configs_folder() / "backbones/demo.yaml"]


def demonstration(**overrides: object) -> BayesPFL:
    """Build the bundle's network with the demonstration's backbone and, unless overridden, prompts."""
    parser = ConfigParser()
    parser.read_config([str(file) for file in CONFIGS])
    parser.update(overrides)
    parser["device"] = torch.device("cpu")
    return parser.get_parsed_content("network").eval()


def test_the_model_card_names_the_checksum_of_every_file():
    card = (FOLDER / "MODEL_CARD.md").read_text()
    files = sorted((FOLDER / "weights").glob("*.safetensors"))
    assert [file.name for file in files] == ["backbone.safetensors", "prompts.safetensors"]
    for file in files:
        assert hashlib.sha256(file.read_bytes()).hexdigest() in card
    assert sum(file.stat().st_size for file in files) < 20e6


def test_the_weights_are_those_of_the_file_in_float32():
    backbone = demo_backbone(image_size=96)
    for name, tensor in read_tensors(FOLDER / "weights/backbone.safetensors").items():
        loaded = backbone.clip.state_dict()[name]
        assert loaded.dtype == torch.float32
        assert torch.equal(loaded, tensor.float())


def test_the_prompts_were_trained_for_the_backbone():
    network = demonstration()  # another backbone, image size or hyper-parameter would be refused
    assert network.trained
    assert network.stage == 2
    assert 0 < network.threshold < 1
    assert network.provenance["caution"] == "DEMONSTRATION"
    assert network.notice.startswith("DEMONSTRATION weights: ")


def test_untrained_prompts_on_it_are_called_so():
    network = demonstration(prompts_file=None)
    assert network.provenance["caution"] == "UNTRAINED"
    assert network.notice.startswith("UNTRAINED prompts: ")


def pixel_auroc(network: BayesPFL) -> float:
    """Mean over the kinds of phantoms, of four pictures each."""
    found = []
    for stream, (kind, draw) in enumerate(KINDS.items()):
        generator = np.random.default_rng([11, stream])
        phantoms = [draw(generator, is_abnormal) for is_abnormal in (False, True, False, True)]
        size = (network.image_size,) * 2
        pictures = [Image.fromarray(np.uint8(255 * p.image)).convert("RGB").resize(size) for p in phantoms]
        masks = [Image.fromarray(np.uint8(255 * p.mask)).resize(size) for p in phantoms]
        image = torch.from_numpy(np.stack([np.asarray(p) for p in pictures])).movedim(-1, 1) / 255
        maps = network.predict(clip_normalize(image), [kind] * 4).anomaly_map
        metrics = PixelMetrics()
        metrics.update(maps.numpy()[:, 0], np.stack([np.asarray(mask) > 127 for mask in masks]))
        found.append(metrics.compute()["auroc"])
    return float(np.mean(found))


def test_it_finds_lesions_of_kinds_that_it_never_saw_and_untrained_prompts_do_not():
    trained, untrained = pixel_auroc(demonstration()), pixel_auroc(demonstration(prompts_file=None))
    assert trained > 0.9
    assert trained > untrained + 0.1


def test_prompts_lie_beside_it():
    assert Path(demo_prompts()).parent == FOLDER / "weights"


def test_a_seed_gives_the_same_untrained_weights_and_another_seed_others():
    first, again, other = (untrained_clip(seed=seed).visual.proj for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_state_of_random_numbers_is_left_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    demo_backbone(image_size=64)
    torch.testing.assert_close(torch.rand(3), expected, atol=0, rtol=0)


def test_an_image_size_that_patches_do_not_fill():
    with pytest.raises(ValueError, match=r"multiple of the patch size 8 of demonstration, got 100; use 96"):
        demo_backbone(image_size=100)
