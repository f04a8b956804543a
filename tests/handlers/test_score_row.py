"""Each score of an image stands in the column of its name."""

from __future__ import annotations

import pytest
import torch

from bpfl_med.handlers.score_row import score_row

ITEM = {"image_path": "a.png", "class_name": "brain"}
PREDICTION = {
    "anomaly_map": torch.tensor([[[0.1, 0.2], [0.3, 0.8]]]),
    "uncertainty": torch.tensor([[[0.01, 0.02], [0.03, 0.06]]]),
    "text_score": torch.tensor(0.7),
    "score_std": torch.tensor(0.05),
}


def test_each_score_stands_in_its_column():
    assert score_row(4, ITEM, PREDICTION, top_k=2) == {
        "index": 4,
        "image": "a.png",
        "class_name": "brain",
        "text_score": pytest.approx(0.7),
        "text_score_std": pytest.approx(0.05),
        "map_max": pytest.approx(0.8),
        "map_top_k_mean": pytest.approx(0.55),
        "map_mean": pytest.approx(0.35),
        "uncertainty_mean": pytest.approx(0.03),
    }


@pytest.mark.parametrize("field", PREDICTION)
def test_an_answer_that_is_no_number_is_refused(field):
    broken = {**PREDICTION, field: PREDICTION[field] * torch.nan}
    with pytest.raises(ValueError, match=r"The network's answer to a\.png holds NaN or infinity"):
        score_row(0, ITEM, broken, top_k=2)
