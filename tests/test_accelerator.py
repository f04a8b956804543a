"""What runs on a GPU stays there: on tensors that know their device and shape alone, so that no GPU is needed.

PyTorch's fake tensors compute nothing, but refuse what a GPU would refuse, such as operands on two devices, and any
step that would have to wait for a value on the host.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np
import open_clip
import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from bpfl_med.demo.backbone import untrained_clip
from bpfl_med.intensity import WindowIntensity, grey_channels
from bpfl_med.losses import BayesPFLLoss
from bpfl_med.metrics import smoothed, top_k_mean
from bpfl_med.metrics.smoothing import _smoothing_matrix
from bpfl_med.networks import BayesPFL, CLIPBackbone, ComputeSettings
from bpfl_med.networks.clip_normalization import clip_normalize
from bpfl_med.training import TrainingNoise

CUDA = torch.device("cuda:0")


@pytest.fixture
def network(small_clip: open_clip.CLIP, request: pytest.FixtureRequest) -> BayesPFL:
    """A tiny network with the settings that a test asks for."""
    backbone = CLIPBackbone(copy.deepcopy(small_clip), image_size=24, name="tiny", pretrained=False)
    return BayesPFL(backbone, feature_blocks=(2, 4), n_samples=3, **getattr(request, "param", {})).eval()


@pytest.fixture
def fake_tensors(network: BayesPFL) -> Iterator[None]:
    """Make all tensors fake from here on, those of the network on the GPU and those made before on their device."""
    with FakeTensorMode(allow_non_fake_inputs=True):
        move_to_gpu(network)
        yield
    _smoothing_matrix.cache_clear()  # the fake ones


def move_to_gpu(network: torch.nn.Module) -> None:
    """Replace all weights by fake ones on the GPU."""
    for module in network.modules():
        for name, weight in module.named_parameters(recurse=False):
            fake = torch.empty(weight.shape, dtype=weight.dtype, device=CUDA)
            module.register_parameter(name, torch.nn.Parameter(fake, requires_grad=weight.requires_grad))
        for name, buffer in module.named_buffers(recurse=False):
            setattr(module, name, torch.empty(buffer.shape, dtype=buffer.dtype, device=CUDA))


ABLATIONS = [
    {},
    {"stage": 1},
    {"ensemble": "text"},
    {"compute_settings": ComputeSettings("bfloat16")},
    {"compute_settings": ComputeSettings("float16")},
    {"context_distribution": "image_agnostic", "state_distribution": "image_specific"},
    {"context_distribution": "off", "state_distribution": "off"},
    {"residual_attention": False, "patch_pooling": "average"},
]


@pytest.mark.parametrize("network", ABLATIONS, indirect=True, ids=str)
def test_a_prediction_never_leaves_the_gpu(network, fake_tensors):
    prediction = network.predict(torch.empty(2, 3, 24, 24, device=CUDA), ["brain", "metal nut"])
    assert {tensor.device for tensor in prediction} == {CUDA}
    assert prediction.anomaly_map.shape == (2, 1, 24, 24)
    shared = network.encode_text(torch.empty(1, 64, device=CUDA), ["brain"], network.noise)[0]
    features = network.encode_image(torch.empty(2, 3, 24, 24, device=CUDA))
    assert network.decode(features, shared).anomaly_map.device == CUDA


def test_whatever_embeds_the_patches_is_asked_on_the_gpu_and_not_rounded_to_tf32():
    backbone = CLIPBackbone(untrained_clip(seed=0), image_size=32, name="demonstration", pretrained=False)
    precisions: list[str] = []
    for convolution in backbone.clip.visual.conv1.convolutions.modules():
        if isinstance(convolution, torch.nn.Conv2d):
            convolution.register_forward_hook(lambda *_: precisions.append(torch.backends.cudnn.conv.fp32_precision))
    before = torch.backends.cudnn.conv.fp32_precision
    with FakeTensorMode(allow_non_fake_inputs=True):
        move_to_gpu(backbone)
        features = backbone.encode_image(torch.empty(2, 3, 32, 32, device=CUDA), (1, 6))
    assert {tensor.device for tensor in features} == {CUDA}
    assert set(precisions) == {"ieee"} != {before}
    assert torch.backends.cudnn.conv.fp32_precision == before


def test_a_program_that_rounds_nothing_is_not_disturbed(network):
    """PyTorch refuses to mix its two ways of saying so."""
    before = torch.backends.fp32_precision
    torch.backends.fp32_precision = "ieee"
    try:
        assert network.predict(torch.zeros(1, 3, 24, 24), ["brain"]).anomaly_map.isfinite().all()
    finally:
        torch.backends.fp32_precision = before


def test_a_weight_on_another_device_is_seen(network, fake_tensors):
    network.prompt_bank.context = torch.nn.Parameter(torch.empty(3, 5, 64))
    with pytest.raises(RuntimeError, match="at least two devices"):
        network.predict(torch.empty(1, 3, 24, 24, device=CUDA), ["brain"])


def test_a_value_asked_for_on_the_host_is_seen(network, fake_tensors):
    with pytest.raises(DataDependentOutputException):
        network.predict(torch.empty(1, 3, 24, 24, device=CUDA), ["brain"]).text_score.item()


@pytest.mark.parametrize("network", ABLATIONS, indirect=True, ids=str)
def test_the_forward_of_a_training_step_never_leaves_the_gpu(network, fake_tensors):
    loss_function = BayesPFLLoss()
    noise = TrainingNoise(3).noise(1, 1, [0, 1], 64)  # from NumPy, so on the host
    label, mask = torch.empty(2, dtype=torch.int64, device=CUDA), torch.empty(2, 1, 24, 24, device=CUDA)
    features = network.encode_image(torch.empty(2, 3, 24, 24, device=CUDA))
    output = network.train().training_output(features, ["brain", "liver"], noise, prompt_index=1)
    sums = loss_function.sums(output, label, mask, prompt_index=1)
    assert {tensor.device for tensor in (*sums, *loss_function.terms(sums))} == {CUDA}


def test_slices_become_inputs_on_the_gpu(fake_tensors):
    window = WindowIntensity([(40, 80)])
    channels = grey_channels(torch.empty(4, 32, 30, device=CUDA), window.ranges(np.zeros((1, 1, 1)), "CT"))
    inputs = clip_normalize(channels)
    assert inputs.shape == (4, 3, 32, 30)
    assert inputs.device == CUDA


def test_maps_are_smoothed_on_the_gpu(fake_tensors):
    maps = smoothed(torch.empty(1, 40, 24, device=CUDA), 1.5)
    assert maps.device == top_k_mean(maps, 7).device == CUDA
