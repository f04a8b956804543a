"""Open a picture as the network and the checks see it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from PIL import Image

# Modes that turn into 8-bit RGB without changing a value. Deeper ones (I, I;16, F) would be cut off silently.
_EIGHT_BIT_MODES = frozenset(
    {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV", "La", "RGBa"}
)

# Pillow's names of 16-bit colours as they lie in the file; once open their mode is RGB, and half of each value is gone.
_DEEP_COLOUR = re.compile(r";16[BLN]$")


class PictureError(ValueError):
    """A picture that cannot be used; the text names the file and what to do."""


def open_picture(path: str | Path, mode: str) -> Image.Image:
    """Open an 8-bit picture and turn it into "RGB" or "L"; pixels are not turned by an EXIF tag.

    Raises:
        PictureError: if the file is missing, unreadable, truncated, deeper than 8 bits a channel, or holds several
            pictures.
    """
    try:
        with Image.open(path) as picture:
            if picture.mode not in _EIGHT_BIT_MODES:
                raise PictureError(_too_deep(path, f"mode {picture.mode}"))
            if any(_DEEP_COLOUR.search(_raw_mode(tile.args)) for tile in picture.tile):
                raise PictureError(_too_deep(path, "16 bits of each colour"))
            n_pictures = getattr(picture, "n_frames", 1)
            if n_pictures > 1 and picture.format != "MPO":  # an MPO is a JPEG with previews
                raise PictureError(
                    f"{path} holds {n_pictures} pictures; write each into a file of its own, or give the volume as "
                    "NIfTI or DICOM"
                )
            return picture.convert(mode)
    except FileNotFoundError as error:
        raise PictureError(f"There is no file {path}; check the data set's folder and patterns") from error
    except PictureError:
        raise
    except Exception as error:  # Pillow's plugins raise many kinds for broken files
        raise PictureError(f"{path} cannot be read as a picture ({error}); replace it or take it out") from error


def _raw_mode(decoder_arguments: Any) -> str:
    """Return the layout of the pixels in the file, which is all or the first of what Pillow tells its decoders."""
    first = decoder_arguments if isinstance(decoder_arguments, str) else (*(decoder_arguments or ()), "")[0]
    return str(first)


def _too_deep(path: str | Path, what: str) -> str:
    return (
        f"{path} holds more than 8 bits a channel ({what}); write it as an 8-bit picture with the grey-value window "
        "that you want, or give the volume as NIfTI or DICOM"
    )
