from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch

from pipeline.training.loop.batching import batch_sizes, iterate_batches
from tests.fakes.networks import SMALL, small, task


def _sizes(epoch: int = 1, rows: int = 1000, **settings: Any) -> list[int]:
    return batch_sizes(small(**{"epochs": 9, **settings}), epoch, rows)


def test_the_last_batch_of_a_fixed_size_has_the_remaining_rows() -> None:
    assert _sizes(batch_size=300) == [300, 300, 300, 100]


def test_a_single_last_row_joins_the_previous_batch() -> None:
    assert _sizes(batch_size=333) == [333, 333, 334]
    assert _sizes(rows=1, batch_size=1) == [1]


def test_full_batching_uses_all_rows_in_one_batch() -> None:
    assert _sizes(batching="full") == _sizes(optimizer="gd") == _sizes(optimizer="normalized_gd") == [1000]


def test_random_batch_sizes_stay_in_their_range_and_differ_between_epochs() -> None:
    first, again, second = (_sizes(epoch, batching="random", batch_size=(10, 50)) for epoch in (1, 1, 2))
    assert first == again != second
    assert sum(first) == sum(second) == 1000
    assert all(10 <= size <= 50 for size in first[:-1])
    assert len(set(first)) > 5


def test_growing_batches_grow_from_the_first_size_to_the_last() -> None:
    first, middle, last = (_sizes(epoch, batching="growing", batch_size=(16, 256))[0] for epoch in (1, 5, 9))
    assert (first, middle, last) == (16, 64, 256)


_batches = partial(iterate_batches, device="cpu", first_step=0)


def test_an_epoch_has_every_row_once_in_a_new_order() -> None:
    training_task = task(rows=100)
    orders = [
        torch.cat([batch for _, batch in iterate_batches(SMALL, training_task, "cpu", epoch=n, first_step=0)])
        for n in (1, 2)
    ]
    assert orders[0].tolist() != orders[1].tolist()
    assert all(sorted(order.tolist()) == list(range(100)) for order in orders)


@pytest.mark.parametrize("batching", ["fixed", "random"])
def test_a_resumed_epoch_has_the_remaining_batches_of_the_complete_epoch(batching: str) -> None:
    training_task, settings = task(rows=100), small(batching=batching, batch_size=(8, 20))
    whole = [(passed, batch.tolist()) for passed, batch in _batches(settings, training_task, epoch=3)]
    remaining = [(passed, batch.tolist()) for passed, batch in _batches(settings, training_task, epoch=3, first_step=2)]
    assert remaining == whole[2:]
    assert [passed for passed, _ in whole][:2] == [0, len(whole[0][1]) / 100]
