"""Every overlay fits the bundle."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from pydoc import locate
from typing import Any

import open_clip
import pytest
from bundle_files import BUNDLE, DEMO_BACKBONE, REPOSITORY
from monai.bundle import ConfigParser, ReferenceResolver

from bpfl_med.losses import BayesPFLLoss
from bpfl_med.networks import BayesPFL

OVERLAYS = sorted((REPOSITORY / "configs").rglob("*.yaml"))
BUNDLE_FILES = [BUNDLE / "configs/inference.json", BUNDLE / "configs/evaluate.json"]
TRAINING_FILES = [BUNDLE / "configs/inference.json", BUNDLE / "configs/train.json"]
FOR_TRAINING = ("ablations", "training")  # folders whose overlays lie on train.json


def parse(files: list[Path]) -> ConfigParser:
    parser = ConfigParser()
    parser.read_config([str(file) for file in files])
    parser.parse()
    return parser


def strings(config: Any) -> Iterator[str]:
    if isinstance(config, str):
        yield config
    elif isinstance(config, dict | list):
        for part in config.values() if isinstance(config, dict) else config:
            yield from strings(part)


def unresolved(parser: ConfigParser) -> set[str]:
    references = {name for text in strings(parser.get()) for name in ReferenceResolver.match_refs_pattern(text)}
    return {name for name in references if name not in parser}


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.stem)
def test_an_overlay_fits_the_bundle(overlay):
    parser = parse([*(TRAINING_FILES if overlay.parent.name in FOR_TRAINING else BUNDLE_FILES), overlay])
    assert unresolved(parser) == set()
    for text in strings(parser.get()):
        assert not text.startswith("%"), "a macro was not resolved"
    targets = [item.get_config()["_target_"] for item in parser.ref_resolver.items.values() if is_component(item)]
    assert len(targets) > 10
    assert [name for name in targets if not parser.locator.get_component_module_name(name) and not locate(name)] == []


def is_component(item: Any) -> bool:
    return isinstance(item.get_config(), dict) and "_target_" in item.get_config()


def test_a_wrong_reference_would_be_noticed():
    parser = parse(BUNDLE_FILES)
    parser["dataset::data"] = "$@checked_datalists.items"
    assert unresolved(parser) == {"checked_datalists"}


def test_the_demonstration_backbone_is_the_last_word_on_its_settings():
    """A data set's file in front of or behind it changes none of them."""
    keys = ("image_size", "feature_blocks", "prompts_file")
    alone = parse([BUNDLE_FILES[0], DEMO_BACKBONE])
    for overlay in (REPOSITORY / "configs/datasets").glob("*.yaml"):
        assert [parse([*BUNDLE_FILES, DEMO_BACKBONE, overlay])[key] for key in keys] == [alone[key] for key in keys]


@pytest.mark.parametrize("name", ["vit_b_16", "vit_b_32", "vit_l_14", "vit_l_14_336", "vit_l_14_336_file"])
def test_a_published_backbone_is_tapped_at_each_quarter_of_its_blocks(name):
    settings = parse([BUNDLE_FILES[0], REPOSITORY / f"configs/backbones/{name}.yaml"])
    clip = open_clip.get_model_config(settings["backbone"].get("name", "ViT-L-14-336"))["vision_cfg"]
    assert settings["feature_blocks"] == [clip["layers"] * quarter // 4 for quarter in (1, 2, 3, 4)]
    assert settings["image_size"] % clip["patch_size"] == 0


def test_the_demonstration_scales_what_is_counted_in_pixels():
    released, demo = parse(BUNDLE_FILES), parse([*BUNDLE_FILES, DEMO_BACKBONE])
    scale = demo["image_size"] / released["image_size"]
    assert demo["smoothing_sigma"] == pytest.approx(released["smoothing_sigma"] * scale, rel=0.05)
    assert demo["top_k"] == pytest.approx(released["top_k"] * scale**2, rel=0.05)


@pytest.mark.parametrize(
    "overlay", sorted((REPOSITORY / "configs/ablations").glob("*.yaml")), ids=lambda path: path.stem
)
def test_an_ablation_changes_what_the_paper_has(overlay):
    usual, changed = parse(TRAINING_FILES), parse([*TRAINING_FILES, overlay])
    overrides = [key.split("#") for key in ConfigParser.load_config_file(overlay)]
    assert overrides
    for part, name in overrides:
        maker = {"network_def": BayesPFL, "loss_function": BayesPFLLoss}[part]
        default = inspect.signature(maker).parameters[name].default
        assert changed[part][name] != usual[part].get(name, default)
