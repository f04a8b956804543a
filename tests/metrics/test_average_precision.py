import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

from bpfl_med.metrics import average_precision, image_metrics


@pytest.mark.parametrize("n_levels", [2, 5, 10**6])
@pytest.mark.parametrize("seed", range(5))
def test_equals_scikit_learn(seed: int, n_levels: int):
    rng = np.random.default_rng(seed)
    mask = rng.integers(2, size=(1, 9, 14))
    scores = ((rng.integers(n_levels, size=mask.shape) + mask * (n_levels // 4)) / n_levels).astype(np.float32)
    found = average_precision(torch.from_numpy(scores), torch.from_numpy(mask))
    assert found == pytest.approx(average_precision_score(mask.ravel(), scores.ravel()), abs=1e-12)
    assert found == pytest.approx(image_metrics(scores.ravel(), mask.ravel())["ap"], abs=1e-12)


def test_a_mask_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"one shape, got \(1, 4, 4\) and \(4,\)"):
        average_precision(torch.rand(1, 4, 4), torch.ones(4, dtype=torch.bool))


@pytest.mark.parametrize("value", [0, 1])
def test_one_kind_of_pixels_defines_nothing(value: int):
    assert average_precision(torch.rand(1, 4, 4), torch.full((1, 4, 4), value, dtype=torch.uint8)) is None
