import numpy as np
import pytest
import torch
from skimage.measure import label
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from bpfl_med.metrics import PixelMetrics


def random_images(seed: int, n_levels: int = 10**6, n: int = 6, size: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """Maps of integer-valued levels and masks whose regions touch at corners, borders and not at all."""
    rng = np.random.default_rng(seed)
    masks = (rng.random((n, size, size)) < 0.08).astype(np.uint8)
    masks[:, 3:9, 2:12] |= (np.arange(n) % 2).astype(np.uint8)[:, None, None]
    masks[0] = 0
    maps = np.floor(rng.random(masks.shape) * n_levels) + masks * np.floor(n_levels * 0.3)
    return (maps / n_levels - 0.4).astype(np.float32), masks


def brute_force_aupro(maps: np.ndarray, masks: np.ndarray, limit: float) -> float:
    """Threshold at every distinct score; interpolate at the limit."""
    regions = [labels == i for labels in map(label, masks) for i in range(1, labels.max() + 1)]
    images = [image for image, mask in zip(maps, masks, strict=True) for _ in range(label(mask).max())]
    fpr, pro = [0.0], [0.0]
    for threshold in np.unique(maps)[::-1]:
        fpr.append(np.mean(maps[masks == 0] >= threshold))
        pro.append(
            np.mean([np.mean(image[region] >= threshold) for image, region in zip(images, regions, strict=True)])
        )
    fpr, pro = np.array(fpr), np.array(pro)
    inside = fpr <= limit
    x, y = fpr[inside], pro[inside]
    if not inside.all():
        i = inside.sum()
        share = (limit - fpr[i - 1]) / (fpr[i] - fpr[i - 1])
        x, y = np.append(x, limit), np.append(y, pro[i - 1] + share * (pro[i] - pro[i - 1]))
    return float(np.trapezoid(y, x) / limit)


def evaluate(maps: np.ndarray, masks: np.ndarray, **settings: float) -> dict[str, float | None]:
    metrics = PixelMetrics(**settings)
    metrics.update(maps, masks)
    return metrics.compute()


@pytest.mark.parametrize("n_levels", [2, 6, 10**6])
@pytest.mark.parametrize("seed", range(4))
def test_equals_scikit_learn(seed: int, n_levels: int):
    maps, masks = random_images(seed, n_levels)
    metrics = evaluate(maps, masks)
    scores, labels = maps.ravel(), masks.ravel()
    precision, recall, thresholds = precision_recall_curve(labels, scores)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-300)
    assert metrics["auroc"] == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert metrics["ap"] == pytest.approx(average_precision_score(labels, scores), abs=1e-12)
    assert metrics["f1_max"] == pytest.approx(f1.max(), abs=1e-12)
    assert metrics["threshold"] == thresholds[np.argmax(f1)]


@pytest.mark.parametrize("limit", [0.05, 0.3, 1.0])
@pytest.mark.parametrize("n_levels", [2, 6, 10**6])
def test_aupro_equals_brute_force(n_levels: int, limit: float):
    maps, masks = random_images(7, n_levels, n=3, size=16)
    assert evaluate(maps, masks, fpr_limit=limit)["aupro"] == pytest.approx(
        brute_force_aupro(maps, masks, limit), abs=1e-12
    )


def test_regions_count_alike_and_join_at_corners():
    mask = np.zeros((8, 8), dtype=np.uint8)
    mask[0, 0] = mask[1, 1] = 1  # one region of two pixels
    mask[4:7, 4:7] = 1  # one of nine
    found = np.zeros((8, 8), dtype=np.float32)
    found[0, 0] = 1.0  # half of the small region, before any false positive; the rest comes with all else
    limit = 0.3
    expected = 0.25 + 0.75 * limit / 2
    assert evaluate(found, mask, fpr_limit=limit)["aupro"] == pytest.approx(expected, abs=1e-15)


def test_a_perfect_map_scores_one_and_never_more():
    masks = random_images(0)[1]
    assert evaluate(masks.astype(np.float32), masks) == {
        "auroc": 1.0,
        "ap": 1.0,
        "f1_max": 1.0,
        "threshold": 1.0,
        "aupro": 1.0,
    }
    assert evaluate(1 - masks.astype(np.float32), masks)["aupro"] == 0.0


@pytest.mark.parametrize("value", [0, 1])
def test_one_class_defines_nothing(value: int):
    maps, masks = random_images(0)
    metrics = evaluate(maps, np.full_like(masks, value))
    assert metrics == dict.fromkeys(["auroc", "ap", "f1_max", "threshold", "aupro"])
    assert PixelMetrics().compute() == metrics


def test_takes_batches_tensors_and_half_precision():
    maps, masks = random_images(3, n_levels=64)
    expected = evaluate(maps.astype(np.float16).astype(np.float32), masks)
    metrics = PixelMetrics()
    metrics.update(torch.from_numpy(maps[:2, None]).half(), torch.from_numpy(masks[:2, None]))
    metrics.update(maps[2:].astype(np.float16), masks[2:].astype(bool))
    assert metrics.compute() == expected


@pytest.mark.parametrize(
    ("maps", "masks", "message"),
    [
        (np.float32([[0.1, np.nan]]), [[0, 1]], "Anomaly maps must be finite.* got 1 such values"),
        (np.float32([[0.1, -np.inf]]), [[0, 1]], "Anomaly maps must be finite.* got 1 such values"),
        (np.float32([[0.1, 0.2]]), [[[0, 1]]], r"one shape \[..., H, W\], got \(1, 2\) and \(1, 1, 2\)"),
        (np.float32([0.1, 0.2]), [0, 1], r"one shape \[..., H, W\], got \(2,\) and \(2,\)"),
        (np.float32([[0.1, 0.2]]), [[0, 255]], r"Masks must hold only 0 \(normal\) and 1 .* got \[0, 255\]"),
        (np.float64([[0.1, 0.2]]), [[0, 1]], "must be float32, got float64"),
    ],
)
def test_refuses_a_bad_batch_and_counts_nothing_of_it(maps: np.ndarray, masks: list, message: str):
    metrics = PixelMetrics()
    with pytest.raises(ValueError, match=message):
        metrics.update(maps, masks)
    assert all(values.sum() == 0 for values in metrics.state().values())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fpr_limit": 0}, r"must lie in \(0, 1\], got 0"),
        ({"memory_limit": 1000}, r"at least 1 MiB \(1048576 bytes\), got 1000"),
    ],
)
def test_refuses_settings_that_cannot_work(settings: dict, message: str):
    with pytest.raises(ValueError, match=message):
        PixelMetrics(**settings)
