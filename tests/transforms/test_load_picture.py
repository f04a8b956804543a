"""Pictures reach the network with the values that CLIP's own preprocessing gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from monai.bundle import ConfigParser
from monai.transforms import Compose
from PIL import Image

from bpfl_med.data import PictureError
from bpfl_med.transforms import LoadMaskd, LoadPictured


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)


def bundle_preprocessing(repository: Path, image_size: int) -> Compose:
    parser = ConfigParser()
    configs = repository / "bundles/bayes_pfl/configs"
    parser.read_config([configs / "inference.json", configs / "evaluate.json"])
    parser["image_size"] = image_size
    return parser.get_parsed_content("preprocessing")


@pytest.mark.parametrize("size", [40, 96, 112])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_the_bundle_prepares_square_pictures_as_open_clip_does(tmp_path, repository, noise, mode, size):
    picture = Image.fromarray(noise).convert(mode)
    picture.save(tmp_path / "a.png")
    ours = bundle_preprocessing(repository, size)({"image": str(tmp_path / "a.png")})["image"]
    theirs = open_clip.image_transform(size, is_train=False)(picture)
    torch.testing.assert_close(torch.as_tensor(ours), theirs, atol=1e-6, rtol=0)


def test_the_bundle_normalises_as_the_released_program_does(tmp_path, repository, shared):
    fixture = np.load(shared / "parity/tiny_a/fixture.npz")
    preprocessing = bundle_preprocessing(repository, fixture["images"].shape[-1])
    for pixels, expected in zip(fixture["images_uint8"], fixture["images"], strict=True):
        Image.fromarray(pixels).save(tmp_path / "a.png")
        np.testing.assert_array_equal(np.asarray(preprocessing({"image": str(tmp_path / "a.png")})["image"]), expected)


def test_an_oblong_picture_is_squeezed_not_cropped(tmp_path, noise):
    Image.fromarray(noise[:48]).save(tmp_path / "a.png")
    item = LoadPictured("image", 32)({"image": str(tmp_path / "a.png"), "class_name": "brain"})
    expected = np.asarray(Image.fromarray(noise[:48]).resize((32, 32), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(np.round(item["image"].numpy() * 255), expected.transpose(2, 0, 1))
    assert item["image"].dtype == torch.float32
    assert (item["image_path"], item["class_name"]) == (str(tmp_path / "a.png"), "brain")


def test_picture_and_mask_stay_aligned(tmp_path):
    pixels = np.zeros((60, 90), np.uint8)
    pixels[:20, 45:75] = 255  # above, right of the middle
    Image.fromarray(pixels).save(tmp_path / "a.png")
    paths = {"image": str(tmp_path / "a.png"), "mask": str(tmp_path / "a.png")}
    item = Compose([LoadPictured("image", 30), LoadMaskd("mask", 30, threshold=127)])(paths)
    torch.testing.assert_close((item["image"][:1] > 0.5).byte(), item["mask"])
    assert item["mask"][0, :10, 15:25].all()
    assert item["mask"].sum() == 10 * 10


def test_a_broken_picture_is_named(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"nothing")
    with pytest.raises(PictureError, match=r"/a.jpg cannot be read as a picture"):
        LoadPictured("image", 32)({"image": str(tmp_path / "a.jpg")})


def test_a_missing_key_is_an_error_unless_allowed():
    with pytest.raises(KeyError, match="image"):
        LoadPictured("image", 32)({"class_name": "brain"})
    assert LoadPictured("image", 32, allow_missing_keys=True)({"class_name": "brain"}) == {"class_name": "brain"}
