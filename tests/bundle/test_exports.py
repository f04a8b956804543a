"""MONAI's verbs on the network: its shapes are those of the metadata, and exports compute what it computes."""

from __future__ import annotations

import onnx
import onnx.reference
import pytest
import torch
from bundle_files import BUNDLE, INFERENCE, METADATA, SMALL, small_network
from monai.bundle import ConfigParser, ckpt_export, onnx_export, verify_net_in_out

from bpfl_med.networks import BayesPFL

ARGUMENTS = {
    "net_id": "network_def",
    "meta_file": str(METADATA),
    "config_file": [str(file) for file in INFERENCE],
    "bundle_root": str(BUNDLE),
    "class_name": "brain",
    **SMALL,
}
EXPORT = {**ARGUMENTS, "use_trace": True, "input_shape": [1, 3, 64, 64]}
SHAPE = "_meta_#network_data_format#inputs#image#spatial_shape"


@pytest.fixture(scope="module")
def network() -> BayesPFL:
    return small_network(class_name="brain", seed=1)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, network: BayesPFL) -> str:
    """Weights that differ from those that a config gives without a checkpoint."""
    network.log_temperature_pixel.data.add_(1)
    path = tmp_path_factory.mktemp("checkpoint") / "model.pt"
    torch.save(network.state_dict(), path)
    return str(path)


@pytest.fixture(scope="module")
def image() -> torch.Tensor:
    return torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def test_verify_net_in_out():
    verify_net_in_out(**ARGUMENTS, **{SHAPE: [64, 64]})


def test_verify_net_in_out_notices_another_number_of_channels():
    with pytest.raises(ValueError, match="output channel number"):
        verify_net_in_out(**ARGUMENTS, **{SHAPE: [64, 64], "_meta_#network_data_format#outputs#pred#num_channels": 2})


def test_torchscript_computes_the_same_map(tmp_path, network, checkpoint, image):
    path = str(tmp_path / "model.ts")
    ckpt_export(filepath=path, ckpt_file=checkpoint, **{**EXPORT, "seed": 1})
    torch.testing.assert_close(torch.jit.load(path)(image), network(image), atol=1e-6, rtol=0)


def test_onnx_computes_the_same_map(tmp_path, network, checkpoint, image):
    path = tmp_path / "model.onnx"
    onnx_export(filepath=str(path), ckpt_file=checkpoint, **{**EXPORT, "seed": 1})
    model = onnx.load(path)
    onnx.checker.check_model(model)
    inputs = {model.graph.input[0].name: image.numpy()}
    (ours,) = onnx.reference.ReferenceEvaluator(model).run(None, inputs)
    torch.testing.assert_close(torch.tensor(ours), network(image), atol=1e-5, rtol=0)


def test_a_checkpoint_of_other_hyper_parameters_is_refused(tmp_path, checkpoint):
    with pytest.raises(ValueError, match=r"does not fit this network .* patch_pooling is 'attention', here 'average'"):
        ckpt_export(
            filepath=str(tmp_path / "model.ts"),
            ckpt_file=checkpoint,
            **{**EXPORT, "seed": 1, "network_def#patch_pooling": "average"},
        )


def test_a_bundle_can_be_verified_at_its_own_size():
    """The shapes of the metadata are those of the default backbone; only its weights cannot be had everywhere."""
    parser = ConfigParser()
    parser.read_config(str(INFERENCE[0]))
    parser.read_meta(str(METADATA))
    for put in ("inputs::image", "outputs::pred"):
        assert parser[f"_meta_::network_data_format::{put}::spatial_shape"] == [parser["image_size"]] * 2
