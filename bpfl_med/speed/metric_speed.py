"""Compare time and memory of the pixel metrics with the usual way: `python -m bpfl_med.speed.metric_speed`.

Run it by hand, with the packages of the extra "test". The usual way is scikit-learn for AUROC, average precision and
F1-max, and for AUPRO a loop over 200 thresholds and the regions of every mask (scikit-image). Each way runs in a
process of its own, over the same maps, one after the other.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np
from scipy.ndimage import gaussian_filter

from bpfl_med.metrics import PixelMetrics
from bpfl_med.speed.peak_memory import peak_memory_mib

_N_THRESHOLDS = 200


def draw_maps(n_maps: int, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield smooth maps [size, size] in [0, 1] and masks with up to three round regions; every fourth mask is empty."""
    y, x = np.mgrid[:size, :size]
    for index in range(n_maps):
        rng = np.random.default_rng(index)
        mask = np.zeros((size, size), bool)
        for _ in range(0 if index % 4 == 0 else rng.integers(1, 4)):
            row, column = rng.integers(0, size, 2)
            mask |= (y - row) ** 2 + (x - column) ** 2 < rng.uniform(size / 50, size / 10) ** 2
        noise = gaussian_filter(rng.normal(size=(size, size)).astype(np.float32), 8)
        signal = gaussian_filter(mask.astype(np.float32), 8)
        yield 1 / (1 + np.exp(-2 * noise / noise.std() - 2 * signal + 2)), mask.astype(np.uint8)


def our_way(n_maps: int, size: int) -> dict[str, float | None]:
    """Add map by map, and compute."""
    metrics = PixelMetrics()
    seconds = 0.0
    for anomaly_map, mask in draw_maps(n_maps, size):
        started = time.perf_counter()
        metrics.update(anomaly_map, mask)
        seconds += time.perf_counter() - started
    started = time.perf_counter()
    result = metrics.compute()
    return {**result, "seconds": seconds + time.perf_counter() - started}


def usual_way(n_maps: int, size: int) -> dict[str, float | None]:
    """Keep all maps, and sort them for each metric; then loop over thresholds and regions."""
    from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

    maps, masks = (np.stack(arrays) for arrays in zip(*draw_maps(n_maps, size), strict=True))
    started = time.perf_counter()
    scores, labels = maps.ravel(), masks.ravel()
    auroc, ap = roc_auc_score(labels, scores), average_precision_score(labels, scores)
    precision, recall, thresholds = precision_recall_curve(labels, scores)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    result = {"auroc": auroc, "ap": ap, "f1_max": f1.max(), "threshold": thresholds[np.argmax(f1)]}
    result["aupro"] = _aupro_of_thresholds(maps, masks)
    return {**result, "seconds": time.perf_counter() - started}


def _aupro_of_thresholds(maps: np.ndarray, masks: np.ndarray) -> float:
    """Integrate the mean overlap of regions up to an FPR of 0.3, at evenly spaced thresholds."""
    from skimage.measure import label, regionprops

    normal = masks == 0
    fprs, overlaps = [], []
    for threshold in np.linspace(maps.max(), maps.min(), _N_THRESHOLDS):
        called = maps >= threshold
        ratios = [
            called[index][tuple(region.coords.T)].mean()
            for index, mask in enumerate(masks)
            for region in regionprops(label(mask))
        ]
        fprs.append((called & normal).sum() / normal.sum())
        overlaps.append(np.mean(ratios))
    inside = np.array(fprs) < 0.3
    x, y = np.array(fprs)[inside], np.array(overlaps)[inside]
    return float(np.trapezoid(y, x) / x.max())


_WAYS = {"ours": our_way, "usual": usual_way}


def main() -> None:
    """Run both ways and print times, peak memory, ratios and the metrics of both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--n-maps", type=int, default=200)
    parser.add_argument("--size", type=int, default=518, help="height and width of a map in pixels")
    parser.add_argument("--way", choices=_WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        result = _WAYS[options.way](options.n_maps, options.size)
        result["gib"] = peak_memory_mib() / 1024
        print(json.dumps({key: None if value is None else float(value) for key, value in result.items()}))
        return
    print(f"{options.n_maps} maps of {options.size} x {options.size}")
    results = {}
    for way in _WAYS:
        command = [sys.executable, "-m", "bpfl_med.speed.metric_speed", "--way", way]
        command += ["--n-maps", str(options.n_maps), "--size", str(options.size)]
        results[way] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        print(f"{way:6s}", ", ".join(f"{key} {value:.6g}" for key, value in results[way].items()))
    ratios = {key: results["usual"][key] / results["ours"][key] for key in ("seconds", "gib")}
    print(f"ours is {ratios['seconds']:.1f} times as fast, with {1 / ratios['gib']:.2f} of the memory of the process")


if __name__ == "__main__":
    main()
