"""What the scans' tests share: the command in this process, its results, and points in patient space."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
from monai.bundle import ConfigWorkflow
from PIL import Image

from bpfl_med import cli

NIFTI_FILES = ("anomaly_map.nii.gz", "mask.nii.gz", "uncertainty.nii.gz")
BRAIN = (0.0, 80.0)  # HU, black and white of the preset ct-brain


def predict(
    scan: Path,
    output: Path,
    *options: object,
    modality: str = "ct-brain",
    backbone: str = "intensity",
    class_name: str = "brain",
    overlay: Path | None = None,
    pictures: bool = False,
) -> int:
    """Run `bpfl-med predict` in this process and return its exit code.

    Args:
        scan: what is scored.
        output: folder of results.
        options: further options of the command.
        modality, backbone, class_name: options that it always has.
        overlay: one more config, on top of those that the command chooses.
        pictures: draw the contact sheet; matplotlib takes longer than all else.
    """
    arguments: Sequence[object] = (
        *("predict", scan, "-o", output, "--class-name", class_name),
        *("--modality", modality, "--backbone", backbone, *options),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "excepthook", sys.excepthook)  # MONAI's workflow replaces it
        if not pictures:
            patch.setattr("bpfl_med.figures.slice_picture.panels_picture", lambda *_, **__: Image.new("RGB", (4, 4)))
        if overlay is not None:

            class WithOverlay(ConfigWorkflow):  # a class, because the bundle asks whether it runs in one
                def __init__(self, config_file: list[str], **settings: Any) -> None:
                    super().__init__(config_file=[*config_file, str(overlay)], **settings)

            patch.setattr("monai.bundle.ConfigWorkflow", WithOverlay)
        return cli.main([str(argument) for argument in arguments])


@dataclass(frozen=True)
class Result:
    """A scan's folder of results."""

    folder: Path

    @cached_property
    def record(self) -> dict[str, Any]:
        return json.loads((self.folder / "result.json").read_text())

    @property
    def files(self) -> list[str]:
        """All files, hidden ones too."""
        return sorted(str(p.relative_to(self.folder)) for p in self.folder.rglob("*") if p.is_file())

    def image(self, name: str) -> nib.Nifti1Image:
        return nib.load(self.folder / f"{name}.nii.gz")

    def array(self, name: str) -> np.ndarray:
        return np.asarray(self.image(name).dataobj)

    def check_listing(self) -> None:
        """`result.json` lists every file and only those, with their true checksums."""
        outputs = self.record["outputs"]
        assert sorted(row["file"] for row in outputs) == self.files
        for row in outputs[:-1]:
            data = (self.folder / row["file"]).read_bytes()
            assert (row["bytes"], row["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())


def result_of(output: Path) -> Result:
    """The result of a run over one scan."""
    (folder,) = output.iterdir()
    return Result(folder)


def nothing_written(output: Path) -> bool:
    """Whether there is no file at all, not even a hidden one or an empty folder in the output folder."""
    return not output.exists() or not list(output.iterdir())


def windowed(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Grey levels by the formula of a window."""
    return np.clip((values.astype(np.float64) - low) / (high - low), 0, 1)


def save_nifti(path: Path, values: np.ndarray, affine: np.ndarray | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(values, np.diag([2.0, 2, 3, 1]) if affine is None else affine), path)
    return path


def small_volume(shape: tuple[int, ...] = (6, 7, 4), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(5, 90, shape).astype(np.int16)


def lps_points(affine: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """``[i, j, k, 3]``, centres of all voxels, LPS, mm."""
    indices = np.moveaxis(np.indices(shape), 0, -1)
    return nib.affines.apply_affine(np.diag([-1.0, -1, 1, 1]) @ affine, indices)


def seg_points(path: Path) -> np.ndarray:
    """``[n, 3]``, centres of the marked voxels of a SEG, LPS, mm, in order, by pydicom alone."""
    dataset = pydicom.dcmread(path)
    frames = dataset.pixel_array.reshape(-1, dataset.Rows, dataset.Columns)
    shared = dataset.SharedFunctionalGroupsSequence[0]
    row, column = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float).reshape(2, 3)
    down, right = (float(v) for v in shared.PixelMeasuresSequence[0].PixelSpacing)
    points = [np.zeros((0, 3))]
    for frame, group in zip(frames, dataset.PerFrameFunctionalGroupsSequence, strict=True):
        position = np.array(group.PlanePositionSequence[0].ImagePositionPatient, float)
        y, x = np.nonzero(frame)
        points.append(position + x[:, None] * right * row + y[:, None] * down * column)
    return in_order(np.concatenate(points))


def in_order(points: np.ndarray) -> np.ndarray:
    """Points sorted by their rounded coordinates, so that two sets can be compared."""
    return points[np.lexsort(np.round(points, 1).T)]


def needs_tool(name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(name) is None, reason=f"{name} is not installed")
