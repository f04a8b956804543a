"""How the text branch's score and the anomaly map make the score of an image: the paper's way and the released ones."""

from typing import Literal, get_args

from torch import Tensor

ScoreProtocol = Literal["paper", "released", "text", "image"]


def top_k_mean(maps: Tensor, k: int) -> Tensor:
    """Mean of the k largest pixels of each map, before any smoothing.

    Args:
        maps: anomaly maps, `[..., H, W]`.
        k: number of pixels; all of them if a map has fewer. 1 gives the maximum.

    Returns:
        One value a map, `[...]`.

    Raises:
        ValueError: k is below 1.
    """
    if k < 1:
        raise ValueError(f"The number of pixels in the top-k mean must be at least 1, got {k}")
    pixels = maps.flatten(-2)
    return pixels.topk(min(k, pixels.shape[-1])).values.mean(-1)


def min_max(scores: Tensor) -> Tensor:
    """Scale the scores of a category, `[n]`, to [0, 1]: (x - min) / (max - min + 1e-8). Equal scores become 0."""
    low, high = scores.aminmax()
    return (scores - low) / (high - low + 1e-8)


def image_scores(protocol: ScoreProtocol, *, text_scores: Tensor, map_maxima: Tensor, top_k_means: Tensor) -> Tensor:
    """Fuse what was recorded of each image of a category into its anomaly score.

    - `paper`: text score + maximum of the map.
    - `released`: 0.5 min_max(text score) + 0.5 min_max(top-k mean of the map). It depends on which images the category
      has, and a single image always gets 0.
    - `text`: the text score alone, as the released program scores data sets without masks. It min-maxes that too, which
      leaves the ranking, and so every metric but the threshold, as it is; here the score stays raw.
    - `image`: the maximum of the map alone, the paper's image branch by itself.

    Args:
        protocol: one of these names.
        text_scores: probability of "abnormal" by the text branch, in [0, 1], `[n]`.
        map_maxima: largest pixel of each unsmoothed map, in [0, 1], `[n]`.
        top_k_means: `top_k_mean` of each unsmoothed map, in [0, 1], `[n]`.

    Returns:
        Scores, `[n]`, higher is more abnormal.

    Raises:
        ValueError: the protocol's name is unknown.
    """
    match protocol:
        case "paper":
            return text_scores + map_maxima
        case "released":
            return 0.5 * min_max(text_scores) + 0.5 * min_max(top_k_means)
        case "text":
            return text_scores
        case "image":
            return map_maxima
    raise ValueError(f"The score protocol must be one of {', '.join(get_args(ScoreProtocol))}, got {protocol!r}")
