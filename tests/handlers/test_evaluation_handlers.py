"""Metrics of a real evaluation are those that scikit-learn computes of the per-image table and of the maps."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from ignite.engine import Events
from scipy.ndimage import gaussian_filter
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from bpfl_med.handlers import AnomalyEvaluation, EvaluationReport
from bpfl_med.metrics import top_k_mean
from bpfl_med.networks.compute_settings import ComputeSettings


def handlers(folder: Path, network, *, items=(), skipped=(), **changes) -> list:
    settings = {"protocol": "released", "metrics": ["image", "pixel"], "top_k": 20, "smoothing_sigma": 2, **changes}
    evaluation = AnomalyEvaluation(**settings)
    report = EvaluationReport(
        folder,
        dataset_name="phantoms",
        items=items,
        network=network.provenance,
        settings=evaluation.settings,
        skipped=skipped,
    )
    return [evaluation, report]


def read_table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def read_metrics(folder: Path) -> dict:
    """Give the metrics of each class, and under "mean" their mean."""
    metrics = json.loads((folder / "metrics.json").read_text())["metrics"]
    return {"mean": metrics["mean"], **metrics["classes"]}


def reference(scores: np.ndarray, labels: np.ndarray) -> list[float]:
    precision, recall, _ = precision_recall_curve(labels, scores)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return [roc_auc_score(labels, scores), average_precision_score(labels, scores), f1.max()]


class KeepMaps:
    """Keep maps and masks of an evaluation as arrays."""

    def __init__(self) -> None:
        self.maps: list[np.ndarray] = []
        self.masks: list[np.ndarray] = []

    def attach(self, engine) -> None:
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._keep)

    def _keep(self, engine) -> None:
        for item, output in zip(engine.state.batch, engine.state.output, strict=True):
            self.maps.append(output["pred"]["anomaly_map"][0].numpy())
            self.masks.append(item["mask"][0].numpy())


@pytest.mark.parametrize("sigma", [0, 2])
def test_metrics_equal_scikit_learns(evaluate, network, items, report_folder, sigma):
    kept = KeepMaps()
    evaluator = evaluate(network, items, [*handlers(report_folder, network, smoothing_sigma=sigma), kept])
    metrics, rows = read_metrics(report_folder), read_table(report_folder / "images.csv")
    assert metrics.keys() == {"mean", "brain", "liver"}
    expected = {}
    for name in ("brain", "liver"):
        mine = [index for index, row in enumerate(rows) if row["class_name"] == name]
        scores, labels = ([float(rows[i][key]) for i in mine] for key in ("anomaly_score", "label"))
        maps = np.stack([kept.maps[i] if sigma == 0 else gaussian_filter(kept.maps[i], sigma) for i in mine])
        masks = np.stack([kept.masks[i] for i in mine])
        image = reference(np.array(scores), np.array(labels))
        expected[name] = [*image, *reference(maps.ravel(), masks.ravel())]
        ours = [metrics[name][f"{kind}_{key}"] for kind in ("image", "pixel") for key in ("auroc", "ap", "f1_max")]
        np.testing.assert_allclose(ours, expected[name], atol=1e-9)
    keys = ("image_auroc", "image_ap", "image_f1_max", "pixel_auroc", "pixel_ap", "pixel_f1_max")
    mean = np.mean(list(expected.values()), axis=0)
    np.testing.assert_allclose([metrics["mean"][key] for key in keys], mean, atol=1e-9)
    np.testing.assert_allclose([evaluator.state.metrics[key] for key in keys], mean, atol=1e-9)


def test_thresholds_belong_to_a_class_and_have_no_mean(evaluate, network, items, report_folder):
    evaluate(network, items, handlers(report_folder, network))
    metrics = read_metrics(report_folder)
    assert {"image_threshold", "pixel_threshold"} == metrics["brain"].keys() - metrics["mean"].keys()
    table = {row["class_name"]: row for row in read_table(report_folder / "metrics.csv")}
    assert list(table) == ["brain", "liver", "mean"]
    assert table["mean"]["image_threshold"] == ""
    for name, row in table.items():
        assert {key: float(row[key]) for key in metrics[name]} == metrics[name]


def min_max(values: np.ndarray) -> np.ndarray:
    return (values - values.min()) / (values.max() - values.min() + 1e-8)


@pytest.mark.parametrize("protocol", ["paper", "released", "text"])
def test_scores_are_fused_by_the_protocol_within_each_class(evaluate, network, items, report_folder, protocol):
    evaluate(network, items, handlers(report_folder, network, protocol=protocol))
    rows = read_table(report_folder / "images.csv")
    for name in ("brain", "liver"):
        mine = [row for row in rows if row["class_name"] == name]
        keys = ("text_score", "map_max", "map_top_k_mean", "anomaly_score")
        text, maximum, top_k, score = np.array([[float(row[key]) for key in keys] for row in mine]).T
        fused = {"paper": text + maximum, "released": (min_max(text) + min_max(top_k)) / 2, "text": text}
        np.testing.assert_allclose(score, fused[protocol], atol=1e-9)
    assert json.loads((report_folder / "metrics.json").read_text())["settings"]["image_score"] == protocol


def test_a_row_tells_what_the_network_predicts_for_that_image(evaluate, network, items, report_folder):
    kept = KeepMaps()
    evaluate(network, items, [*handlers(report_folder, network), kept])
    rows = read_table(report_folder / "images.csv")
    assert [row["image"] for row in rows] == [item["image"] for item in items]
    assert [(int(row["index"]), int(row["label"])) for row in rows] == [(i, x["label"]) for i, x in enumerate(items)]
    maps = torch.tensor(np.stack(kept.maps))
    ours = np.array([[float(row[key]) for key in ("map_max", "map_mean", "map_top_k_mean")] for row in rows])
    expected = torch.stack([maps.amax((1, 2)), maps.mean((1, 2)), top_k_mean(maps, 20)], dim=1)
    np.testing.assert_allclose(ours, expected, atol=1e-6)


def test_a_class_may_have_its_own_number_of_largest_pixels(evaluate, network, items, report_folder):
    kept = KeepMaps()
    changed = handlers(report_folder, network, top_k=20, top_k_by_class={"liver": 3})
    evaluate(network, items, [*changed, kept])
    for row, anomaly_map in zip(read_table(report_folder / "images.csv"), kept.maps, strict=True):
        n_pixels = 3 if row["class_name"] == "liver" else 20
        expected = np.sort(anomaly_map.ravel())[-n_pixels:].mean()
        np.testing.assert_allclose(float(row["map_top_k_mean"]), expected, atol=1e-6)


def test_the_report_says_how_scores_were_made(evaluate, network, items, report_folder):
    evaluate(network, items, handlers(report_folder, network, top_k_by_class={"liver": 3}))
    report = json.loads((report_folder / "metrics.json").read_text())
    assert report["settings"] == {
        "image_score": "released",
        "top_k": 20,
        "top_k_by_class": {"liver": 3},
        "smoothing_sigma": 2,
        "metrics": ["image", "pixel"],
        "aupro_fpr_limit": 0.3,
    }
    assert report["intervals"] is None
    assert (report["network"]["n_samples"], report["network"]["seed"]) == (2, 333)


def test_how_it_was_computed_is_told_beside_the_report(evaluate, network, items, report_folder, monkeypatch):
    """Another library changes the rounding and no more, so a report stays as it was."""
    both = handlers(report_folder, network)
    evaluate(network, items, both)
    told = json.loads((report_folder / "run.json").read_text())["computed_by"]
    assert told == network.backbone.computed_by
    monkeypatch.setattr(network.backbone, "compute_settings", ComputeSettings(linear_kernel="convolution"))
    assert network.backbone.computed_by != told
    _, again = handlers(report_folder, network)
    assert again.description == both[1].description


def test_only_abnormal_images_leave_image_metrics_undefined(evaluate, network, items, report_folder):
    evaluator = evaluate(network, [x for x in items if x["label"]], handlers(report_folder, network))
    metrics = read_metrics(report_folder)
    for name in ("brain", "liver", "mean"):
        assert metrics[name]["image_auroc"] is None
        assert 0 < metrics[name]["pixel_auroc"] < 1
    assert "image_auroc" not in evaluator.state.metrics
    assert "NaN" not in (report_folder / "metrics.json").read_text()
    assert read_table(report_folder / "metrics.csv")[0]["image_auroc"] == ""


def test_the_mean_is_over_classes_that_define_a_metric(evaluate, network, items, report_folder):
    some = [item for item in items if item["class_name"] == "brain" or item["label"]]
    evaluate(network, some, handlers(report_folder, network))
    metrics = read_metrics(report_folder)
    assert metrics["liver"]["image_ap"] is None
    assert metrics["mean"]["image_ap"] == metrics["brain"]["image_ap"]


def test_image_metrics_need_no_masks(evaluate, network, items, report_folder):
    bare = [{key: item[key] for key in ("image", "label", "class_name")} for item in items]
    evaluate(network, bare, handlers(report_folder, network, metrics=["image"], protocol="text"))
    assert all(key.startswith("image_") for metrics in read_metrics(report_folder).values() for key in metrics)


def test_the_report_counts_images_and_lists_the_skipped(evaluate, network, items, report_folder):
    skipped = [{"image": "bad.png", "reason": "bad.png is broken"}]
    evaluate(network, items, handlers(report_folder, network, items=items, skipped=skipped))
    dataset = json.loads((report_folder / "metrics.json").read_text())["dataset"]
    assert len(dataset.pop("checksum")) == 64
    assert dataset == {"name": "phantoms", "n_images": 12, "n_normal": 6, "n_abnormal": 6, "skipped": skipped}


def test_the_notice_stands_wherever_numbers_do(evaluate, network, items, report_folder):
    evaluate(network, items, handlers(report_folder, network))
    report = json.loads((report_folder / "metrics.json").read_text())
    assert report["notice"] == report["network"]["notice"] == network.notice
    assert network.notice.startswith("UNTRAINED CLIP backbone and prompts")
    for name in ("metrics.csv", "images.csv"):
        assert {row["notice"] for row in read_table(report_folder / name)} == {network.notice}


def test_a_trained_network_needs_no_notice(evaluate, trained_network, items, report_folder):
    evaluate(trained_network, items, handlers(report_folder, trained_network))
    assert json.loads((report_folder / "metrics.json").read_text())["notice"] is None
    for name in ("metrics.csv", "images.csv"):
        assert "notice" not in read_table(report_folder / name)[0]


FILES = ("metrics.json", "metrics.csv", "images.csv")


@pytest.mark.parametrize("changes", [{}, {"num_workers": 2}, {"n_runs": 2}])
def test_the_same_run_gives_the_same_bytes(evaluate, network, items, tmp_path, changes):
    evaluate(network, items, handlers(tmp_path / "a", network))
    evaluate(network, items, handlers(tmp_path / "b", network), **changes)
    for name in FILES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_report_of_other_settings_is_replaced_and_said(evaluate, network, items, tmp_path, caplog):
    for sigma, told in [(2, False), (2, False), (0, True)]:
        caplog.clear()
        evaluate(network, items, handlers(tmp_path, network, smoothing_sigma=sigma))
        said = [record.message for record in caplog.records if record.levelname == "WARNING"]
        assert bool(said) == told
    assert "holds a report of other settings (settings.smoothing_sigma was 2, is now 0); it is replaced" in said[0]


def test_the_batch_size_does_not_matter(evaluate, network, items, tmp_path):
    for batch_size in (1, 5):
        evaluate(network, items, handlers(tmp_path / str(batch_size), network), batch_size=batch_size)
    one, five = (read_table(tmp_path / name / "images.csv") for name in ("1", "5"))
    for key in ("text_score", "text_score_std", "map_max", "map_mean", "uncertainty_mean"):
        np.testing.assert_allclose(*([float(row[key]) for row in rows] for rows in (one, five)), atol=1e-5)


def test_nan_weights_stop_at_the_first_image(evaluate, network, items, report_folder):
    network.text_score.image_projection.bias.data.fill_(float("nan"))
    with pytest.raises(ValueError, match=rf"answer to {items[0]['image']} holds NaN or infinity; check the files of"):
        evaluate(network, items, handlers(report_folder, network, metrics=["image"]), batch_size=1)


@pytest.mark.parametrize("metrics", [["image", "voxel"], ["voxel"]])
def test_unknown_kinds_of_metrics_are_refused(metrics):
    with pytest.raises(ValueError, match=r"metrics must name 'image', 'pixel', both or none, got \["):
        AnomalyEvaluation(protocol="text", metrics=metrics, top_k=1, smoothing_sigma=0)


def test_an_unknown_protocol_is_refused_at_once():
    with pytest.raises(ValueError, match=r"score_protocol must be one of paper, released, text, image, got 'max'"):
        AnomalyEvaluation(protocol="max", metrics=["image"], top_k=1, smoothing_sigma=0)


def test_a_second_evaluation_forgets_the_first(evaluate, network, items):
    evaluation = AnomalyEvaluation(protocol="paper", metrics=["pixel"], top_k=20, smoothing_sigma=0)
    evaluator = evaluate(network, items[:4], [evaluation])
    n_pixels = {name: len(pixels._normal) for name, pixels in evaluation.pixels.items()}
    evaluator.run()
    assert {name: len(pixels._normal) for name, pixels in evaluation.pixels.items()} == n_pixels
