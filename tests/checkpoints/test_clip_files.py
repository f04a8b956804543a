"""CLIP from every layout that people have, and clear words for those that will not do."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from pathlib import Path

import open_clip
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from bpfl_med.checkpoints import load_clip, pretrained_clip
from bpfl_med.checkpoints.clip import _config_from_sizes
from bpfl_med.networks import CLIPBackbone

StateDict = dict[str, Tensor]


@pytest.fixture(scope="module")
def weights(small_clip: open_clip.CLIP) -> StateDict:
    return {name: tensor.detach().clone() for name, tensor in small_clip.state_dict().items()}


@pytest.fixture
def save(tmp_path: Path) -> Callable[[object], Path]:
    def write(content: object) -> Path:
        torch.save(content, tmp_path / "clip.pt")
        return tmp_path / "clip.pt"

    return write


def assert_is_small_clip(backbone: CLIPBackbone, small_clip: open_clip.CLIP) -> None:
    image = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = copy.deepcopy(small_clip).eval().encode_image(image)
    torch.testing.assert_close(backbone.encode_image(image, (4,)).global_feature, expected, rtol=0, atol=1e-5)
    assert backbone.activation == "gelu"
    assert backbone.pretrained


class TestLayouts:
    def test_plain_state_dict(self, weights: StateDict, save: Callable, small_clip: open_clip.CLIP) -> None:
        backbone = load_clip(save(weights), image_size=32)
        assert_is_small_clip(backbone, small_clip)
        assert backbone.name == "clip.pt"

    def test_training_checkpoint(self, weights: StateDict, save: Callable, small_clip: open_clip.CLIP) -> None:
        path = save({"epoch": 3, "state_dict": {f"module.{name}": value for name, value in weights.items()}})
        assert_is_small_clip(load_clip(path, image_size=32), small_clip)

    def test_safetensors(self, weights: StateDict, tmp_path: Path, small_clip: open_clip.CLIP) -> None:
        save_file(weights, tmp_path / "clip.safetensors")
        assert_is_small_clip(load_clip(tmp_path / "clip.safetensors", image_size=32), small_clip)

    @pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
    def test_openai_archive(self, tmp_path: Path, small_clip: open_clip.CLIP) -> None:
        clip = copy.deepcopy(small_clip).eval()
        for name, value in (("input_resolution", 32), ("context_length", 77), ("vocab_size", 49408)):
            vars(clip).pop(name, None)
            clip.register_buffer(name, torch.tensor(value))
        example = (torch.zeros(1, 3, 32, 32), open_clip.tokenize(["a photo"]))
        torch.jit.trace(clip, example, check_trace=False).save(tmp_path / "ViT.pt")
        with pytest.raises(ValueError, match="trust_torchscript"):
            load_clip(tmp_path / "ViT.pt", image_size=32)
        assert_is_small_clip(load_clip(tmp_path / "ViT.pt", image_size=32, trust_torchscript=True), small_clip)

    def test_half_precision_becomes_float32(self, weights: StateDict, save: Callable) -> None:
        half = {name: value.half() for name, value in weights.items()}
        backbone = load_clip(save(half), image_size=32)
        assert {parameter.dtype for parameter in backbone.parameters()} == {torch.float32}
        assert torch.equal(backbone.clip.visual.proj, half["visual.proj"].float())

    def test_all_layouts_have_one_checksum(self, weights: StateDict, save: Callable, tmp_path: Path) -> None:
        save_file(weights, tmp_path / "clip.safetensors")
        first = load_clip(tmp_path / "clip.safetensors", image_size=32)
        assert load_clip(save({"state_dict": weights}), image_size=48).checksum == first.checksum

    def test_quick_gelu_on_request(self, weights: StateDict, save: Callable) -> None:
        assert load_clip(save(weights), image_size=32, quick_gelu=True).activation == "quick_gelu"


class TestRefusals:
    def refuse(self, path: Path, text: str, **options: object) -> None:
        with pytest.raises(ValueError, match=text):
            load_clip(path, image_size=32, **options)

    def test_transformers_layout(self, save: Callable) -> None:
        path = save({"vision_model.embeddings.class_embedding": torch.zeros(4)})
        self.refuse(path, r"clip\.pt has the layout of Hugging Face transformers; give OpenAI's or open_clip's")

    @pytest.mark.parametrize(
        "name",
        [
            "visual.conv1.weight",
            "visual.positional_embedding",
            "positional_embedding",
            "text_projection",
            "visual.proj",
        ],
    )
    def test_entries_that_tell_the_sizes(self, name: str, weights: StateDict, save: Callable) -> None:
        self.refuse(save({key: value for key, value in weights.items() if key != name}), f"it has no {name}")
        self.refuse(save({**weights, name: torch.zeros(1, 2, 3)}), f"{name} should be of another number of axes")

    def test_missing_misshapen_and_unknown_entries(self, weights: StateDict, save: Callable) -> None:
        name = "visual.transformer.resblocks.1.ln_1.weight"
        self.refuse(save({key: value for key, value in weights.items() if key != name}), f"Missing key.*{name}")
        self.refuse(save({**weights, name: torch.zeros(3)}), f"size mismatch for {name}")
        self.refuse(save({**weights, "visual.extra": torch.zeros(3)}), r"Unexpected key.*visual\.extra")

    @pytest.mark.parametrize("content", [{"state_dict": [1, 2]}, {1: torch.zeros(2)}, {"model": {}}, {}])
    def test_other_dicts(self, content: dict, save: Callable) -> None:
        self.refuse(save(content), r"clip\.pt is no CLIP")

    def test_resnet(self, weights: StateDict, save: Callable) -> None:
        renamed = {key.replace("visual.transformer", "visual.layer1"): value for key, value in weights.items()}
        self.refuse(save({k: v for k, v in renamed.items() if k != "visual.proj"}), "no CLIP with a vision transformer")

    @pytest.mark.parametrize("width", [1280, 1408, 1664, 1792])
    def test_widths_whose_heads_cannot_be_told(self, width: int, weights: StateDict, save: Callable) -> None:
        path = save({**weights, "visual.conv1.weight": torch.zeros(width, 3, 1, 1)})
        self.refuse(path, f"vision width of {width}.*name the architecture, such as 'ViT-")

    def test_architectures(self, weights: StateDict, save: Callable) -> None:
        self.refuse(save(weights), "open_clip has no architecture 'ViT-none'", architecture="ViT-none")
        self.refuse(save(weights), r"coca_ViT-B-32 is no plain CLIP \(it has custom", architecture="coca_ViT-B-32")
        self.refuse(save(weights), "ViT-B-16-SigLIP is no plain CLIP", architecture="ViT-B-16-SigLIP")
        self.refuse(save(weights), "does not hold the CLIP that its sizes promise", architecture="ViT-S-32")

    def test_image_size(self, weights: StateDict, save: Callable) -> None:
        with pytest.raises(ValueError, match="multiple of the patch size 8"):
            load_clip(save(weights), image_size=44)


@pytest.mark.parametrize("name", ["ViT-B-16", "ViT-B-32", "ViT-L-14", "ViT-L-14-336"])
def test_sizes_of_real_architectures_are_read_off_the_weights(name: str, tmp_path: Path) -> None:
    """At full width and one block in each tower; wrong heads would give other features."""
    config = open_clip.get_model_config(name)
    for tower in ("vision_cfg", "text_cfg"):
        config[tower]["layers"] = 1
    with torch.random.fork_rng():
        torch.manual_seed(0)
        clip = open_clip.CLIP(**config).eval()
    save_file({key: value.half() for key, value in clip.state_dict().items()}, tmp_path / "clip.safetensors")
    size = config["vision_cfg"]["image_size"]
    backbone = load_clip(tmp_path / "clip.safetensors", image_size=size)
    assert backbone.vision_width == config["vision_cfg"]["width"]
    assert backbone.embed_dim == config["embed_dim"]
    for tower, expected in ((backbone.clip.visual.transformer, clip.visual.transformer), (backbone.clip, clip)):
        blocks, wanted = (getattr(t, "transformer", t).resblocks for t in (tower, expected))
        assert blocks[0].attn.num_heads == wanted[0].attn.num_heads
    image = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        theirs = clip.half().float().encode_image(image)
    torch.testing.assert_close(backbone.encode_image(image, (1,)).global_feature, theirs, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", ["ViT-B-16", "ViT-B-32", "ViT-L-14", "ViT-L-14-336", "ViT-B-16-plus-240"])
def test_all_sizes_of_real_architectures(name: str) -> None:
    with torch.device("meta"):
        clip = open_clip.CLIP(**open_clip.get_model_config(name))
        again = open_clip.CLIP(**_config_from_sizes(clip.state_dict(), Path(name)))
    shapes = {key: value.shape for key, value in clip.state_dict().items()}
    assert {key: value.shape for key, value in again.state_dict().items()} == shapes
    assert again.visual.image_size == clip.visual.image_size


class TestPretrained:
    @pytest.fixture(autouse=True)
    def offline(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """Without network and without a cache, also where a machine has both."""
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
        monkeypatch.setattr("open_clip.pretrained.download_pretrained_from_url", self.no_network)

    @staticmethod
    def no_network(*args: object, **kwargs: object) -> None:
        raise OSError("no network")

    @pytest.mark.parametrize(
        ("name", "tag"),
        [("ViT-B-32", "openai"), ("ViT-B-32", "laion2b_s34b_b79k"), ("ViT-B-32", None), ("ViT-none", "openai")],
    )
    def test_one_clear_error(self, name: str, tag: str | None) -> None:
        start = time.monotonic()
        with pytest.raises(ValueError, match=rf"'{name}' \({tag!r}\) could not be loaded.*see README, Weights"):
            pretrained_clip(name, tag, image_size=224)
        assert time.monotonic() - start < 30  # no waiting for a network that is not there
