from __future__ import annotations

from unittest import mock

import ignite.distributed as idist
import pytest

from bpfl_med.training import TrainingBatches, TrainingNoise, collate_batch


def shares(n_processes: int, n_items: int = 11, epoch: int = 1) -> list[list[list[tuple[int, int]]]]:
    """The batches of every process."""
    batches = TrainingBatches(n_items, batch_size=4, seed=0)
    batches.set_epoch(epoch)
    found = []
    for rank in range(n_processes):
        with (
            mock.patch.object(idist, "get_rank", return_value=rank),
            mock.patch.object(idist, "get_world_size", return_value=n_processes),
        ):
            found.append(list(batches))
    return found


def test_every_image_once_an_epoch_in_an_order_of_its_own() -> None:
    (first,), (second,) = shares(1, epoch=1), shares(1, epoch=2)
    assert [len(batch) for batch in first] == [4, 4, 3]
    assert sorted(index for batch in first for _, index in batch) == list(range(11))
    assert {epoch for batch in second for epoch, _ in batch} == {2}
    assert [index for batch in first for _, index in batch] != [index for batch in second for _, index in batch]


@pytest.mark.parametrize("n_processes", [2, 3])
def test_processes_share_out_the_very_same_batches(n_processes: int) -> None:
    (whole,) = shares(1)
    for step, parts in enumerate(zip(*shares(n_processes), strict=True)):
        assert sorted(key for part in parts for key in part) == sorted(whole[step])
    assert len(TrainingBatches(11, batch_size=4, seed=0)) == 3


def test_a_share_may_be_empty() -> None:
    _, second = shares(2, n_items=9)
    assert second[-1] == []
    assert collate_batch(second[-1]) == {}


@pytest.mark.parametrize(("n_items", "batch_size"), [(0, 4), (4, 0)])
def test_no_image_and_no_batch_are_refused(n_items: int, batch_size: int) -> None:
    with pytest.raises(ValueError, match="at least 1 image and a batch size of at least 1, got"):
        TrainingBatches(n_items, batch_size=batch_size, seed=0)


class TestNoise:
    def test_belongs_to_the_image_whatever_the_batch(self) -> None:
        noise = TrainingNoise(0)
        together, alone = noise.noise(1, 1, [4, 2], 8), noise.noise(1, 9, [2], 8)
        assert together.context.shape == (2, 1, 8)
        assert together.normal.shape == together.abnormal.shape == (1, 8)
        assert together.context[1].equal(alone.context[0])
        assert not together.normal.equal(alone.normal)

    def test_nothing_repeats(self) -> None:
        drawn = [TrainingNoise(seed).noise(epoch, 1, [1], 4) for seed in (0, 1) for epoch in (1, 2)]
        assert len({tuple(noise.context.flatten().tolist()) for noise in drawn}) == 4
        assert not drawn[0].normal.equal(drawn[0].abnormal)

    def test_every_entry_of_the_banks_is_trained(self) -> None:
        chosen = [TrainingNoise(0).prompt_index(step, 3) for step in range(300)]
        assert {chosen.count(entry) > 70 for entry in range(3)} == {True}


def test_another_seed_is_another_order() -> None:
    one, other = (list(TrainingBatches(20, batch_size=4, seed=seed)) for seed in (1, 2))
    assert one != other


def test_states_depend_on_the_seed():
    one, other = TrainingNoise(0), TrainingNoise(1)
    assert not one.noise(1, 1, [0], 8).normal.equal(other.noise(1, 1, [0], 8).normal)


def test_entries_depend_on_the_seed():
    one, other = ([TrainingNoise(seed).prompt_index(step, 3) for step in range(1, 21)] for seed in (0, 1))
    assert one != other
