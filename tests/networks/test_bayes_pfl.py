"""What holds of the network as a whole, whatever its numbers are."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import onnx.reference
import pytest
import torch
from torch import Tensor

from bpfl_med.networks import BayesPFL, CLIPBackbone, Prediction, PromptNoise

NAMES = ["brain", "pcb1", "chest x-ray of an adult"]
Draw = Callable[..., Tensor]


@pytest.fixture(scope="module")
def network(make_network: Callable[..., BayesPFL]) -> BayesPFL:
    return make_network()


def assert_close(found: Prediction, expected: Prediction, tolerance: float) -> None:
    for name, value in expected._asdict().items():
        torch.testing.assert_close(getattr(found, name), value, rtol=0, atol=tolerance, msg=name, check_dtype=False)


def bytes_of(prediction: Prediction) -> bytes:
    return b"".join(value.numpy().tobytes() for value in prediction)


class TestSameNumbers:
    def test_in_a_batch_and_one_by_one(self, network: BayesPFL, images: Draw) -> None:
        batch = network.predict(images(3), NAMES)
        single = [network.predict(images(3)[i : i + 1], NAMES[i : i + 1]) for i in range(3)]
        assert_close(Prediction(*map(torch.cat, zip(*single, strict=True))), batch, 1e-5)

    def test_with_little_and_with_much_memory(self, make_network: Callable[..., BayesPFL], images: Draw) -> None:
        expected = make_network(chunk_bytes=2**30).predict(images(3), NAMES)
        for chunk_bytes in (1, 3 * 2 * 24**2 * 4 * 4):
            assert_close(make_network(chunk_bytes=chunk_bytes).predict(images(3), NAMES), expected, 1e-6)

    def test_twice(self, network: BayesPFL, images: Draw) -> None:
        assert bytes_of(network.predict(images(2), NAMES[:2])) == bytes_of(network.predict(images(2), NAMES[:2]))

    def test_in_training_mode(self, network: BayesPFL, images: Draw) -> None:
        expected = bytes_of(network.predict(images(1), ["brain"]))
        assert bytes_of(copy.deepcopy(network).train().predict(images(1), ["brain"])) == expected

    def test_with_the_text_of_one_image_for_all(self, make_network: Callable[..., BayesPFL], images: Draw) -> None:
        network = make_network(context_distribution="image_agnostic")
        features = network.encode_image(images(3))
        with torch.no_grad():
            text, _ = network.encode_text(features.global_feature[:1], ["brain"], network.noise)
            assert_close(network.decode(features, text), network.predict(images(3), ["brain"] * 3), 1e-5)

    def test_forward_is_the_map_for_the_constructors_class_name(
        self, make_network: Callable[..., BayesPFL], images: Draw
    ) -> None:
        network = make_network(class_name="lung")
        assert torch.equal(network(images(2)), network.predict(images(2), ["lung", "lung"]).anomaly_map)
        assert torch.equal(network(images(2), ["brain", "lung"]), network.predict(images(2), ["brain", "lung"])[0])


class TestSeed:
    @staticmethod
    def build(backbone: CLIPBackbone, seed: int) -> BayesPFL:
        return BayesPFL(backbone, feature_blocks=(2, 4), n_samples=2, seed=seed).eval()

    def test_same_seed_same_bytes(self, backbone: CLIPBackbone, images: Draw) -> None:
        first = self.build(backbone, 1)
        torch.manual_seed(99)  # whatever was drawn before
        second = self.build(backbone, 1)
        for name, value in first.state_dict().items():
            assert torch.equal(value, second.state_dict()[name]), name
        image = images(1, 48)
        assert bytes_of(first.predict(image, ["brain"])) == bytes_of(second.predict(image, ["brain"]))

    def test_another_seed_gives_other_weights_and_noise(self, backbone: CLIPBackbone) -> None:
        first, second = self.build(backbone, 1), self.build(backbone, 2)
        assert not torch.equal(first.prompt_bank.context, second.prompt_bank.context)
        assert not torch.equal(first.noise.context, second.noise.context)

    def test_global_random_state_is_left_alone(self, backbone: CLIPBackbone, images: Draw) -> None:
        torch.manual_seed(4)
        expected = torch.rand(3)
        torch.manual_seed(4)
        self.build(backbone, 1).predict(images(1, 48), ["brain"])
        assert torch.equal(torch.rand(3), expected)

    def test_accelerators_are_not_seeded(self, backbone: CLIPBackbone, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(torch.cuda, "manual_seed_all", lambda seed: pytest.fail("seeds every GPU"))
        self.build(backbone, 1)

    def test_sampling_can_be_drawn_anew(self, network: BayesPFL) -> None:
        network = copy.deepcopy(network)
        network.set_sampling(5, seed=8)
        expected = PromptNoise.draw(5, 64, seed=8)
        assert (network.n_samples, network.seed) == (5, 8)
        assert all(map(torch.equal, network.noise, expected))

    def test_training_starts_from_the_released_weights_distributions(self, backbone: CLIPBackbone) -> None:
        network = self.build(backbone, 1)
        bank, flow = network.prompt_bank, network.prompt_flow
        expected = [  # mean and standard deviation
            (bank.context, 0, 0.02),
            (bank.normal_state, 0.5, 0.02),
            (bank.abnormal_state, -0.5, 0.02),
            (network.cross_attention.patch_projection, 0, 0.02),
            (network.text_score.text_projection.weight, 0, 0.02),
            (flow.context.w.weight, 0, 0.02),
            *((part, 0, 1) for part in (flow.normal.u, flow.normal.w, flow.abnormal.u, flow.abnormal.w)),
        ]
        for weight, mean, std in expected:
            assert weight.mean().item() == pytest.approx(mean, abs=std / 5)
            assert weight.std().item() == pytest.approx(std, rel=0.15)
        for layer in (network.text_score.image_projection, flow.context.u, flow.state_base.mean[0]):
            assert not layer.bias.any()
        for log_temperature in (network.log_temperature_pixel, network.log_temperature_image):
            assert log_temperature.exp().item() == pytest.approx(1 / 0.07)

    def test_the_three_kinds_of_noise_differ(self) -> None:
        noise = PromptNoise.draw(4, 1000, seed=0)
        correlations = torch.corrcoef(torch.stack(noise).flatten(1)) - torch.eye(3)
        assert correlations.abs().max() < 0.1
        assert abs(torch.stack(noise).std() - 1) < 0.05


class TestTypesAndDevices:
    @pytest.mark.parametrize(
        ("dtype", "tolerance"), [(torch.float64, 1e-5), (torch.bfloat16, 0.05), (torch.half, 0.01)]
    )
    def test_everything_follows_the_type(
        self, dtype: torch.dtype, tolerance: float, network: BayesPFL, images: Draw
    ) -> None:
        found = copy.deepcopy(network).to(dtype).predict(images(2).to(dtype), NAMES[:2])
        assert {value.dtype for value in found} == {torch.promote_types(dtype, torch.float32)}
        assert_close(found, network.predict(images(2), NAMES[:2]), tolerance)

    def test_noise_drawn_later_follows_the_type(self, network: BayesPFL) -> None:
        network = copy.deepcopy(network).double()
        network.set_sampling(2, seed=0)
        assert network.noise.context.dtype == torch.float64

    def test_autocast(self, network: BayesPFL, images: Draw) -> None:
        expected = network.predict(images(2), NAMES[:2])
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = network.predict(images(2), NAMES[:2])
        assert_close(found, expected, 0.05)

    def test_flows_are_not_rounded_by_autocast(self, network: BayesPFL, images: Draw) -> None:
        feature = network.encode_image(images(2)).global_feature
        expected = network.encode_text(feature, NAMES[:2], network.noise)[1]
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = network.encode_text(feature, NAMES[:2], network.noise)[1]
        for part, same in zip(found, expected, strict=True):
            assert torch.equal(part.z_k, same.z_k)

    def test_everything_follows_the_device(self, network: BayesPFL, images: Draw) -> None:
        """The meta device refuses to meet a tensor that was left on the CPU."""
        elsewhere = copy.deepcopy(network).to("meta")
        assert {tensor.device.type for tensor in (*elsewhere.parameters(), *elsewhere.buffers())} == {"meta"}
        found = elsewhere.predict(images(2).to("meta"), NAMES[:2])
        assert {value.device.type for value in found} == {"meta"}


class TestRefusals:
    @pytest.mark.parametrize("blocks", [(0, 2), (2, 5), (4, 2), (2, 2), ()])
    def test_unknown_blocks(self, blocks: tuple[int, ...], backbone: CLIPBackbone) -> None:
        with pytest.raises(ValueError, match="ascending numbers from 1 to 4, the blocks of tiny, got"):
            BayesPFL(backbone, feature_blocks=blocks)

    @pytest.mark.parametrize("blocks", [4, "12"])
    def test_blocks_that_are_no_list(self, blocks: object, backbone: CLIPBackbone) -> None:
        with pytest.raises(ValueError, match=f"must be a list of numbers, got {blocks!r}"):
            BayesPFL(backbone, feature_blocks=blocks)

    @pytest.mark.parametrize(
        "name", ["n_prompts", "context_length", "state_length", "n_flows", "n_samples", "hidden_width"]
    )
    def test_counts_below_one(self, name: str, backbone: CLIPBackbone) -> None:
        with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
            BayesPFL(backbone, feature_blocks=(4,), **{name: 0})

    @pytest.mark.parametrize(
        ("option", "text"),
        [
            ({"stage": 3}, "stage must be one of"),
            ({"ensemble": "map"}, "ensemble must be one of"),
            ({"context_distribution": "none"}, "The context distribution must be"),
            ({"state_distribution": "none"}, "The state distribution must be"),
            ({"patch_pooling": "max"}, "pooling of the patches must be 'attention' or 'average', got 'max'"),
            ({"image_parts": ()}, "made of 'x_cls' and 'x_patch'"),
            ({"image_parts": ("x_cls", "x")}, "made of 'x_cls' and 'x_patch'"),
        ],
    )
    def test_unknown_choices(self, option: dict[str, object], text: str, backbone: CLIPBackbone) -> None:
        with pytest.raises(ValueError, match=text):
            BayesPFL(backbone, feature_blocks=(4,), **option)

    def test_names_that_are_not_one_per_image(self, network: BayesPFL, images: Draw) -> None:
        with pytest.raises(ValueError, match="one class name per image, got 2 for 3 images"):
            network.predict(images(3), NAMES[:2])

    def test_a_name_too_long_for_the_prompt(self, network: BayesPFL, images: Draw) -> None:
        room = 77 - 1 - 2 - 3  # start token, context, state
        network.predict(images(1), [" ".join(["lung"] * (room - 1))])
        with pytest.raises(ValueError, match=f"there is room for {room}; use a shorter name"):
            network.predict(images(1), [" ".join(["lung"] * room)])

    def test_an_image_of_another_shape(self, network: BayesPFL, images: Draw) -> None:
        with pytest.raises(ValueError, match=r"takes images \[N, 3, 24, 24\], got \[1, 3, 32, 32\]"):
            network.predict(images(1, 32), ["brain"])


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")  # shapes and class name are constants on purpose
class TestExports:
    def test_a_trace_works_for_another_image(self, network: BayesPFL, images: Draw, tmp_path: Path) -> None:
        first, second = images(2).split(1)
        torch.jit.trace(network, first).save(tmp_path / "trace.pt")
        traced = torch.jit.load(tmp_path / "trace.pt")
        torch.testing.assert_close(traced(second), network(second), rtol=0, atol=1e-6)
        assert (traced(second) - traced(first)).abs().max() > 1e-2

    @pytest.mark.parametrize("dynamo", [True, False])
    def test_onnx_works_for_another_image(self, dynamo: bool, network: BayesPFL, images: Draw, tmp_path: Path) -> None:
        first, second = images(2).split(1)
        path = tmp_path / "network.onnx"
        torch.onnx.export(network, (first,), path, dynamo=dynamo, input_names=["image"], verbose=False)
        (found,) = onnx.reference.ReferenceEvaluator(str(path)).run(None, {"image": second.numpy()})
        torch.testing.assert_close(torch.from_numpy(found), network(second), rtol=0, atol=1e-5)


class TestTrainingOutput:
    def test_shapes(self, network: BayesPFL, images: Draw) -> None:
        noise = PromptNoise(torch.zeros(3, 1, 64), torch.zeros(1, 64), torch.zeros(1, 64))
        output = network.training_output(network.encode_image(images(3)), NAMES, noise, prompt_index=1)
        assert output.class_logits.shape == (3, 2, 2)
        assert output.text.shape == (3, 2, 2, 64)
        assert output.map_logits.shape == (2, 3, 24, 24)

    def test_noise_of_every_image_is_no_draw_that_images_share(
        self, make_network: Callable[..., BayesPFL], images: Draw
    ) -> None:
        """An image-agnostic context too: its loss is the mean over the images' own draws."""
        network = make_network(context_distribution="image_agnostic")
        noise = PromptNoise(torch.zeros(3, 1, 64), torch.zeros(1, 64), torch.zeros(1, 64))
        samples = network.training_output(network.encode_image(images(3)), NAMES, noise, prompt_index=1).samples
        assert [part.shared for part in samples] == [False, True, True]

    @pytest.mark.parametrize("mixed_precision", [False, True])
    def test_prompts_are_sampled_in_float64(self, mixed_precision: bool, network: BayesPFL, images: Draw) -> None:
        """In float32 two processes would not train as one does."""
        features, random = network.encode_image(images(3)), torch.Generator().manual_seed(1)
        shapes = ((3, 1, 64), (1, 64), (1, 64))
        noise = PromptNoise(*(torch.randn(shape, generator=random) for shape in shapes))
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=mixed_precision):
            found = network.training_output(features, NAMES, noise, prompt_index=1).samples
        twin = copy.deepcopy(network.prompt_flow).double()
        expected = twin(features.global_feature.double(), PromptNoise(*(part.double() for part in noise)))
        for part, same in zip(found, expected, strict=True):
            assert torch.allclose(part.z_k, same.z_k, rtol=1e-12, atol=0)
            assert torch.allclose(part.log_dets, same.log_dets, rtol=1e-9, atol=1e-12)

    def test_gradients_reach_prompts_but_never_the_backbone(self, network: BayesPFL, images: Draw) -> None:
        network = copy.deepcopy(network)
        noise = PromptNoise(torch.zeros(3, 1, 64), torch.zeros(1, 64), torch.zeros(1, 64))
        output = network.training_output(network.encode_image(images(3)), NAMES, noise, prompt_index=1)
        (output.map_logits.mean() + output.class_logits.mean() + output.samples.context.log_dets.mean()).backward()
        without = {name for name, parameter in network.named_parameters() if parameter.grad is None}
        assert {name for name in without if not name.startswith("backbone.")} == set()
        assert without == {name for name, _ in network.named_parameters() if name.startswith("backbone.")}


def test_untrained_parts_are_announced(make_network: Callable[..., BayesPFL], network: BayesPFL) -> None:
    assert network.notice.startswith("UNTRAINED CLIP backbone and prompts: ")
    trained = make_network()
    trained.trained = True
    assert trained.notice.startswith("UNTRAINED CLIP backbone: ")
    trained.backbone.pretrained = True
    assert trained.notice is None


def test_noise_of_other_shapes_is_refused(network: BayesPFL, images: Draw) -> None:
    """Each would broadcast without a word."""
    width = network.backbone.embed_dim
    good = {"context": torch.zeros(2, 4, width), "normal": torch.zeros(4, width), "abnormal": torch.zeros(4, width)}
    network.predict(images(2), NAMES[:2], noise=PromptNoise(**good))
    for name, shape in (("context", (2, 1, width)), ("context", (1, 4, width)), ("abnormal", (1, width))):
        with pytest.raises(ValueError, match="The noise must have the shapes"):
            network.predict(images(2), NAMES[:2], noise=PromptNoise(**{**good, name: torch.zeros(shape)}))


def test_the_checksum_is_of_the_prompts_and_their_backbone(network: BayesPFL) -> None:
    other = copy.deepcopy(network)
    assert other.checksum == network.checksum
    other.prompt_bank.context.data[0, 0, 0] += 1
    assert other.checksum != network.checksum
