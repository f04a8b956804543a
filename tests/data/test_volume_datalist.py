"""Volumes are listed with masks that lie on their own grid, and each mistake gets a sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from volumes import AFFINE, LESION, save_patient, save_volume

from bpfl_med.data import ScanError, VolumeItem, volume_datalist
from bpfl_med.data.lesion_volume import load_lesion_volume

PATTERNS = {"normal": ["healthy*/FLAIR.nii.gz"], "abnormal": ["p*/FLAIR.nii.gz"], "mask": "{parent}/lesion.nii.gz"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    save_patient(tmp_path / "p1")
    save_patient(tmp_path / "p2", seed=1)
    save_patient(tmp_path / "healthy1", lesion=False, seed=2)
    return tmp_path


def test_volumes_are_listed_with_their_masks(root):
    (root / "p1/notes.txt").write_text("")
    assert volume_datalist(root, **PATTERNS) == [
        {"volume": "healthy1__FLAIR", "image": str(root / "healthy1/FLAIR.nii.gz"), "mask": None, "label": 0},
        *(
            {
                "volume": f"p{n}__FLAIR",
                "image": str(root / f"p{n}/FLAIR.nii.gz"),
                "mask": str(root / f"p{n}/lesion.nii.gz"),
                "label": 1,
            }
            for n in (1, 2)
        ),
    ]
    assert len(volume_datalist(root, **{**PATTERNS, "normal": [], "abnormal": ["p*/F*", "!p2/*"]})) == 1


@pytest.mark.parametrize(
    ("changes", "error", "sentence"),
    [
        ({"abnormal": ["q*/FLAIR.nii.gz"]}, FileNotFoundError, r"No volume in .* matches 'q\*/FLAIR.nii.gz'; check"),
        (
            {"mask": "{parent}/seg.nii.gz"},
            FileNotFoundError,
            r"/p1/FLAIR.nii.gz has no mask that matches '\{parent\}/s",
        ),
        ({"mask": "{parent}/*seg*"}, FileNotFoundError, r"/p1/FLAIR.nii.gz has no mask that matches .*; add it, or"),
        ({"mask": "{parent}/*.nii.gz"}, ValueError, r"/p1/FLAIR.nii.gz has 2 masks that match"),
        ({"normal": ["p1/FLAIR.nii.gz"]}, ValueError, r"The data set in .* lists p1__FLAIR twice"),
    ],
)
def test_a_list_that_cannot_be_made(root, changes, error, sentence):
    with pytest.raises(error, match=sentence):
        volume_datalist(root, **{**PATTERNS, **changes})


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no folder .*/nowhere; set dataset_dir to where"):
        volume_datalist(tmp_path / "nowhere", **PATTERNS)


@pytest.fixture
def items(root: Path) -> list[VolumeItem]:
    return volume_datalist(root, **PATTERNS)


def test_lesions_are_what_lies_above_a_value(items):
    volume, lesions = load_lesion_volume(items[1], lesion_above=0)
    expected = np.zeros(volume.values.shape, bool)
    expected[LESION] = True
    np.testing.assert_array_equal(lesions, expected)
    assert lesions.dtype == bool
    assert (volume.values[expected] == 200).all()
    _, none = load_lesion_volume(items[0], lesion_above=0)
    assert not none.any()


OTHER_PLACE, FLIPPED = AFFINE.copy(), np.diag([-2.0, 2, 3, 1])
OTHER_PLACE[0, 3] = 0.5
MASK = np.zeros((10, 12, 6), np.uint8)
MASK[LESION] = 4


@pytest.mark.parametrize(
    ("values", "affine", "sentence"),
    [
        (
            MASK[..., :5],
            AFFINE,
            r"has the shape \(10, 12, 5\) and its volume .*/p1/FLAIR.nii.gz has \(10, 12, 6\); give",
        ),
        (MASK, OTHER_PLACE, r"its voxels lie up to 0.5 mm from those of its volume .*/p1/FLAIR.nii.gz; give a mask wi"),
        (MASK, FLIPPED, r"its voxels lie up to 36.0 mm from those of its volume"),
        (0 * MASK, AFFINE, r"has no value above 0 \(the largest is 0\) and its volume is labelled abnormal; set"),
    ],
    ids=["shape", "place", "orientation", "empty"],
)
def test_a_mask_that_does_not_lie_on_its_volume(items, values, affine, sentence):
    save_volume(Path(items[1]["mask"]), values, affine)
    with pytest.raises(ScanError, match=rf"/p1/lesion.nii.gz: {sentence}"):
        load_lesion_volume(items[1], lesion_above=0)


def test_a_threshold_that_no_lesion_is_above(items):
    with pytest.raises(ScanError, match=r"has no value above 4 \(the largest is 4\) and its volume is labelled abnorm"):
        load_lesion_volume(items[1], lesion_above=4)
