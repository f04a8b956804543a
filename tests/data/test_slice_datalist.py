"""Slices are written as the inferer sees them, once, and stand in a data set of pictures like any other."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from volumes import LESION, save_patient, save_volume

from bpfl_med.data import Scan, ScanError, SliceItem, check_datalist, load_scan, slice_datalist, volume_datalist
from bpfl_med.inferers import VolumeInferer
from bpfl_med.networks import IntensityNetwork
from bpfl_med.transforms import PercentileIntensity, WindowIntensity

INTENSITY = PercentileIntensity(0.5, 99.5)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    save_patient(tmp_path / "data/p1")
    save_patient(tmp_path / "data/p2", seed=1)
    save_patient(tmp_path / "data/healthy", lesion=False, seed=2)
    return tmp_path / "data"


def list_slices(root: Path, folder: Path, **changes: object) -> list[SliceItem]:
    volumes = volume_datalist(
        root, normal=["healthy/FLAIR.nii.gz"], abnormal=["p*/FLAIR.nii.gz"], mask="{parent}/lesion.nii.gz"
    )
    settings = {"class_name": "brain", "intensity": INTENSITY, "plane": "axial", "lesion_above": 0}
    return slice_datalist(volumes, folder=folder, **{**settings, **changes})


def test_every_slice_with_something_on_it_is_listed_in_order(root, tmp_path):
    items = list_slices(root, tmp_path / "slices")
    assert [(item["volume"], Path(item["image"]).stem, item["label"]) for item in items] == [
        *(("healthy__FLAIR", f"000{index}", 0) for index in (1, 2, 3, 4)),
        *((f"p{patient}__FLAIR", f"000{index}", int(index in (2, 3))) for patient in (1, 2) for index in (1, 2, 3, 4)),
    ]
    assert {item["class_name"] for item in items} == {"brain"}
    assert all((item["mask"] is not None) == bool(item["label"]) for item in items)
    checked = check_datalist(items, mask_threshold=127, need_labels=True, need_masks=True)
    assert checked.items == items


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_pictures_and_masks_are_what_the_inferer_sees(root, tmp_path, plane):
    """With the intensity network the inferer's map is the picture itself, on the voxels of the input."""
    items = list_slices(root, tmp_path / "slices", plane=plane)
    volume = load_scan(Scan("p1", root / "p1/FLAIR.nii.gz", None))
    inferer = VolumeInferer(INTENSITY, plane=plane, batch_size=4, device=torch.device("cpu"))
    prediction = inferer(volume, IntensityNetwork(), class_name="brain")
    lesion = np.zeros(volume.values.shape, bool)
    lesion[LESION] = True
    pictures, masks = prediction.plane.pictures(prediction.anomaly_map), prediction.plane.pictures(lesion)
    mine = [item for item in items if item["volume"] == "p1__FLAIR"]
    assert [int(Path(item["image"]).stem) for item in mine] == [
        row["index"] for row in prediction.slices if not row["empty"]
    ]
    for item in mine:
        index = int(Path(item["image"]).stem)
        picture = np.asarray(Image.open(item["image"])) / 255
        np.testing.assert_allclose(picture, pictures[index], atol=0.5 / 255 + 1e-6)
        assert item["label"] == masks[index].any()
        if item["mask"]:
            np.testing.assert_array_equal(np.asarray(Image.open(item["mask"])), 255 * masks[index])


def test_three_windows_make_a_colour_picture(root, tmp_path):
    windows = WindowIntensity([(100, 100), (120, 40), (150, 200)])
    item = list_slices(root, tmp_path / "slices", intensity=windows)[0]
    values = load_scan(Scan("h", root / "healthy/FLAIR.nii.gz", None)).values[::-1, ::-1, 1].T
    expected = [np.clip((values - low) / (high - low), 0, 1) for low, high in ((50, 150), (100, 140), (50, 250))]
    np.testing.assert_allclose(
        np.asarray(Image.open(item["image"])) / 255, np.stack(expected, -1), atol=0.5 / 255 + 1e-6
    )


def test_a_black_slice_with_a_lesion_is_not_left_out(root, tmp_path):
    """It is a lesion that the grey levels hide, so it must count as missed."""
    mask = np.zeros((10, 12, 6), np.uint8)
    mask[4, 4, 5] = 1
    save_volume(root / "p1/lesion.nii.gz", mask)
    mine = [item for item in list_slices(root, tmp_path / "slices") if item["volume"] == "p1__FLAIR"]
    assert [(Path(item["image"]).stem, item["label"]) for item in mine] == [
        ("0001", 0),
        ("0002", 0),
        ("0003", 0),
        ("0004", 0),
        ("0005", 1),
    ]


def test_slices_are_written_once_and_anew_if_files_settings_or_version_change(root, tmp_path, monkeypatch):
    def written() -> list[int]:
        folders = sorted((tmp_path / "slices").iterdir())
        assert [folder.name for folder in folders] == ["healthy__FLAIR", "p1__FLAIR", "p2__FLAIR"]
        return [(folder / "slices.json").stat().st_ino for folder in folders]

    first = list_slices(root, tmp_path / "slices")
    before = written()
    assert list_slices(root, tmp_path / "slices") == first
    assert written() == before
    save_patient(root / "p2", seed=7)
    list_slices(root, tmp_path / "slices")
    changed = [one != other for one, other in zip(written(), before, strict=True)]
    assert changed == [False, False, True]
    before = written()
    list_slices(root, tmp_path / "slices", plane="coronal")
    assert all(one != other for one, other in zip(written(), before, strict=True))
    before = written()
    monkeypatch.setattr(importlib.import_module("bpfl_med.data.slice_datalist"), "__version__", "0.0.0")
    list_slices(root, tmp_path / "slices", plane="coronal")
    assert all(one != other for one, other in zip(written(), before, strict=True))


def test_other_masks_and_grey_levels_make_other_slices(root, tmp_path):
    """Slices of an earlier run must not be taken for those that are asked for."""
    folder = tmp_path / "slices"
    assert sum(item["label"] for item in list_slices(root, folder)) == 4
    mask = np.zeros((10, 12, 6), np.uint8)
    mask[4, 4, 2], mask[4, 4, 3] = 1, 2
    save_volume(root / "p1/lesion.nii.gz", mask)
    marked = [np.asarray(Image.open(item["mask"])) for item in list_slices(root, folder) if item["mask"]]
    assert [np.count_nonzero(picture) for picture in marked] == [1, 1, 12, 12]
    assert sum(item["label"] for item in list_slices(root, folder, lesion_above=1)) == 3
    dark = list_slices(root, folder, lesion_above=1, intensity=WindowIntensity([(1000, 2000)]))[0]
    assert np.asarray(Image.open(dark["image"])).max() < 30


def test_the_same_bytes_every_time(root, tmp_path):
    for name in ("one", "two"):
        list_slices(root, tmp_path / name)
    files = [sorted(path for path in (tmp_path / name).rglob("*") if path.is_file()) for name in ("one", "two")]
    assert [path.read_bytes() for path in files[0]] == [path.read_bytes() for path in files[1]]
    assert len(files[0]) == 3 + 12 + 4


def test_what_is_not_ours_is_not_replaced(root, tmp_path):
    (tmp_path / "slices/p1__FLAIR").mkdir(parents=True)
    with pytest.raises(ScanError, match=r"/p1__FLAIR: is there already and holds no slices of this program; choose an"):
        list_slices(root, tmp_path / "slices")


def test_input_that_cannot_be_used(root, tmp_path):
    with pytest.raises(ValueError, match=r"plane must be axial, coronal or sagittal for slices .*, got 'acquired'"):
        list_slices(root, tmp_path / "slices", plane="acquired")
    save_volume(root / "p2/FLAIR.nii.gz", np.full((10, 12, 6), 7, np.float32))
    with pytest.raises(ScanError, match=r"/p2/FLAIR.nii.gz: the volume has the value 7 everywhere; there is nothing"):
        list_slices(root, tmp_path / "slices")
    assert not (tmp_path / "slices/p2__FLAIR").exists()


def test_a_volume_that_is_black_all_over_does_not_vanish_from_the_metrics(root, tmp_path):
    with pytest.raises(ScanError, match=r"healthy/FLAIR\.nii\.gz: all its slices are black; choose other grey levels"):
        list_slices(root, tmp_path / "slices", intensity=WindowIntensity([(1e6, 1.0)]))
