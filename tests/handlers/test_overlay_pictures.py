"""Overlay pictures are spread over the data set and carry mask, outline and notice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bpfl_med.handlers import OverlayPictures, overlay_pictures


@pytest.mark.parametrize(("n_pictures", "expected"), [(24, range(6)), (3, [0, 2, 4]), (1, [0]), (0, [])])
def test_pictures_are_spread_evenly(evaluate, network, items, tmp_path, n_pictures, expected):
    (tmp_path / "overlays").mkdir()
    for number in (1, 7):
        (tmp_path / f"overlays/{number:05d}.png").touch()  # of an earlier run
    handler = OverlayPictures(tmp_path, n_images=6, n_pictures=n_pictures, threshold=0.5, notice=None)
    evaluate(network, items[:6], [handler])
    names = sorted(path.name for path in tmp_path.glob("overlays/*"))
    assert names == [f"{number:05d}.png" for number in expected]


@pytest.fixture
def drawn(monkeypatch) -> list[dict]:
    """What is asked of `panels_picture`, without drawing it."""
    calls: list[dict] = []

    def draw(panels, *, title, footer):
        calls.append({"panels": panels, "title": title, "footer": footer})
        return Image.new("L", (4, 4))

    monkeypatch.setattr(overlay_pictures, "panels_picture", draw)
    return calls


def test_every_picture_carries_the_notice(evaluate, network, items, tmp_path, drawn):
    handler = OverlayPictures(tmp_path, n_images=len(items), n_pictures=3, threshold=0.5, notice=network.notice)
    evaluate(network, items, [handler])
    assert [call["footer"] for call in drawn] == [network.notice] * 3


def test_a_trained_network_has_no_footer(evaluate, trained_network, items, tmp_path, drawn):
    handler = OverlayPictures(tmp_path, n_images=1, n_pictures=1, threshold=0.5, notice=trained_network.notice)
    evaluate(trained_network, items[:1], [handler])
    assert [call["footer"] for call in drawn] == [None]


def test_mask_and_map_lie_on_the_picture(evaluate, network, items, tmp_path, drawn, monkeypatch):
    monkeypatch.setattr(overlay_pictures, "_PANEL_PIXELS", 48)  # the map's own, so that nothing is resized
    abnormal = [item for item in items if item["label"]][:1]
    handler = OverlayPictures(tmp_path, n_images=1, n_pictures=1, threshold=0.5, notice=None)
    evaluator = evaluate(network, abnormal, [handler])
    image, anomaly_map, uncertainty = drawn[0]["panels"]
    name = Path(abnormal[0]["image"]).name
    assert drawn[0]["title"].startswith(f"brain, labelled abnormal\n{name}: text score 0.")
    assert ", map maximum 0." in drawn[0]["title"]
    expected = np.asarray(Image.open(abnormal[0]["mask"]).resize((48, 48), Image.Resampling.BILINEAR)) > 127
    np.testing.assert_array_equal(image.true_outline, expected)
    np.testing.assert_array_equal(anomaly_map.true_outline, expected)
    prediction = evaluator.state.output[0]["pred"]
    np.testing.assert_allclose(anomaly_map.overlay, prediction["anomaly_map"][0], atol=1e-6)
    np.testing.assert_array_equal(anomaly_map.outline, prediction["anomaly_map"][0] > 0.5)
    np.testing.assert_allclose(uncertainty.overlay, prediction["uncertainty"][0], atol=1e-6)


def test_an_oblong_picture_keeps_its_shape(evaluate, network, items, tmp_path, drawn):
    Image.new("L", (480, 160)).save(tmp_path / "a.png")
    handler = OverlayPictures(tmp_path, n_images=1, n_pictures=1, threshold=0.5, notice=None)
    evaluate(network, [{"image": str(tmp_path / "a.png"), "class_name": "spine"}], [handler])
    image, anomaly_map, _ = drawn[0]["panels"]
    assert image.image.size == (320, 107)
    assert anomaly_map.overlay.shape == (107, 320)
    assert image.true_outline is None
    assert drawn[0]["title"].startswith("spine\na.png: text score")


def test_a_second_run_draws_the_same_pictures(evaluate, network, items, tmp_path):
    handler = OverlayPictures(tmp_path, n_images=3, n_pictures=3, threshold=0.5, notice=None)
    evaluate(network, items[:3], [handler], n_runs=2)
    assert len(list(tmp_path.glob("overlays/*"))) == 3


def test_never_more_pictures_than_asked_for(tmp_path):
    handler = OverlayPictures(tmp_path, n_images=7, n_pictures=3, threshold=0.5, notice=None)
    assert list(handler.drawn) == [0, 3, 6]
