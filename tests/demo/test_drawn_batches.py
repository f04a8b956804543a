"""Batches of drawn pictures depend on seed and number alone, and say which patches are damaged."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from bpfl_med.demo.damage_types import DAMAGES
from bpfl_med.demo.drawn_batches import DrawnBatches, patch_shares
from bpfl_med.demo.kinds import TRAINING_KINDS, TRAINING_THINGS


@pytest.fixture
def batches() -> DrawnBatches:
    return DrawnBatches(n_batches=3, n_pairs=4, size=48, patch_size=8, seed=2)


def test_a_batch_depends_on_seed_and_number_alone(batches):
    first = batches[1]
    batches[0]
    again = DrawnBatches(n_batches=9, n_pairs=4, size=48, patch_size=8, seed=2)[1]
    assert torch.equal(first.images, again.images)
    assert first.captions == again.captions
    assert first.plain_captions == again.plain_captions
    other = DrawnBatches(n_batches=3, n_pairs=4, size=48, patch_size=8, seed=3)[1]
    assert not torch.equal(first.images, other.images)


def test_pairs_by_turns_flawless_and_damaged(batches):
    batch = batches[0]
    assert len(batches) == 3
    assert batch.images.shape == (8, 3, 48, 48)
    assert batch.damaged.shape == (8, 36)
    assert not batch.damaged[::2].any()
    assert batch.damaged[1::2].amax(1).min() > 0
    changed = (batch.images[1::2] - batch.images[::2]).abs().amax((1, 2, 3))
    assert (changed > 0.02).all()


def test_a_topic_is_a_kind_without_or_with_damage(batches):
    kinds = list(TRAINING_KINDS)
    for batch in (batches[0], batches[1], batches[2]):
        for caption, topic in zip(batch.captions, batch.topics.tolist(), strict=True):
            if topic >= 2:
                assert kinds[topic // 2 - 1] in caption
        assert (batch.topics[::2] % 2 == 0).all()
        assert (batch.topics[1::2] == batch.topics[::2] + 1).all()


def test_three_quarters_of_a_batch_are_body_parts_and_the_hard_ones_come_more_often():
    batches = DrawnBatches(n_batches=2, n_pairs=24, size=48, patch_size=8, seed=2)
    topics = torch.cat([batches[i].topics[::2] for i in range(2)]).tolist()
    named = Counter(list(TRAINING_KINDS)[topic // 2 - 1] for topic in topics if topic >= 2)
    assert 0 < sum(named[name] for name in TRAINING_THINGS) <= 2 * 6
    most = {"body section": 5, "angiogram": 4}
    for name in TRAINING_KINDS:
        assert named[name] <= 2 * most.get(name, 1)
    assert named["body section"] > 2
    assert named["angiogram"] > 2


def test_plain_captions_do_not_say_which_damage_there_is(batches):
    for batch in (batches[0], batches[1], batches[2]):
        text = " ".join(batch.plain_captions)
        assert len(batch.plain_captions) == len(batch.captions)
        assert not any(word in text for word in (*DAMAGES, " at the ", "bright", "dark"))


def test_a_patch_is_damaged_for_certain_from_a_fifth_of_its_pixels_on():
    mask = np.zeros((1, 8, 8), bool)
    mask[0, 0, 0] = True  # a sixteenth of the first patch
    mask[0, :2, 6:] = True  # a quarter of the second
    mask[0, 4:, :4] = True
    assert patch_shares(mask, 4).tolist() == [pytest.approx([5 / 16, 1, 1, 0])]
