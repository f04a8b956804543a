"""Our own checkpoints: small, tied to their backbone, and plain to torch and MONAI."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import open_clip
import pytest
import torch
from ignite.engine import Engine
from monai.handlers import CheckpointLoader
from monai.networks import copy_model_state

from bpfl_med.checkpoints import load_bayes_pfl, save_prompts
from bpfl_med.networks import BayesPFL, CLIPBackbone

Build = Callable[..., BayesPFL]


@pytest.fixture(scope="module")
def build(small_clip: open_clip.CLIP) -> Build:
    def make(
        image_size: int = 32, quick_gelu: bool = False, other_clip: bool = False, name: str = "tiny", **options: object
    ) -> BayesPFL:
        clip = copy.deepcopy(small_clip)
        if other_clip:
            clip.ln_final.bias.data += 1e-3
        for block in (*clip.visual.transformer.resblocks, *clip.transformer.resblocks) if quick_gelu else ():
            block.mlp.gelu = open_clip.transformer.QuickGELU()
        backbone = CLIPBackbone(clip, image_size=image_size, name=name)
        return BayesPFL(backbone, **{"feature_blocks": (2, 4), "n_prompts": 2, "n_samples": 2, **options}).eval()

    return make


@pytest.fixture
def trained(build: Build) -> BayesPFL:
    network = build(seed=1)
    network.stage, network.trained = 1, True
    return network


def assert_arrived(network: BayesPFL, source: BayesPFL) -> None:
    for name, value in source.named_parameters():
        assert torch.equal(network.get_parameter(name), value), name
    assert (network.stage, network.trained) == (1, True)


def test_a_name_that_the_reader_would_take_for_another_format_is_refused(trained: BayesPFL, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"the file's name must end so, got \S+/a\.pth"):
        save_prompts(trained, tmp_path / "a.pth")
    assert not list(tmp_path.iterdir())


def test_backbone_is_not_in_the_state_dict(trained: BayesPFL) -> None:
    state = trained.state_dict()
    assert not [name for name in state if "backbone" in name or "clip" in name]
    own = {name for name, _ in trained.named_parameters() if not name.startswith("backbone.")}
    assert state.keys() == own | {"_extra_state"}
    assert all(isinstance(value, torch.Tensor) for value in state.values())


def test_stage_and_training_travel_with_the_weights(trained: BayesPFL, build: Build) -> None:
    network = build(seed=2)
    assert network.load_state_dict(trained.state_dict()) == ([], [])
    assert_arrived(network, trained)


def test_a_backbone_may_go_by_another_name(trained: BayesPFL, build: Build) -> None:
    build(name="the same, renamed").load_state_dict(trained.state_dict())


def test_inside_another_module(trained: BayesPFL, build: Build) -> None:
    source, target = torch.nn.Sequential(trained), torch.nn.Sequential(build(seed=2))
    assert not [name for name in source.state_dict() if "backbone" in name]
    target.load_state_dict(source.state_dict())
    assert_arrived(target[0], trained)


def test_missing_and_unknown_entries_are_still_errors(trained: BayesPFL, build: Build) -> None:
    state = trained.state_dict()
    state["extra"] = state.pop("prompt_bank.context")
    with pytest.raises(RuntimeError, match=r'Missing key.*"prompt_bank.context"[\s\S]*Unexpected key.*"extra"'):
        build().load_state_dict(state)


@pytest.mark.parametrize(
    ("options", "difference"),
    [
        ({"other_clip": True}, "checksum is '[0-9a-f]{64}', here '[0-9a-f]{64}'"),
        ({"quick_gelu": True}, "activation is 'gelu', here 'quick_gelu'"),
        ({"image_size": 48}, "image_size is 32, here 48"),
        ({"feature_blocks": (1, 4)}, r"feature_blocks is \[2, 4\], here \[1, 4\]"),
        ({"image_parts": ("x_cls",)}, "image_parts is"),
    ],
)
def test_a_network_that_differs_silently_is_refused(
    options: dict[str, object], difference: str, trained: BayesPFL, build: Build
) -> None:
    with pytest.raises(ValueError, match=rf"made with backbone 'tiny' and does not fit this network.*{difference}"):
        build(**options).load_state_dict(trained.state_dict())


@pytest.mark.parametrize(
    ("options", "difference"),
    [
        ({"n_prompts": 3}, "n_prompts is 2, here 3"),
        ({"n_flows": 4}, "n_flows is 10, here 4"),
        ({"residual_attention": False}, "residual_attention is True, here False"),
        ({"patch_pooling": "average"}, "patch_pooling is 'attention', here 'average'"),
        ({"context_distribution": "off"}, "context_distribution is 'image_specific', here 'off'"),
    ],
)
def test_a_network_of_another_form_is_refused_by_its_settings_names(
    options: dict[str, object], difference: str, trained: BayesPFL, build: Build
) -> None:
    with pytest.raises(ValueError, match=difference):
        build(**options).load_state_dict(trained.state_dict())


def test_seed_and_samples_may_differ(trained: BayesPFL, build: Build) -> None:
    build(seed=9, n_samples=5).load_state_dict(trained.state_dict())


class TestWithMonai:
    @staticmethod
    def run_with(loader: CheckpointLoader) -> None:
        engine = Engine(lambda engine, batch: None)
        loader.attach(engine)
        engine.run([0])

    def test_checkpoint_loader(self, trained: BayesPFL, build: Build, tmp_path: Path) -> None:
        torch.save({"model": trained.state_dict()}, tmp_path / "model.pt")
        network = build(seed=2)
        self.run_with(CheckpointLoader(str(tmp_path / "model.pt"), {"model": network}))
        assert_arrived(network, trained)

    def test_checkpoint_loader_refuses_another_backbone(self, trained: BayesPFL, build: Build, tmp_path: Path) -> None:
        torch.save({"model": trained.state_dict()}, tmp_path / "model.pt")
        loader = CheckpointLoader(str(tmp_path / "model.pt"), {"model": build(image_size=48)})
        with pytest.raises(ValueError, match="image_size is 32, here 48"):
            self.run_with(loader)

    def test_copy_model_state(self, trained: BayesPFL, build: Build) -> None:
        network = build(seed=2)
        _, changed, unchanged = copy_model_state(network, trained.state_dict())
        assert not unchanged
        assert len(changed) == len(trained.state_dict())
        assert_arrived(network, trained)


class TestFromTwoFiles:
    @pytest.fixture
    def files(self, trained: BayesPFL, small_clip: open_clip.CLIP, tmp_path: Path) -> tuple[Path, Path]:
        torch.save(small_clip.state_dict(), tmp_path / "clip.pt")
        torch.save(trained.state_dict(), tmp_path / "prompts.pt")
        return tmp_path / "clip.pt", tmp_path / "prompts.pt"

    def test_load(self, files: tuple[Path, Path], trained: BayesPFL) -> None:
        network = load_bayes_pfl(*files, image_size=32, feature_blocks=(2, 4), n_samples=3)
        assert_arrived(network, trained)
        assert network.n_samples == 3
        assert network.notice is None

    def test_wrong_settings(self, files: tuple[Path, Path]) -> None:
        with pytest.raises(ValueError, match=r"feature_blocks is \[2, 4\], here \[1, 2\]"):
            load_bayes_pfl(*files, image_size=32, feature_blocks=(1, 2), n_samples=3)
        with pytest.raises(ValueError, match="activation is 'gelu', here 'quick_gelu'"):
            load_bayes_pfl(*files, image_size=32, feature_blocks=(2, 4), n_samples=3, quick_gelu=True)

    def test_incomplete_file(self, files: tuple[Path, Path]) -> None:
        state = torch.load(files[1])
        del state["prompt_bank.context"]
        torch.save(state, files[1])
        with pytest.raises(ValueError, match=r"prompts\.pt is not a whole checkpoint: .*prompt_bank\.context"):
            load_bayes_pfl(*files, image_size=32, feature_blocks=(2, 4), n_samples=3)

    def test_foreign_prompts(self, files: tuple[Path, Path]) -> None:
        with pytest.raises(ValueError, match=r"clip\.pt is no Bayes-PFL checkpoint"):
            load_bayes_pfl(files[0], files[0], image_size=32, feature_blocks=(2, 4), n_samples=3)


def test_a_refused_state_dict_changes_nothing(trained: BayesPFL, build: Build) -> None:
    trained.log_temperature_pixel.data.fill_(1.5)  # of the root module, which torch loads before the record
    network = build(image_size=48)
    before = copy.deepcopy(network.state_dict())
    with pytest.raises(ValueError, match="image_size is 32, here 48"):
        network.load_state_dict(trained.state_dict())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize("record", [b"not json", b"[1]", b'{"backbone": {}}'])
def test_a_damaged_record_is_said_to_be_one(trained: BayesPFL, record: bytes) -> None:
    state = trained.state_dict() | {"_extra_state": torch.frombuffer(bytearray(record), dtype=torch.uint8)}
    with pytest.raises(ValueError, match="The checkpoint's record"):
        trained.load_state_dict(state)
