"""The metrics beside those of the released program (see ../shared/parity/README.md)."""

from pathlib import Path

import numpy as np
import pytest
import torch

from bpfl_med.metrics import PixelMetrics, image_metrics, image_scores, min_max, top_k_mean

FIXTURE = Path(__file__).parents[3] / "shared" / "parity" / "metrics_fixture.npz"
pytestmark = pytest.mark.skipif(not FIXTURE.exists(), reason=f"the released program's numbers are not at {FIXTURE}")


@pytest.fixture(scope="module")
def fixture() -> dict[str, np.ndarray]:
    with np.load(FIXTURE) as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def released(fixture: dict[str, np.ndarray]) -> dict[str, float]:
    return dict(zip(fixture["metric_names"].tolist(), fixture["metric_values"].tolist(), strict=True))


def maps_at(fixture: dict[str, np.ndarray], sigma: int) -> np.ndarray:
    return fixture[f"maps_sigma{sigma}" if sigma else "maps"]


def pixel_metrics(maps: np.ndarray, masks: np.ndarray) -> dict[str, float | None]:
    metrics = PixelMetrics()
    metrics.update(maps, masks)
    return metrics.compute()


@pytest.mark.parametrize("sigma", [0, 4, 8])
def test_pixel_metrics(fixture: dict[str, np.ndarray], released: dict[str, float], sigma: int):
    metrics = pixel_metrics(maps_at(fixture, sigma), fixture["masks"])
    assert metrics["auroc"] == pytest.approx(released[f"sigma{sigma}/pixel_auroc_px"], abs=1e-12)
    assert metrics["ap"] == pytest.approx(released[f"sigma{sigma}/pixel_ap_px"], abs=1e-12)
    assert metrics["f1_max"] == pytest.approx(released[f"sigma{sigma}/pixel_f1_px"], abs=1e-7)  # theirs adds 1e-8
    assert metrics["threshold"] == released[f"sigma{sigma}/pixel_best_threshold"]


def test_pixel_metrics_of_abnormal_images_alone(fixture: dict[str, np.ndarray], released: dict[str, float]):
    abnormal = fixture["labels"] == 1
    metrics = pixel_metrics(fixture["maps_sigma8"][abnormal], fixture["masks"][abnormal])
    assert metrics["auroc"] == pytest.approx(released["only_abnormal_sigma8/auroc_px"], abs=1e-12)
    assert metrics["ap"] == pytest.approx(released["only_abnormal_sigma8/ap_px"], abs=1e-12)
    image = image_metrics(fixture["fused_scores_2000"][abnormal], fixture["labels"][abnormal])
    assert set(image.values()) == {None}  # where the released program writes 0


@pytest.mark.parametrize("sigma", [0, 4, 8])
def test_overlap_at_the_released_thresholds(fixture: dict[str, np.ndarray], sigma: int):
    """A map that only says how many of the 200 thresholds lie below a pixel has the released points as its curve."""
    thresholds = fixture[f"pro_thresholds_sigma{sigma}"].astype(np.float32)
    levels = np.searchsorted(thresholds, maps_at(fixture, sigma)).astype(np.float32)
    normal = levels[fixture["masks"] == 0]
    fpr = np.array([0.0, *(np.mean(normal > i) for i in reversed(range(200))), 1.0])
    pro = np.array([0.0, *fixture[f"pro_values_sigma{sigma}"][::-1], 1.0])
    at_limit = np.interp(0.3, fpr, pro)
    inside = fpr < 0.3
    expected = np.trapezoid(np.append(pro[inside], at_limit), np.append(fpr[inside], 0.3)) / 0.3
    assert pixel_metrics(levels, fixture["masks"])["aupro"] == pytest.approx(expected, abs=1e-12)


def test_regions_are_counted_as_released(fixture: dict[str, np.ndarray]):
    for image, mask, n_regions in zip(fixture["maps"], fixture["masks"], fixture["n_regions"], strict=True):
        metrics = PixelMetrics()
        metrics.update(image, mask)
        assert metrics.state()["n_regions"] == n_regions


@pytest.mark.parametrize("k", [20, 2000])
def test_image_scores_and_metrics(fixture: dict[str, np.ndarray], released: dict[str, float], k: int):
    maps, text = torch.from_numpy(fixture["maps"]), torch.from_numpy(fixture["text_scores"])
    means = top_k_mean(maps, k)
    scores = image_scores("released", text_scores=text, map_maxima=maps.amax((-2, -1)), top_k_means=means)
    np.testing.assert_allclose(means, fixture[f"topk_mean_{k}"], atol=1e-6)
    np.testing.assert_allclose(min_max(means), fixture[f"topk_minmax_{k}"], atol=1e-5)
    np.testing.assert_allclose(scores, fixture[f"fused_scores_{k}"], atol=1e-5)
    metrics = image_metrics(scores, fixture["labels"])
    assert metrics["auroc"] == pytest.approx(released[f"topk{k}/image_auroc_sp"], abs=1e-12)
    assert metrics["ap"] == pytest.approx(released[f"topk{k}/image_ap_sp"], abs=1e-12)
    assert metrics["f1_max"] == pytest.approx(released[f"topk{k}/image_f1_sp"], abs=2e-6)  # theirs adds 1e-6


def test_text_score_alone(fixture: dict[str, np.ndarray], released: dict[str, float]):
    text = torch.from_numpy(fixture["text_scores"])
    np.testing.assert_allclose(min_max(text), fixture["text_minmax"], atol=1e-7)
    for scores in (image_scores("text", text_scores=text, map_maxima=text, top_k_means=text), min_max(text)):
        metrics = image_metrics(scores, fixture["labels"])
        assert metrics["auroc"] == pytest.approx(released["textonly/image_auroc_sp"], abs=1e-12)
        assert metrics["ap"] == pytest.approx(released["textonly/image_ap_sp"], abs=1e-12)
        assert metrics["f1_max"] == pytest.approx(released["textonly/image_f1_sp"], abs=1e-12)
