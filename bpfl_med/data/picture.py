"""Open a picture as the network and the checks see it."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

# Modes that turn into 8-bit RGB without changing a value. Deeper ones (I, I;16, F) would be cut off silently.
_EIGHT_BIT_MODES = frozenset(
    {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV", "La", "RGBa"}
)


class PictureError(ValueError):
    """A picture that cannot be used; the text names the file and what to do."""


def open_picture(path: str | Path, mode: str) -> Image.Image:
    """Open an 8-bit picture and turn it into "RGB" or "L"; pixels are not turned by an EXIF tag.

    Raises:
        PictureError: if the file is missing, unreadable, truncated, or deeper than 8 bits a channel.
    """
    try:
        with Image.open(path) as picture:
            if picture.mode not in _EIGHT_BIT_MODES:
                raise PictureError(
                    f"{path} holds more than 8 bits a channel (mode {picture.mode}); write it as an 8-bit picture with "
                    "the grey-value window that you want, or give the volume as NIfTI or DICOM"
                )
            return picture.convert(mode)
    except FileNotFoundError as error:
        raise PictureError(f"There is no file {path}; check the data set's folder and patterns") from error
    except PictureError:
        raise
    except Exception as error:  # Pillow's plugins raise many kinds for broken files
        raise PictureError(f"{path} cannot be read as a picture ({error}); replace it or take it out") from error
