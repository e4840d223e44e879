"""New rows that a student learns from in addition to the training rows."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.contracts.spec.job_spec import parse_job_spec
from pipeline.contracts.spec.sections import Distillation
from pipeline.ensembling.new_rows import add_new_rows
from pipeline.training.algorithm import Rows

ROWS = 200


def rows() -> Rows:
    """Make rows that each of their cells identifies; the second number is missing in every other row."""
    number = np.arange(ROWS, dtype=np.float32)
    num = np.column_stack([number, np.where(number % 2, np.nan, number)]).astype(np.float32)
    return Rows(num=num, cat=np.arange(ROWS)[:, None], target=np.arange(ROWS))


@pytest.mark.parametrize("copies", [0, 1, 4])
def test_each_training_row_gets_the_requested_number_of_new_rows(copies: int) -> None:
    learned, first = add_new_rows(rows(), Distillation(copies=copies), seed=0)
    assert len(learned) == (1 + copies) * ROWS
    np.testing.assert_array_equal(np.sort(first), np.arange(ROWS))
    np.testing.assert_array_equal(learned.num[:ROWS], rows().num[first])


def test_about_a_third_of_the_columns_of_a_new_row_come_from_another_row() -> None:
    learned, first = add_new_rows(rows(), Distillation(copies=4), seed=0)
    source_rows = np.tile(first, 4)
    assert (learned.num[ROWS:, 0] != source_rows).mean() == pytest.approx(0.3, abs=0.05)
    assert (learned.cat[ROWS:, 0] != source_rows).mean() == pytest.approx(0.3, abs=0.05)
    assert set(np.unique(learned.num[:, 0])) <= set(range(ROWS))


def test_a_new_row_of_mixup_lies_between_two_rows() -> None:
    learned, first = add_new_rows(rows(), Distillation(copies=2, mixup=1.0), seed=0)
    new = learned.take(np.arange(ROWS, 3 * ROWS))
    assert (new.num[:, 0] % 1 != 0).mean() > 0.9
    assert new.num[:, 0].min() >= 0
    assert new.num[:, 0].max() <= ROWS - 1
    assert set(np.unique(new.cat)) <= set(range(ROWS))
    source_rows = np.tile(first, 2)
    missing = np.isnan(new.num[:, 1])
    assert missing[source_rows % 2 == 1].all()  # the row keeps its own value if either of the two values is missing
    assert not missing[source_rows % 2 == 0].any()
    assert new.num.dtype == np.float32


def test_many_training_rows_are_sampled_to_bound_the_number_of_rows() -> None:
    many = Rows(num=np.zeros((100_000, 1), np.float32), cat=np.empty((100_000, 0), np.int64), target=np.zeros(100_000))
    learned, first = add_new_rows(many, Distillation(copies=4), seed=0)
    assert len(learned) == 150_000
    assert len(first) == 30_000


def test_train_yaml_sets_the_copies_and_the_mixup() -> None:
    spec = parse_job_spec(
        b"distillation: {copies: 2, mixup: 0.4}\ncompression: {fine_tuning: {hints: 1, mixup: 0.2}}\n"
    )
    assert spec.distillation == Distillation(copies=2, mixup=0.4)
    assert (spec.compression.fine_tuning.hints, spec.compression.fine_tuning.mixup) == (1, 0.2)
