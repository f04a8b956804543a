"""Only pictures that turn into 8 bits without loss are opened; every other file is named with a sentence."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from bpfl_med.data import PictureError, open_picture

GREY = np.arange(256, dtype=np.uint8).reshape(16, 16)
COLOUR = np.stack([GREY, GREY.T, 255 - GREY], axis=-1)


def png(path: Path, values: np.ndarray) -> None:
    """Write a colour PNG of 8 or 16 bits; Pillow cannot write the latter."""
    rows = b"".join(b"\0" + row.astype(row.dtype.newbyteorder(">")).tobytes() for row in values)
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 8 * values.itemsize, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    parts = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif"])
@pytest.mark.parametrize("values", [GREY, COLOUR], ids=["grey", "colour"])
def test_8_bit_values_are_kept(tmp_path, name, values):
    Image.fromarray(values).save(tmp_path / name)
    rgb = np.broadcast_to(values[..., None], COLOUR.shape) if values.ndim == 2 else values
    np.testing.assert_array_equal(np.asarray(open_picture(tmp_path / name, "RGB")), rgb)


def test_an_8_bit_png_written_by_hand_is_opened(tmp_path):
    png(tmp_path / "a.png", COLOUR)
    np.testing.assert_array_equal(np.asarray(open_picture(tmp_path / "a.png", "RGB")), COLOUR)


def test_one_bit_masks_become_0_and_255(tmp_path):
    Image.fromarray(GREY > 100).save(tmp_path / "a.png")
    np.testing.assert_array_equal(np.asarray(open_picture(tmp_path / "a.png", "L")), 255 * (GREY > 100))


def test_pixels_are_not_turned_by_a_tag(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # "rotate by 90 degrees"
    Image.fromarray(GREY[:8]).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(np.asarray(open_picture(tmp_path / "a.png", "L")), GREY[:8])


def write_16_bit_grey(path: Path) -> None:
    Image.fromarray(GREY.astype(np.uint16) * 200).save(path.with_suffix(".png"))


def write_16_bit_colour(path: Path) -> None:
    png(path.with_suffix(".png"), COLOUR.astype(np.uint16) * 200)


def write_nan(path: Path) -> None:
    Image.fromarray(np.full((4, 4), np.nan, np.float32)).save(path.with_suffix(".tif"))


def write_pages(path: Path) -> None:
    pages = [Image.fromarray(GREY), Image.fromarray(GREY.T)]
    pages[0].save(path.with_suffix(".tif"), save_all=True, append_images=pages[1:])


def write_truncated(path: Path) -> None:
    Image.effect_noise((200, 200), 50).save(path.with_suffix(".jpg"))
    data = path.with_suffix(".jpg").read_bytes()
    path.with_suffix(".jpg").write_bytes(data[: len(data) // 2])


def write_text(path: Path) -> None:
    path.with_suffix(".png").write_text("<html>404</html>")


def write_nothing(path: Path) -> None:
    path.with_suffix(".jpg").write_bytes(b"")


def write_folder(path: Path) -> None:
    path.with_suffix(".png").mkdir()


@pytest.mark.parametrize(
    ("write", "sentence"),
    [
        (
            write_16_bit_grey,
            r"holds more than 8 bits a channel \(mode I.*\); write it as an 8-bit picture with the grey",
        ),
        (write_16_bit_colour, r"holds more than 8 bits a channel \(16 bits of each colour\); write it as an 8-bit"),
        (write_nan, r"holds more than 8 bits a channel \(mode F\); write it as an 8-bit picture"),
        (write_pages, r"holds 2 pictures; write each into a file of its own, or give the volume as NIfTI or DICOM"),
        (write_truncated, r"cannot be read as a picture \(.*truncated.*\); replace it or take it out"),
        (write_text, r"cannot be read as a picture \(.*\); replace it or take it out"),
        (write_nothing, r"cannot be read as a picture \(.*\); replace it or take it out"),
        (write_folder, r"cannot be read as a picture \(.*\); replace it or take it out"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path, write, sentence):
    write(tmp_path / "bad")
    (path,) = tmp_path.iterdir()
    with pytest.raises(PictureError, match=sentence) as caught:
        open_picture(path, "RGB")
    assert str(path) in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(PictureError, match=r"There is no file .*/gone.png; check the data set's folder and patterns"):
        open_picture(tmp_path / "gone.png", "RGB")


def test_a_jpeg_with_a_preview_is_one_picture(tmp_path):
    one, preview = (Image.new("RGB", (8, 8), (v, v, v)) for v in (200, 10))
    one.save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[preview])
    assert np.asarray(open_picture(tmp_path / "a.jpg", "L")).min() > 190


def test_compressed_16_bit_colours_are_refused(tmp_path):
    values = (np.arange(192).reshape(8, 8, 3) * 300).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb", compression="zlib")
    with pytest.raises(PictureError, match="16 bits of each colour"):
        open_picture(tmp_path / "a.tif", "RGB")
