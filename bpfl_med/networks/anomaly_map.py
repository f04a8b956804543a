"""From patches and text to the anomaly map, with its spread over the sampled prompts."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

CHUNK_BYTES = 2**24
"""How much memory upsampled maps may take at a time, unless told otherwise."""


def pair_logits(patches: torch.Tensor, text: torch.Tensor, log_temperature: torch.Tensor) -> torch.Tensor:
    r"""Give every patch's logit of "abnormal against normal" for every pair of prompts.

    A softmax over the two logits of a pair is the sigmoid of their difference, and the logits are linear in the text,
    so only :math:`\exp(t)\, \tilde F (T'_{abnormal} - T'_{normal})^\top` is needed.

    Args:
        patches: projected patches [L, N, S, C], normalised; S is the square grid, row by row.
        text: refined text features [L, N, 2, M, C], normal and abnormal.
        log_temperature: t, a scalar.

    Returns:
        Logits [L, N, M, g, g] on the patch grid.
    """
    difference = text[:, :, 1] - text[:, :, 0]
    logits = log_temperature.exp() * (difference @ patches.transpose(-1, -2))
    grid = math.isqrt(logits.shape[-1])
    return logits.unflatten(-1, (grid, grid))


def upsampled_probability(logits: torch.Tensor, image_size: int) -> torch.Tensor:
    """Upsample logits [A, M, g, g] to the image (bilinear, corners aligned) and turn them into probabilities."""
    size = (image_size, image_size)
    return torch.sigmoid(F.interpolate(logits, size=size, mode="bilinear", align_corners=True))


def anomaly_map_moments(
    logits: torch.Tensor, image_size: int, *, chunk_bytes: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Average the anomaly maps of all layers and prompt pairs, and give their spread over the pairs.

    Each of the M pairs has one map, the mean over its L layers. The maps are made in chunks and folded into running
    moments (Chan's update), so memory does not grow with M.

    Args:
        logits: [L, N, M, g, g] from :func:`pair_logits`.
        image_size: height and width of the map in pixels.
        chunk_bytes: aim for the upsampled maps that exist at one time; one pair of all images is the least.

    Returns:
        The mean map and its standard deviation over the M pairs (of the population, so 0 for one pair), [N, 1, H, W],
        both in [0, 1] and at least in float32, because moments lose too much in half of it.
    """
    n_layers, n_images, n_pairs = logits.shape[:3]
    pair_bytes = n_layers * n_images * image_size**2 * logits.element_size()
    exact = torch.promote_types(logits.dtype, torch.float32)
    mean = logits.new_zeros(n_images, image_size, image_size, dtype=exact)
    squares = torch.zeros_like(mean)
    done = 0
    for chunk in logits.split(max(1, chunk_bytes // pair_bytes), dim=2):
        n_chunk = chunk.shape[2]
        maps = (
            upsampled_probability(chunk.flatten(0, 1), image_size).to(exact).unflatten(0, (n_layers, n_images)).mean(0)
        )
        chunk_mean = maps.mean(1)
        step = chunk_mean - mean
        total = done + n_chunk
        mean = mean + step * (n_chunk / total)
        squares = squares + (maps - chunk_mean[:, None]).square_().sum(1) + step**2 * (done * n_chunk / total)
        done = total
    return mean[:, None], (squares / n_pairs).sqrt()[:, None]
