"""A table says our numbers, the published ones with their sources, and what must be said of both."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from bpfl_med.benchmark.comparison import Comparison, compare
from bpfl_med.benchmark.published import ImageCounts, Published, PublishedNumber
from bpfl_med.benchmark.run_result import read_results
from bpfl_med.benchmark.tables import as_json, csv_rows, latex, markdown, write_tables

AUPRO = (
    "AUPRO: ours is exact; others take a choice of thresholds and divide by another end point, so small "
    "differences say nothing."
)
NOTICE = "UNTRAINED prompts: 50 % luck_only."


def number(dataset: str, method: str, metric: str, value: float, *sources: str, note: str | None = None):
    return PublishedNumber(dataset, method, metric, value, sources, note)


PUBLISHED = Published(
    numbers=(
        number("heads", "New&Old", "image_auroc", 91.25, "B", note="run again by the source"),
        number("heads", "New&Old", "image_auroc", 90.0, "A", "B"),
        number("heads", "New&Old", "image_ap", 88.0, "A", "B"),
        number("heads", "First", "image_f1_max", 70.0, "A"),
        number("colons", "First", "pixel_aupro", 60.0, "A"),
        number("elsewhere", "Unseen", "image_auroc", 12.0, "Z"),
    ),
    sources={"A": "a table_1", "B": "a log", "Z": "not used"},
    methods=("First", "New&Old", "Unseen"),
    counts={
        "heads": (ImageCounts(2, 3, "the short list"), ImageCounts(4, 6, "all files")),
        "colons": (ImageCounts(0, 9, None),),
    },
    same_images={},
)


def write_report(
    folder: Path, dataset: str, counts: tuple[int, int], metrics: dict[str, float | None], **network: Any
) -> None:
    made = {"name": "Net", "backbone": {"name": "ViT"}, "caution": None, "notice": None, "n_samples": 10, "seed": 333}
    made |= network
    class_names = made.pop("class_names", [])
    n_normal, n_abnormal = counts
    pixel = any(name.startswith("pixel") for name in metrics)
    report = {
        "notice": made["notice"],
        "metrics": {"mean": metrics, "classes": dict.fromkeys(class_names, metrics)},
        "dataset": {
            "name": dataset,
            "n_images": sum(counts),
            "n_normal": n_normal,
            "n_abnormal": n_abnormal,
            "skipped": [],
        },
        "settings": {
            "image_score": "released",
            "top_k": 2000,
            "top_k_by_class": {"screw": 20},
            "smoothing_sigma": 8,
            "metrics": ["pixel"] if pixel else ["image"],
            "aupro_fpr_limit": 0.3,
        },
        "network": made,
    }
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text(json.dumps(report))


@pytest.fixture
def results(tmp_path: Path) -> Path:
    write_report(tmp_path / "a/heads", "heads", (4, 6), {"image_auroc": 0.8125, "image_ap": 0.5, "image_f1_max": 0.75})
    untrained = {"name": "Other", "caution": "UNTRAINED", "notice": NOTICE}
    write_report(tmp_path / "b/colons", "colons", (0, 5), {"image_auroc": None, "pixel_aupro": 0.25}, **untrained)
    return tmp_path


@pytest.fixture
def comparison(results: Path) -> Comparison:
    return compare(read_results(results), PUBLISHED)


def test_markdown(comparison):
    lines = markdown(comparison).splitlines()
    assert lines[0] == f"> **{NOTICE}**"
    assert "| Method | heads |" in lines
    image = lines[lines.index("| Method | heads |") + 2 :][:4]
    assert image == [
        "| **Net on ViT** | 81.2 / 75.0 / 50.0 |",
        "| First | - / 70.0 / - [A] |",
        "| New&Old | 91.2 / - / - [B, note 1]; 90.0 / - / 88.0 [A,B] |",
        "",
    ]
    pixel = lines[lines.index("| Method | colons |") + 2 :][:2]
    assert pixel == [
        "| **Other on ViT, UNTRAINED** | - / 25.0 / - / - |",
        "| First | - / 60.0 / - / - [A] |",
    ]
    for item in (
        "1: run again by the source.",
        "A: a table_1.",
        "B: a log.",
        "heads, Net on ViT: 10 images (4 normal, 6 abnormal); image score released (mean of the 2000 largest pixels; "
        "screw 20); n_samples 10; seed 333.",
        "colons, Other on ViT, UNTRAINED: 5 images (0 normal, 5 abnormal); image score released (mean of the 2000 "
        "largest pixels; screw 20); pixel metrics with sigma 8, AUPRO to FPR 0.3; n_samples 10; seed 333.",
    ):
        assert f"- {item}" in lines
    assert "Unseen" not in "".join(lines)


def test_protocols_that_differ_are_called_not_comparable(comparison):
    heads, colons, aupro = comparison.remarks
    assert aupro == AUPRO
    assert heads == (
        "heads: ours are of 10 images (4 normal, 6 abnormal; all files). Numbers of 5 (2 normal, 3 abnormal; the "
        "short list) are NOT COMPARABLE with them, and of most published ones it is not said which images they are of."
    )
    assert colons == (
        "colons: ours are of 5 images (0 normal, 5 abnormal), published ones of 9 (0 normal, 9 abnormal): "
        "NOT COMPARABLE."
    )
    for text in (markdown(comparison), latex(comparison), as_json(comparison)):
        assert heads in text
        assert colons in text


def test_the_same_images_need_no_remark_and_unknown_ones_get_one(tmp_path):
    write_report(tmp_path / "a/colons", "colons", (0, 9), {"pixel_aupro": 0.5})
    write_report(tmp_path / "a/new", "new", (1, 1), {"image_auroc": 0.5})
    write_report(tmp_path / "a/elsewhere", "elsewhere", (1, 1), {"image_auroc": 0.5})
    remarks = compare(read_results(tmp_path), PUBLISHED).remarks
    assert remarks == (
        "elsewhere: ours are of 2 images (1 normal, 1 abnormal); how many the published ones are of is not known to "
        "us.",
        "new: no published number is known to us.",
        AUPRO,
    )


def test_images_of_one_kind_are_not_those_of_published_image_metrics(tmp_path):
    write_report(tmp_path / "a", "elsewhere", (0, 5), {"pixel_auroc": 0.5})
    assert compare(read_results(tmp_path), PUBLISHED).remarks == (
        "elsewhere: ours are of 5 images (0 normal, 5 abnormal), published ones of normal and abnormal images: NOT "
        "COMPARABLE.",
    )


def test_the_protocol_tells_runs_with_other_weights_and_words_apart(tmp_path):
    made = {"checksum": "0123456789abcdef", "class_names": ["brain ct"]}
    write_report(tmp_path / "a", "heads", (4, 6), {"image_auroc": 0.5}, **made)
    protocol = compare(read_results(tmp_path), PUBLISHED).protocols[0]
    assert protocol.endswith("; seed 333; weights 0123456789ab; class name brain ct")


def test_as_many_images_of_another_split_are_not_the_same(tmp_path):
    write_report(tmp_path / "a/colons", "colons", (4, 5), {"pixel_aupro": 0.5})
    assert compare(read_results(tmp_path), PUBLISHED).remarks == (
        "colons: ours are of 9 images (4 normal, 5 abnormal), published ones of 9 (0 normal, 9 abnormal): "
        "NOT COMPARABLE.",
        AUPRO,
    )


def test_images_that_were_left_out_are_counted(results):
    path = results / "a/heads/metrics.json"
    report = json.loads(path.read_text())
    report["dataset"]["skipped"] = ["no/1.jpg", "yes/2.jpg"]
    path.write_text(json.dumps(report))
    assert compare(read_results(results), PUBLISHED).protocols[0].endswith("; seed 333; 2 images left out")


def test_a_metric_of_zero_is_a_number(tmp_path):
    write_report(tmp_path / "a/colons", "colons", (0, 9), {"pixel_aupro": 0.0, "pixel_ap": None})
    assert "| **Net on ViT** | - / 0.0 / - / - |" in markdown(compare(read_results(tmp_path), PUBLISHED))


def test_a_name_with_a_bar_does_not_end_its_cell(tmp_path):
    write_report(tmp_path / "a", "heads|necks", (4, 5), {"image_auroc": 0.5})
    assert r"| Method | heads\|necks |" in markdown(compare(read_results(tmp_path), PUBLISHED))


def test_latex(comparison):
    text = latex(comparison)
    lines = text.splitlines()
    assert r"\textbf{Net on ViT} & 81.2 / 75.0 / 50.0 \\" in lines
    assert r"New\&Old & 91.2 / - / - [B, note 1]; 90.0 / - / 88.0 [A,B] \\" in lines
    assert r"UNTRAINED prompts: 50 \% luck\_only." in text
    assert r"A: a table\_1." in text
    assert text.count(r"\begin{tabular}{lc}") == text.count(r"\end{tabular}") == 2
    depth = text.replace(r"\{", "").replace(r"\}", "")
    assert depth.count("{") == depth.count("}")


def test_csv_has_a_line_a_number_and_the_notice_beside_ours(comparison):
    rows = list(csv.DictReader(io.StringIO(csv_rows(comparison))))
    assert len(rows) == len(comparison.rows) == 4 + 5
    assert [row for row in rows if row["metric"] == "pixel_aupro"] == [
        {
            "dataset": "colons",
            "method": "Other on ViT, UNTRAINED",
            "is_ours": "True",
            "metric": "pixel_aupro",
            "value": "25",
            "lower": "",
            "upper": "",
            "source": "colons",
            "note": "",
            "notice": NOTICE,
        },
        {
            "dataset": "colons",
            "method": "First",
            "is_ours": "False",
            "metric": "pixel_aupro",
            "value": "60",
            "lower": "",
            "upper": "",
            "source": "A",
            "note": "",
            "notice": "",
        },
    ]


def test_all_four_files_are_written(comparison, tmp_path):
    paths = write_tables(comparison, tmp_path / "out")
    assert [path.name for path in paths] == ["table.md", "table.tex", "table.csv", "table.json"]
    assert json.loads(paths[3].read_text())["notices"] == [NOTICE]
    assert paths[0].read_text() == markdown(comparison)


def test_intervals_stand_beside_their_numbers(results):
    path = results / "b/colons/metrics.json"
    report = json.loads(path.read_text())
    report["intervals"] = {
        "confidence": 0.9,
        "n_resamples": 40,
        "mean": {"pixel_aupro": [0.125, 0.375], "pixel_ap": None},
    }
    path.write_text(json.dumps(report))
    comparison = compare(read_results(results), PUBLISHED)
    text = markdown(comparison)
    assert "| **Other on ViT, UNTRAINED** | - / 25.0 (12.5 to 37.5) / - / - |" in text
    assert text.count("In parentheses the bounds by the bootstrap over images.") == 1
    assert "n_samples 10; seed 333; 90 % intervals of 40 resamples." in text
    (row,) = [row for row in csv.DictReader(io.StringIO(csv_rows(comparison))) if row["lower"]]
    assert (row["metric"], row["value"], row["lower"], row["upper"]) == ("pixel_aupro", "25", "12.5", "37.5")


def test_two_results_of_one_network_on_one_set_are_refused(results):
    write_report(results / "c/heads", "heads", (4, 6), {"image_auroc": 0.9})
    with pytest.raises(ValueError, match=r"a/heads and .*c/heads both hold results of Net on ViT on heads; move one"):
        compare(read_results(results), PUBLISHED)


def test_nothing_to_compare_is_said(tmp_path):
    with pytest.raises(ValueError, match="There are no results to compare; run an evaluation first"):
        compare(read_results(tmp_path), PUBLISHED)


def test_another_programs_file_is_named(tmp_path):
    (tmp_path / "metrics.json").write_text('{"accuracy": 1}')
    with pytest.raises(ValueError, match=r"metrics.json is no report of an evaluation \(KeyError.*; move it away"):
        read_results(tmp_path)
