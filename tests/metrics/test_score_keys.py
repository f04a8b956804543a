import numpy as np

from bpfl_med.metrics.score_keys import keys_to_scores, scores_to_keys


def test_keys_fall_as_scores_rise_over_the_whole_range():
    limits = np.finfo(np.float32)
    scores = np.array(
        [limits.min, -2.0, -1.0, -limits.smallest_subnormal, 0.0, limits.smallest_subnormal, 0.5, 1.0, limits.max],
        dtype=np.float32,
    )
    keys = scores_to_keys(scores)
    assert keys.dtype == np.uint32
    assert np.all(np.diff(keys.astype(np.int64)) < 0)
    np.testing.assert_array_equal(keys_to_scores(keys), scores)


def test_neighbouring_floats_have_neighbouring_keys():
    scores = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    above = np.nextafter(scores, np.float32(np.inf))
    np.testing.assert_array_equal(scores_to_keys(scores) - np.uint32(1), scores_to_keys(above))


def test_both_zeros_are_one_score():
    assert scores_to_keys(np.float32([-0.0])) == scores_to_keys(np.float32([0.0]))
