"""Intervals are those of scikit-learn's metrics over the same draws of images."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from bpfl_med.handlers import AnomalyEvaluation, ConfidenceIntervals, EvaluationJournal
from bpfl_med.metrics import PixelMetrics, draw_images

N_RESAMPLES, SEED = 60, 5


def handlers(folder, items, metrics) -> list:
    evaluation = AnomalyEvaluation(protocol="paper", metrics=metrics, top_k=20, smoothing_sigma=1)
    journal = EvaluationJournal(folder, evaluation=evaluation, settings={}, n_images=len(items), batch_size=4)
    drawn = {"n_resamples": N_RESAMPLES, "seed": SEED}
    return [evaluation, journal, ConfidenceIntervals(evaluation=evaluation, journal=journal, **drawn)]


def test_progress_of_other_packages_is_not_gone_on_with(evaluate, network, items, tmp_path, monkeypatch):
    evaluate(network, items, handlers(tmp_path, items, ["image"])[:2], batch_size=4)
    monkeypatch.setattr("bpfl_med.handlers.evaluation_journal.package_versions", lambda *_: {"torch": "another"})
    with pytest.raises(ValueError, match=r"progress of an unfinished run with other settings .*another"):
        handlers(tmp_path, items, ["image"])


@pytest.fixture
def run(evaluate, network, items, tmp_path):
    def evaluate_items(chosen=items, metrics=("image", "pixel")):
        made = handlers(tmp_path, chosen, metrics)
        evaluator = evaluate(network, chosen, made, batch_size=4)
        return evaluator.state.evaluation, list(made[1].records())

    return evaluate_items


def bounds(values: list[float]) -> np.ndarray:
    return np.nanquantile(values, [0.025, 0.975])


def test_image_intervals(run):
    evaluation, _ = run()
    means = []
    for place, name in enumerate(("brain", "liver")):
        rows = [row for row in evaluation.rows if row["class_name"] == name]
        scores, labels = (np.array([row[key] for row in rows]) for key in ("anomaly_score", "label"))
        draws = draw_images(len(rows), n_resamples=N_RESAMPLES, rng=np.random.default_rng([SEED, place]))
        values = [roc_auc_score(labels[d], scores[d]) if 0 < labels[d].sum() < d.size else np.nan for d in draws]
        np.testing.assert_allclose(evaluation.intervals["classes"][name]["image_auroc"], bounds(values), atol=1e-12)
        assert evaluation.intervals["n_skipped"][name] == np.isnan(values).sum()
        means.append(values)
    assert sum(evaluation.intervals["n_skipped"].values()) > 0
    expected = bounds(np.nanmean(means, axis=0))
    np.testing.assert_allclose(evaluation.intervals["mean"]["image_auroc"], expected, atol=1e-12)
    described = {key: evaluation.intervals[key] for key in ("n_resamples", "seed", "confidence")}
    assert described == {"n_resamples": N_RESAMPLES, "seed": SEED, "confidence": 0.95}


def test_pixel_intervals(run):
    """Against all pixels of each draw, so the histograms cost less than 0.001 of each bound."""
    evaluation, records = run()
    for place, name in enumerate(("brain", "liver")):
        mine = [record.pixels for record in records if record.row["class_name"] == name]
        draws = draw_images(len(mine), n_resamples=N_RESAMPLES, rng=np.random.default_rng([SEED, place]))
        exact = {"auroc": [], "ap": [], "aupro": []}
        for draw in draws:
            scores, masks = (np.concatenate([mine[i][part] for i in draw]) for part in (0, 1))
            metrics = PixelMetrics()
            metrics.update(scores, masks)
            found = metrics.compute()
            if masks.any():
                assert found["auroc"] == pytest.approx(roc_auc_score(masks.ravel(), scores.ravel()), abs=1e-9)
                assert found["ap"] == pytest.approx(average_precision_score(masks.ravel(), scores.ravel()), abs=1e-9)
            for key, values in exact.items():
                values.append(np.nan if found[key] is None else found[key])
        for key, values in exact.items():
            np.testing.assert_allclose(evaluation.intervals["classes"][name][f"pixel_{key}"], bounds(values), atol=1e-3)


def test_only_abnormal_images_have_pixel_intervals_alone(run, items):
    evaluation, _ = run([item for item in items if item["label"]])
    assert evaluation.intervals["mean"]["image_auroc"] is None
    low, high = evaluation.intervals["mean"]["pixel_ap"]
    assert low < evaluation.mean["pixel_ap"] < high
    assert not any("threshold" in name for name in evaluation.intervals["mean"])


def test_intervals_of_nothing_are_refused(tmp_path):
    evaluation = AnomalyEvaluation(protocol="paper", metrics=[], top_k=20, smoothing_sigma=1)
    with pytest.raises(ValueError, match="bootstrap_resamples must be at least 0, and 0 where metrics names none to"):
        ConfidenceIntervals(evaluation=evaluation, journal=None, n_resamples=9, seed=1)
