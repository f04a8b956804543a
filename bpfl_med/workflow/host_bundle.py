"""Write a bundle that MONAI Label and MONAI Deploy can serve: one inference config, weights, and how volumes look."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser

from bpfl_med.checkpoints import check_prompts_file
from bpfl_med.files.atomic import replaced_file, write_json
from bpfl_med.workflow.resources import bundle_folder, configs_folder

_VOLUME = {"type": "image", "modality": "any", "num_channels": 1, "spatial_shape": ["*", "*", "*"], "dtype": "float32"}


def write_host_bundle(folder: str | Path, *, overlays: Sequence[str | Path], **settings: Any) -> Path:
    """Write `configs/inference.json`, `configs/metadata.json` and `models/model.pt` and return their folder.

    Those programs read nothing but these three: no further config, no option of a command. So all that would be chosen
    on the command line is fixed here. The backbone's weights stay outside, as ever.

    Args:
        folder: of the new bundle; its last part is the name that the programs show.
        overlays: configs on top of the bundle's own, such as `configs/modalities/mr.yaml`.
        settings: values of config ids, such as `class_name` and `threshold` (a number).

    Raises:
        ValueError: if a setting is one that no config has.
        FileNotFoundError: if the prompts are not there.
    """
    folder = Path(folder)
    own = bundle_folder() / "configs"
    parser = ConfigParser()
    parser.read_config([str(own / "inference.json"), *map(str, overlays)])
    if unknown := sorted(settings.keys() - parser.config.keys()):
        raise ValueError(f"The configs have no {', '.join(map(repr, unknown))}; check the spelling")
    parser.update(settings)
    parser["bundle_root"] = str(bundle_folder())
    check_prompts_file(parser.get_parsed_content("prompts_file"))
    network = parser.get_parsed_content("network")
    hosted = ConfigParser()
    hosted.read_config(str(configs_folder() / "monai_label_deploy.yaml"))
    parser.update({key: value for key, value in hosted.get().items() if key != "_meta_"})
    config = {key: value for key, value in parser.get().items() if key != "_meta_"}
    write_json(folder / "configs" / "inference.json", config)
    write_json(folder / "configs" / "metadata.json", _metadata(own))
    with replaced_file(folder / "models" / "model.pt") as partial:
        torch.save(network.state_dict(), partial)
    return folder


def _metadata(configs: Path) -> dict[str, Any]:
    """Say of the bundle's metadata that volumes go in and masks of 0 and 1 come out."""
    metadata = json.loads((configs / "metadata.json").read_text())
    metadata["network_data_format"] = {
        "inputs": {"image": {**_VOLUME, "format": "magnitude", "channel_def": {"0": "image"}}},
        "outputs": {"pred": {**_VOLUME, "format": "segmentation", "channel_def": {"0": "background", "1": "abnormal"}}},
    }
    return metadata
