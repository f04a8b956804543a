"""Volumes with lesion masks as a list of pictures: every slice is one, with its part of the mask."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ignite.distributed as idist
import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from bpfl_med.data.lesion_volume import load_lesion_volume
from bpfl_med.data.picture_item import PictureItem
from bpfl_med.data.scans import ScanError
from bpfl_med.data.volume_datalist import VolumeItem
from bpfl_med.data.volume_file import files_of_volume
from bpfl_med.files.atomic import remove_unfinished, replaced_folder, write_json
from bpfl_med.files.checksum import files_checksum
from bpfl_med.intensity import Intensity, grey_channels
from bpfl_med.slice_plane import Plane, SlicePlane
from bpfl_med.version import __version__

logger = logging.getLogger(__name__)

_RECORD = "slices.json"


class SliceItem(PictureItem):
    """A slice, with the name of its volume."""

    volume: str


def slice_datalist(
    volumes: Sequence[VolumeItem],
    *,
    folder: str | Path,
    class_name: str,
    intensity: Intensity,
    plane: Plane,
    lesion_above: float,
) -> list[SliceItem]:
    """Write the slices of volumes as pictures, and list them.

    Slices have the grey levels that :class:`~bpfl_med.inferers.VolumeInferer` gives them, in 8 bits, and the volume's
    own pixels. They lie in `folder/<volume>/{normal,abnormal,mask}/<index>.png`, so the folder is a data set like any
    other. Slices that are black all over are left out, as the inferer does not score them; one with a lesion stays. A
    volume whose slices are there already, made of the same files in the same way by the same version, is not written
    again. Of several processes the first one writes, and the others wait.

    Args:
        volumes: of :func:`~bpfl_med.data.volume_datalist`.
        folder: where the pictures go.
        class_name: what the volumes show, such as "brain".
        intensity: from values to grey levels.
        plane: "axial", "coronal" or "sagittal".
        lesion_above: mask values above it are lesions.

    Returns:
        One item a slice, volume by volume in the order of the slices; those without lesion are normal.

    Raises:
        ScanError: if a file cannot be used or is black all over, or a folder of other things lies where a volume's
            slices would go.
        NiftiError: if a NIfTI file cannot be read truthfully.
        ValueError: if the plane is none of the three.
    """
    if plane == "acquired":
        raise ValueError("plane must be axial, coronal or sagittal for slices of volume files, got 'acquired'")
    folder = Path(folder)
    settings = {"plane": plane, "lesion_above": lesion_above, **intensity.settings, "version": __version__}
    items: list[SliceItem] = []
    n_left_out = 0
    with idist.one_rank_first():
        remove_unfinished(folder)
        for item in tqdm(volumes, desc="volumes", disable=idist.get_rank() > 0):
            place = folder / item["volume"]
            inputs = {"image": _digest(item["image"]), "mask": item["mask"] and _digest(item["mask"]), **settings}
            inputs = json.loads(json.dumps(inputs))
            if (record := _written(place)).get("inputs") != inputs:
                record = _write(place, item, inputs, intensity, plane, lesion_above)
            if not record["slices"]:
                raise ScanError(f"{item['image']}: all its slices are black; choose other grey levels, or take it out")
            n_left_out += record["n_left_out"]
            items += [_item(place, name, class_name, item["volume"]) for name in record["slices"]]
    logger.info("%d slices of %d volumes; %d are black all over and left out", len(items), len(volumes), n_left_out)
    return items


def _written(place: Path) -> dict[str, Any]:
    """Give the record of a volume's slices, empty if there are none."""
    if not place.exists():
        return {}
    if not (place / _RECORD).is_file():
        raise ScanError(f"{place}: is there already and holds no slices of this program; choose another output folder")
    return json.loads((place / _RECORD).read_text())


def _write(
    place: Path, item: VolumeItem, inputs: dict[str, Any], intensity: Intensity, plane: Plane, lesion_above: float
) -> dict[str, Any]:
    volume, lesions = load_lesion_volume(item, lesion_above=lesion_above)
    try:
        ranges = intensity.ranges(volume.values, volume.modality)
    except ValueError as error:
        raise ScanError(f"{item['image']}: {error}") from error
    cut = SlicePlane.of_plane(plane, volume.affine)
    pictures, masks = cut.pictures(volume.values), cut.pictures(lesions)
    names = []
    with replaced_folder(place) as partial:
        for kind in ("normal", "abnormal", "mask"):
            (partial / kind).mkdir()
        for index, (picture, mask) in enumerate(zip(pictures, masks, strict=True)):
            channels = grey_channels(torch.from_numpy(np.ascontiguousarray(picture))[None], ranges)[0]
            if not channels.any() and not mask.any():
                continue
            names.append(f"{'abnormal' if mask.any() else 'normal'}/{index:04d}.png")
            _picture(channels).save(partial / names[-1])
            if mask.any():
                Image.fromarray(255 * mask.astype(np.uint8)).save(partial / f"mask/{index:04d}.png")
        record = {"inputs": inputs, "n_left_out": len(pictures) - len(names), "slices": names}
        write_json(partial / _RECORD, record)
    return record


def _picture(channels: torch.Tensor) -> Image.Image:
    """Turn channels [3, H, W] from 0 to 1 into 8 bits; a grey picture where all are alike."""
    levels = (255 * channels).round().to(torch.uint8)
    if (levels == levels[0]).all():
        return Image.fromarray(levels[0].numpy())
    return Image.fromarray(levels.permute(1, 2, 0).contiguous().numpy())


def _item(place: Path, name: str, class_name: str, volume: str) -> SliceItem:
    is_abnormal = name.startswith("abnormal/")
    return {
        "image": str(place / name),
        "mask": str(place / "mask" / Path(name).name) if is_abnormal else None,
        "label": int(is_abnormal),
        "class_name": class_name,
        "volume": volume,
    }


def _digest(path: str) -> str:
    return files_checksum(files_of_volume(Path(path)))
