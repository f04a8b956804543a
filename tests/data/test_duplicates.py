"""Copies are found whatever their size, format and compression; pictures of one kind are not taken for copies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bpfl_med.data import PictureError
from bpfl_med.data.duplicates import find_duplicates
from bpfl_med.demo import write_phantom_images


@pytest.fixture
def phantoms(tmp_path: Path) -> list[Path]:
    root = write_phantom_images(tmp_path / "phantoms", n_per_class=3, seed=4, kinds=("brain", "liver"))
    return sorted(path for path in root.rglob("*.png") if path.parent.name != "mask")


def test_pictures_of_one_kind_are_no_copies(phantoms):
    found = find_duplicates(phantoms)
    assert (found.equal, found.alike, found.n_files, found.n_pictures) == ([], [], 12, 12)


def test_equal_files_and_near_copies(tmp_path, phantoms):
    original, other = phantoms[:2]
    picture = Image.open(original).convert("RGB")
    copies = [tmp_path / name for name in ("same.png", "again.png", "compressed.jpg", "large.png", "bright.png")]
    copies[0].write_bytes(original.read_bytes())
    copies[1].write_bytes(original.read_bytes())
    picture.save(copies[2], quality=70)
    picture.resize((picture.width * 2, picture.height * 2 + 30), Image.Resampling.BICUBIC).save(copies[3])
    Image.fromarray(np.asarray(picture) // 2 + 100).save(copies[4])
    found = find_duplicates([original, other, *copies])
    assert found.equal == [[0, 2, 3]]
    assert found.alike == [[0, 2, 3, 4, 5]]  # same shapes in other grey levels are another picture
    assert (found.n_files, found.n_pictures) == (5, 3)


def test_every_picture_is_alike_its_copy_of_half_the_size(tmp_path, phantoms):
    """The hash of some of them is not quite the same."""
    copies = [tmp_path / f"{number}.png" for number in range(len(phantoms))]
    for original, copy in zip(phantoms, copies, strict=True):
        picture = Image.open(original)
        picture.resize((picture.width // 2, picture.height // 2)).save(copy)
    assert find_duplicates([*phantoms, *copies]).alike == [[number, number + 12] for number in range(12)]


def test_copies_are_found_behind_the_first_hundreds(tmp_path, phantoms):
    """Pictures are compared a few hundred at a time."""
    copy = tmp_path / "copy.jpg"
    Image.open(phantoms[1]).convert("RGB").save(copy, quality=90)
    found = find_duplicates([*[phantoms[0]] * 256, phantoms[1], copy])
    assert (found.alike, found.n_files, found.n_pictures) == ([[256, 257]], 3, 2)


def test_equal_files_alone_are_no_near_copies(tmp_path, phantoms):
    copy = tmp_path / "copy.png"
    copy.write_bytes(phantoms[0].read_bytes())
    found = find_duplicates([phantoms[0], copy])
    assert (found.equal, found.alike, found.n_files, found.n_pictures) == ([[0, 1]], [], 1, 1)


def test_a_picture_that_cannot_be_opened(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(PictureError, match=r"/a.png cannot be read as a picture"):
        find_duplicates([tmp_path / "a.png"])


def test_the_repeats_of_a_shared_data_set(shared):
    root = shared / "data/brain_mri"
    if not root.is_dir():
        pytest.skip(f"{root} is not on this machine")
    pictures = sorted(path for folder in ("no", "yes") for path in (root / folder).iterdir())
    found = find_duplicates(pictures)
    assert (len(pictures), found.n_files) == (253, 228)  # by MD5, says its README
    assert found.n_pictures < found.n_files
    assert all(len({pictures[index].parent for index in group}) == 1 for group in found.alike)
