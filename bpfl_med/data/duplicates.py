"""Find pictures that a data set holds more than once."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.fft import dctn
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from bpfl_med.data.picture import open_picture
from bpfl_med.files.checksum import file_checksum

_THUMBNAIL = 32  # pixels a side, of which the hash keeps the lowest frequencies
_FREQUENCIES = 8
# What copies in another size, format or compression stay within, and other pictures of the same kind seldom do: bits of
# the hash, and grey levels (of 255) on average over the thumbnail.
_HASH_BITS = 2
_GREY_LEVELS = 2.0
_BLOCK = 256  # pictures compared with all others at a time


@dataclass(frozen=True)
class Duplicates:
    """Groups of pictures that are there more than once, as indices in ascending order.

    Attributes:
        equal: files with the same bytes.
        alike: copies in whatever form: groups of near-copies, in which equal files count as one picture.
        n_files: how many different files there are.
        n_pictures: how many different pictures there are, near-copies taken together.
    """

    equal: list[list[int]]
    alike: list[list[int]]
    n_files: int
    n_pictures: int


def find_duplicates(paths: Sequence[str | Path]) -> Duplicates:
    """Compare one or more files by their bytes, and pictures by a perceptual hash of their pixels.

    Near-copies have nearly the same hash (which of the 63 lowest frequencies of a 32 x 32 thumbnail are above their
    median) and nearly the same thumbnail, as copies in another size, format or compression do.

    Raises:
        PictureError: if a picture cannot be opened.
    """
    with ThreadPoolExecutor() as pool:
        digests = list(pool.map(file_checksum, paths))
        thumbnails = np.array(list(pool.map(_thumbnail, paths)))
    equal = _groups(digests)
    first = {digest: index for index, digest in reversed(list(enumerate(digests)))}
    pictures = _components([first[digest] for digest in digests], _near_pairs(thumbnails))
    alike = [group for group in _groups(pictures) if len({digests[index] for index in group}) > 1]
    return Duplicates(equal, alike, len(first), len(set(pictures)))


def _thumbnail(path: str | Path) -> np.ndarray:
    picture = open_picture(path, "L").resize((_THUMBNAIL, _THUMBNAIL), Image.Resampling.BILINEAR)
    return np.asarray(picture, np.float32)


def _hashes(thumbnails: np.ndarray) -> np.ndarray:
    """Give the perceptual hashes [n] of thumbnails; the mean grey level has no part in them."""
    spectra = dctn(thumbnails, axes=(1, 2), norm="ortho")[:, :_FREQUENCIES, :_FREQUENCIES].reshape(len(thumbnails), -1)
    above = spectra > np.median(spectra[:, 1:], axis=1, keepdims=True)
    above[:, 0] = False
    return np.packbits(above, axis=1).view(np.uint64)[:, 0]


def _near_pairs(thumbnails: np.ndarray) -> Iterable[tuple[int, int]]:
    hashes = _hashes(thumbnails)
    for start in range(0, len(hashes), _BLOCK):
        block = np.bitwise_count(hashes[start : start + _BLOCK, None] ^ hashes) <= _HASH_BITS
        for one, other in np.argwhere(block) + (start, 0):
            if one < other and np.abs(thumbnails[one] - thumbnails[other]).mean() <= _GREY_LEVELS:
                yield int(one), int(other)


def _components(equals: Sequence[int], pairs: Iterable[tuple[int, int]]) -> list[int]:
    """Number the groups that hang together by equality (each index with the first that equals it) or by a pair."""
    edges = np.array([*enumerate(equals), *pairs]).reshape(-1, 2).T
    graph = coo_array((np.ones(edges.shape[1]), edges), shape=(len(equals), len(equals)))
    return connected_components(graph, directed=False)[1].tolist()


def _groups(keys: Sequence[Hashable]) -> list[list[int]]:
    """Give the places of each key that stands at more than one."""
    places: dict[Hashable, list[int]] = {}
    for index, key in enumerate(keys):
        places.setdefault(key, []).append(index)
    return [group for group in places.values() if len(group) > 1]
