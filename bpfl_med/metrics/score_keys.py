"""Integer keys that carry the order of float32 scores."""

import numpy as np
from numpy.typing import NDArray

_MAGNITUDE = np.uint32(0x7FFFFFFF)


def scores_to_keys(scores: NDArray[np.float32]) -> NDArray[np.uint32]:
    """Map finite float32 scores to uint32 keys of the opposite order: the higher the score, the smaller the key.

    The key is made of the score's own bits, so equal scores have equal keys (0.0 and -0.0 too), different scores have
    different keys, and nothing is rounded. NumPy sorts uint32 faster than float32, and from smallest key upwards means
    from most to least abnormal.

    Args:
        scores: finite values, any shape.

    Returns:
        Keys of the same shape.
    """
    return _swap_order((scores + np.float32(0)).view(np.uint32))  # adding zero turns -0.0 into 0.0


def keys_to_scores(keys: NDArray[np.uint32]) -> NDArray[np.float32]:
    """Give the float32 scores back that `scores_to_keys` was given (0.0 for -0.0)."""
    return _swap_order(keys).view(np.float32)


def _swap_order(bits: NDArray[np.uint32]) -> NDArray[np.uint32]:
    # Bits of a negative float already grow as the float falls. Those of the others are mirrored below them.
    # `sign - 1` is all ones without the sign bit and zero with it, so there is no branch; twice gives the bits back.
    sign = bits >> np.uint32(31)
    return bits ^ ((sign - np.uint32(1)) & _MAGNITUDE)
