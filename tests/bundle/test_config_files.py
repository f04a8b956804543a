"""Every overlay fits the bundle."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from pydoc import locate
from typing import Any

import pytest
from bundle_files import BUNDLE, DEMO_BACKBONE, REPOSITORY
from monai.bundle import ConfigParser, ReferenceResolver

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
