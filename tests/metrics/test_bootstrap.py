import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from bpfl_med.metrics import (
    BootstrapIntervals,
    draw_images,
    image_metrics,
    mean_resamples,
    percentile_intervals,
    resampled,
)
from bpfl_med.metrics.bootstrap import Resamples


def images(n: int = 120) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = (np.arange(n) % 3 == 0).astype(int)
    return rng.normal(size=n) + labels, labels


def resampled_metrics(scores, labels, *, rng: np.random.Generator, n_resamples: int) -> Resamples:
    score, label = np.array(scores), np.array(labels)
    draws = draw_images(score.size, n_resamples=n_resamples, rng=rng)
    return resampled(lambda draw: image_metrics(score[draw], label[draw]), draws)


def bootstrap_intervals(
    scores, labels, *, rng: np.random.Generator, n_resamples: int = 1000, confidence: float = 0.95
) -> BootstrapIntervals:
    resamples = resampled_metrics(scores, labels, rng=rng, n_resamples=n_resamples)
    return percentile_intervals(resamples, confidence=confidence)


def test_agrees_with_scipy():
    scores, labels = images()
    ours = bootstrap_intervals(scores, labels, rng=np.random.default_rng(1), n_resamples=2000, confidence=0.9)
    theirs = stats.bootstrap(
        (scores, labels),
        lambda score, label: roc_auc_score(label, score),
        paired=True,
        vectorized=False,
        method="percentile",
        n_resamples=1000,
        confidence_level=0.9,
        rng=np.random.default_rng(2),
    ).confidence_interval
    assert ours.n_skipped == 0
    assert ours.bounds["auroc"] == pytest.approx((theirs.low, theirs.high), abs=0.01)
    for name, value in image_metrics(scores, labels).items():
        low, high = ours.bounds[name]
        assert low <= value <= high


def test_the_same_seed_gives_the_same_bounds():
    first, again = (bootstrap_intervals(*images(), rng=np.random.default_rng(3), n_resamples=50) for _ in range(2))
    assert first == again
    assert first != bootstrap_intervals(*images(), rng=np.random.default_rng(4), n_resamples=50)


def test_resamples_with_one_class_are_skipped_and_counted():
    n_resamples = 4000
    result = bootstrap_intervals([0.1, 0.2, 0.9], [0, 0, 1], rng=np.random.default_rng(0), n_resamples=n_resamples)
    share = (2**3 + 1) / 3**3
    assert result.n_skipped / n_resamples == pytest.approx(share, abs=0.03)
    assert result.bounds["auroc"] == (1.0, 1.0)


def test_one_class_has_no_bounds():
    result = bootstrap_intervals([0.1, 0.2], [1, 1], rng=np.random.default_rng(0), n_resamples=10)
    assert result == (dict.fromkeys(["auroc", "ap", "f1_max", "threshold"]), 10)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_resamples": 0}, "needs at least 1 resample, got 0"),
        ({"confidence": 95}, "must lie between 0 and 1, got 95"),
    ],
)
def test_refuses_settings_that_cannot_work(settings: dict, message: str):
    with pytest.raises(ValueError, match=message):
        bootstrap_intervals(*images(), rng=np.random.default_rng(0), **settings)


def test_the_mean_of_classes_is_resampled_within_each():
    rng = np.random.default_rng(5)
    parts = {name: resampled_metrics(*images(n), rng=rng, n_resamples=20) for name, n in (("a", 60), ("b", 90))}
    mean = mean_resamples(parts)
    np.testing.assert_allclose(mean["auroc"], (parts["a"]["auroc"] + parts["b"]["auroc"]) / 2)


def test_a_class_that_defines_nothing_has_no_part_in_the_mean():
    rng = np.random.default_rng(5)
    defined = resampled_metrics(*images(), rng=rng, n_resamples=5)
    undefined = resampled_metrics([0.1, 0.2], [1, 1], rng=rng, n_resamples=5)
    np.testing.assert_array_equal(mean_resamples({"a": defined, "b": undefined})["ap"], defined["ap"])
    assert percentile_intervals(mean_resamples({"b": undefined}), confidence=0.9).bounds["ap"] is None


def test_the_resamples_left_out_are_those_of_the_metric_that_misses_most():
    resamples = {"pixel_ap": np.array([np.nan, np.nan, 0.5]), "image_ap": np.array([0.1, 0.2, np.nan])}
    assert percentile_intervals(resamples, confidence=0.9).n_skipped == 2
