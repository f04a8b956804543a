"""Pixel-level metrics, exact and streaming."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from bpfl_med.metrics.inputs import check_finite, to_bool, to_numpy
from bpfl_med.metrics.operating_points import OperatingPoints, operating_points
from bpfl_med.metrics.rank_sums import AUPRO_FPR_LIMIT, Metrics, RankSums
from bpfl_med.metrics.regions import region_areas
from bpfl_med.metrics.score_keys import keys_to_scores, scores_to_keys
from bpfl_med.metrics.sorted_runs import SortedRuns, first_of_equal

MEMORY_LIMIT = 512 * 2**20
"""Bytes that the pixels of one category may hold in memory, unless another limit is given."""

_AREA_BITS = np.uint64(32)
_BYTES_PER_BLOCK_ENTRY = 128  # of all temporary arrays while one block is read


class PixelMetrics:
    """AUROC, average precision, F1-max and AUPRO over all pixels of a category, in one pass and one sort.

    A normal pixel is kept as the 4-byte key of its score, an abnormal one as 8 bytes: the key and the area of its
    region. Regions are the 8-connected components of an image's mask. Both kinds go into `SortedRuns`, so memory is
    bounded and nothing is binned or rounded; the formulas stand at `RankSums`. The pixels kept are the same in whatever
    order or grouping images arrive and whichever process saw them, so the metrics are too (within 1e-12: float64 sums
    may round differently).

    The false positive rate counts the normal pixels of all images, abnormal or not.

    Example:
        >>> metrics = PixelMetrics()
        >>> metrics.update(np.float32([[0.1, 0.4], [0.35, 0.8]]), [[0, 0], [1, 1]])
        >>> metrics.compute()["auroc"]
        0.75

    Args:
        fpr_limit: where the integral of AUPRO ends, in (0, 1].
        memory_limit: bytes that this object may hold, in `update` (besides copies of the batch at hand) and in
            `compute`; taken only as images come. Scores beyond it go to disk: 4 bytes a normal pixel, 8 an abnormal
            one. 512 MiB suffice for 2e10 pixels, and twice as much for 2.8 times as many. The disk is that of the
            system's temporary folder (`TMPDIR`), and the files are deleted with the object.

    Raises:
        ValueError: `fpr_limit` is outside (0, 1], or `memory_limit` is below 1 MiB.
    """

    def __init__(self, *, fpr_limit: float = AUPRO_FPR_LIMIT, memory_limit: int = MEMORY_LIMIT) -> None:
        if not 0 < fpr_limit <= 1:
            raise ValueError(f"The FPR limit of AUPRO must lie in (0, 1], got {fpr_limit}")
        if memory_limit < 2**20:
            raise ValueError(f"The memory limit must be at least 1 MiB (1048576 bytes), got {memory_limit}")
        self.fpr_limit = fpr_limit
        self._normal = SortedRuns(np.uint32, memory_limit // 2 // 4)
        self._abnormal = SortedRuns(np.uint64, memory_limit // 4 // 8)
        self._block_size = memory_limit // 4 // _BYTES_PER_BLOCK_ENTRY
        self._n_regions = 0

    def update(self, maps: ArrayLike | torch.Tensor, masks: ArrayLike | torch.Tensor) -> None:
        """Add one image or a batch; of bad input nothing is counted.

        Args:
            maps: anomaly maps, `[..., H, W]`, any range, of a dtype that float32 holds exactly (float32, float16, ...).
            masks: 0 normal, 1 abnormal, of the same shape.

        Raises:
            ValueError: the shapes differ or have no `H, W`, a score is not finite, a mask holds other values, or the
                maps have a dtype, such as float64, whose order rounding to float32 might change.
        """
        scores, labels = to_numpy(maps), to_numpy(masks)
        if scores.ndim < 2 or scores.shape != labels.shape:
            raise ValueError(f"Maps and masks must have one shape [..., H, W], got {scores.shape} and {labels.shape}")
        if not np.can_cast(scores.dtype, np.float32):
            raise ValueError(f"Anomaly maps must be float32, got {scores.dtype}; cast them to accept the rounding")
        check_finite(scores, "Anomaly maps")
        abnormal = to_bool(labels, "Masks")
        keys = scores_to_keys(scores.astype(np.float32, copy=False))
        for image_keys, mask in zip(_as_images(keys), _as_images(abnormal), strict=True):
            self._normal.extend(image_keys[~mask])
            areas, n_regions = region_areas(mask)
            if n_regions:
                self._abnormal.extend(image_keys[mask].astype(np.uint64) << _AREA_BITS | areas.astype(np.uint64))
                self._n_regions += n_regions

    def state(self) -> dict[str, NDArray]:
        """Give all that was counted as plain arrays, to be sent to another process and added there by `merge_state`.

        Returns:
            `normal`, one uint32 a normal pixel, `abnormal`, one uint64 an abnormal pixel, and `n_regions`, int64 `[]`.
            These are copies in memory, whatever `memory_limit` says.
        """
        return {
            "normal": np.concatenate(list(self._normal.runs())),
            "abnormal": np.concatenate(list(self._abnormal.runs())),
            "n_regions": np.asarray(self._n_regions),
        }

    def merge_state(self, state: dict[str, NDArray]) -> None:
        """Add all images of a `state()`."""
        self._normal.extend(state["normal"])
        self._abnormal.extend(state["abnormal"])
        self._n_regions += int(state["n_regions"])

    def compute(self) -> Metrics:
        """Compute the metrics of all images so far; more images may follow.

        Returns:
            `auroc`, `ap`, `f1_max`, `threshold` (a pixel is called abnormal when its score is at least the threshold)
            and `aupro`. All are None if there are no abnormal or no normal pixels.
        """
        sums = RankSums(len(self._abnormal), len(self._normal), self._n_regions, self.fpr_limit)
        for keys, n_equal, n_above, n_tied, overlap in self._ranked():
            sums.add(keys_to_scores(keys), n_equal, n_above, n_tied, overlap)
        return sums.result()

    def operating_points(self) -> OperatingPoints | None:
        """Give points of the ROC and the precision-recall curve to draw; None if only one kind of pixels is there."""
        ranks = ((n_equal, n_above, n_tied) for _, n_equal, n_above, n_tied, _ in self._ranked())
        return operating_points(ranks, n_positive=len(self._abnormal), n_negative=len(self._normal))

    def cuts(self, n_bins: int) -> NDArray[np.uint32]:
        """Cut the range of scores into about `n_bins` bins, half of them by the normal pixels, half by the abnormal.

        Returns:
            Ascending keys, which is from high to low scores, for :func:`~bpfl_med.metrics.pixel_histogram`. At most
            4 / `n_bins` of either kind of pixels lie strictly between two of them.
        """
        abnormal = self._abnormal.samples(max(1, 4 * len(self._abnormal) // n_bins))
        normal = self._normal.samples(max(1, 4 * len(self._normal) // n_bins))
        return np.unique(np.concatenate([normal, (abnormal >> _AREA_BITS).astype(np.uint32)]))

    def _ranked(self) -> Iterator[tuple[NDArray, ...]]:
        """Yield, from high to low: keys of abnormal pixels, and of each what `RankSums.add` asks for."""
        abnormal_keys = (self._abnormal.samples(self._block_size) >> _AREA_BITS).astype(np.uint32)
        cuts = np.unique(np.concatenate([self._normal.samples(self._block_size), abnormal_keys]))
        normal_blocks = self._normal.blocks(cuts, self._block_size)
        abnormal_blocks = self._abnormal.blocks(cuts.astype(np.uint64) << _AREA_BITS, self._block_size)
        n_seen = 0
        for (normal, n_normal), (abnormal, n_abnormal) in zip(normal_blocks, abnormal_blocks, strict=True):
            upto = n_seen + np.concatenate(([0], np.cumsum(n_normal)))
            n_seen = upto[-1]
            if abnormal.size:
                keys, n_equal, overlap = _group_by_key(abnormal, n_abnormal)
                n_above = upto[np.searchsorted(normal, keys)]
                n_tied = upto[np.searchsorted(normal, keys, side="right")] - n_above
                yield keys, n_equal, n_above, n_tied, overlap


def _as_images(arrays: NDArray) -> NDArray:
    return arrays.reshape(-1, *arrays.shape[-2:])


def _group_by_key(
    pixels: NDArray[np.uint64], counts: NDArray[np.int64]
) -> tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.float64]]:
    """Join pixels of one score: give keys, how many pixels each has, and the sum of 1 / area over them."""
    keys = (pixels >> _AREA_BITS).astype(np.uint32)
    areas = pixels.astype(np.uint32)  # the low half
    starts = first_of_equal(keys)
    return keys[starts], np.add.reduceat(counts, starts), np.add.reduceat(counts / areas, starts)
