"""Metadata, docs and large files of the bundle agree with the package and with one another."""

from __future__ import annotations

import inspect
import json
import re
import shutil
from pathlib import Path

import open_clip
import pytest
import yaml
from bundle_files import BUNDLE, METADATA, REPOSITORY
from monai.bundle import ConfigParser, verify_metadata

import bpfl_med

CONTENT = json.loads(METADATA.read_text())


def verify(folder: Path, content: dict) -> None:
    """Verify against our schema, which lies where MONAI would download the true one to."""
    shutil.copy(Path(__file__).with_name("metadata_schema.json"), folder / "schema.json")
    (folder / "metadata.json").write_text(json.dumps(content))
    verify_metadata(meta_file=str(folder / "metadata.json"), filepath=str(folder / "schema.json"))


def test_the_metadata_are_complete(tmp_path):
    verify(tmp_path, CONTENT)


@pytest.mark.parametrize("key", ["task", "copyright", "required_packages_version", "network_data_format"])
def test_a_missing_entry_would_be_noticed(tmp_path, key):
    with pytest.raises(ValueError, match=f"'{key}' is a required property"):
        verify(tmp_path, {name: value for name, value in CONTENT.items() if name != key})


def test_versions_agree():
    newest = re.search(r"^## \[([^\]]+)\]", (REPOSITORY / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert CONTENT["version"] == bpfl_med.__version__ == newest.group(1)
    assert CONTENT["version"] in CONTENT["changelog"]
    assert CONTENT["required_packages_version"]["bpfl-med"] == bpfl_med.__version__


def test_required_versions_are_those_that_the_tests_pass_with():
    lines = (REPOSITORY / "constraints.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if "==" in line)
    required = {**CONTENT["required_packages_version"], "torch": CONTENT["pytorch_version"]}
    required |= {"monai": CONTENT["monai_version"], "numpy": CONTENT["numpy_version"]}
    del required["bpfl-med"]
    assert required == {name: pins[name] for name in required}


def test_the_value_range_is_that_of_normalised_pictures():
    parser = ConfigParser()
    parser.read_config([str(BUNDLE / "configs/inference.json"), str(BUNDLE / "configs/evaluate.json")])
    normalise = {
        key: parser.get_parsed_content(f"preprocessing::transforms::1::{key}") for key in ("subtrahend", "divisor")
    }
    pairs = list(zip(normalise["subtrahend"], normalise["divisor"], strict=True))
    limits = [min(-mean / std for mean, std in pairs), max((1 - mean) / std for mean, std in pairs)]
    assert CONTENT["network_data_format"]["inputs"]["image"]["value_range"] == pytest.approx(limits, abs=1e-4)


RUNS = ("evaluate", "train")


def config_of(run: str) -> ConfigParser:
    parser = ConfigParser()
    parser.read_config([str(BUNDLE / "configs/inference.json"), str(BUNDLE / f"configs/{run}.json")])
    return parser


def settings_table(run: str) -> list[tuple[str, str]]:
    """Ids and the text of their defaults in one of the tables "Settings" of the bundle's README."""
    settings = (BUNDLE / "docs/README.md").read_text().split("## Settings")[1]
    section = settings.split("Of a training:")[RUNS.index(run)]
    settings = []
    for row in re.findall(r"^\| (`.*?) \|.*\| (.*?) \|$", section, re.MULTILINE):
        first, *others = re.findall(r"`([^`]+)`", row[0])
        settings.append((first, row[1]))
        settings += [(first.split("#")[0] + other if other.startswith("#") else other, row[1]) for other in others]
    return settings


@pytest.mark.parametrize(("run", "setting"), [(run, name) for run in RUNS for name, _ in settings_table(run)])
def test_every_documented_setting_exists(run, setting):
    parser = config_of(run)
    part, _, argument = setting.partition("#")
    classes = {"network_def": bpfl_med.networks.BayesPFL, "evaluation": bpfl_med.handlers.AnomalyEvaluation}
    if argument and part in classes:
        assert argument in inspect.signature(classes[part]).parameters
    else:
        assert setting in parser


@pytest.mark.parametrize(
    ("run", "setting"),
    [
        *(
            ("evaluate", name)
            for name in ("class_name", "n_samples", "seed", "image_size", "precision", "linear_kernel")
        ),
        *(("evaluate", name) for name in ("top_k", "smoothing_sigma", "mask_threshold")),
        *(("train", name) for name in ("n_samples", "warmup_share")),
    ],
)
def test_documented_defaults_are_true(run, setting):
    assert str(config_of(run)[setting]) == dict(settings_table(run))[setting]


@pytest.mark.parametrize("run", ["inference", *RUNS])
def test_every_setting_is_documented(run):
    """What is no component and no list of steps is a setting."""
    steps = {"imports", "bundle_root", "datalist", "writers", "handlers", "checks", "initialize", "run", "inference"}
    steps |= {"evaluating", "training", "train", "validate"}
    content = json.loads((BUNDLE / f"configs/{run}.json").read_text())
    components = {key for key, value in content.items() if isinstance(value, dict) and "_target_" in value}
    documented = {name for table in RUNS for name, _ in settings_table(table)}
    assert content.keys() - components - steps - documented == set()


def test_the_download_is_openais_file():
    (file,) = yaml.safe_load((BUNDLE / "large_files.yml").read_text())["large_files"]
    assert file["hash_type"] == "sha256"
    assert f"/{file['hash_val']}/" in file["url"] == open_clip.get_pretrained_url("ViT-L-14-336", "openai")
    overlay = yaml.safe_load((REPOSITORY / "configs/backbones/vit_l_14_336_file.yaml").read_text())
    assert overlay["clip_file"].endswith(f"'/{file['path']}'")
