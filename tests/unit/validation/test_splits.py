"""Splits are seeded and stratified, and keep copies of a row together."""

from __future__ import annotations

import random

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contracts.records.dataset import GROUP
from pipeline.contracts.spec.job_spec import Split
from pipeline.validation.splitting.assignment import SPLITS, assign_splits, group_copies

FRACTIONS = {"test": Split().test, "validation": Split().validation}


def _one_group_per_row(rows):
    return pl.Series(range(rows), dtype=pl.UInt64)


@given(
    sizes=st.lists(st.integers(3, 60), min_size=2, max_size=30).filter(lambda sizes: sum(sizes) >= 30),
    fractions=st.builds(Split, validation=st.floats(0.06, 0.45), test=st.floats(0.06, 0.45)),
    seed=st.integers(0, 2**31 - 1),
)
def test_splits_partition_the_rows_and_stratify_the_classes(sizes, fractions, seed):
    target = pl.Series([f"c{number}" for number, size in enumerate(sizes) for _ in range(size)])
    assigned = assign_splits(
        target, _one_group_per_row(len(target)), {"test": fractions.test, "validation": fractions.validation}, seed
    )
    assert set(assigned) == set(SPLITS)
    assert len(assigned) == len(target)
    assert (assigned == "test").sum() == pytest.approx(len(target) * fractions.test, abs=1)
    train = target.filter(assigned == "train")
    assert train.n_unique() == len(sizes)
    free = len(target) - len(sizes)  # one row of each class always trains
    for number, size in enumerate(sizes):
        tested = (target.filter(assigned == "test") == f"c{number}").sum()
        assert tested == pytest.approx((size - 1) * len(target) * fractions.test / free, abs=1)


@given(seed=st.integers(0, 2**31 - 1))
def test_a_regression_target_has_a_similar_median_in_every_split(seed):
    target = pl.Series([float(number**2) for number in range(1000)])
    assigned = assign_splits(target, _one_group_per_row(1000), FRACTIONS, seed)
    for name in SPLITS:
        assigned_rows = target.filter(assigned == name)
        assert assigned_rows.median() == pytest.approx(500**2, rel=0.3)


def test_the_seed_decides_the_splits():
    target = pl.Series(["a", "b"] * 200)
    first, again, other_seed = (assign_splits(target, _one_group_per_row(400), FRACTIONS, seed) for seed in (1, 1, 2))
    assert first.equals(again)
    assert not first.equals(other_seed)


def test_copies_of_a_row_are_in_one_split():
    chance = random.Random(0)
    frame = pl.DataFrame({"x": [chance.randrange(400) for _ in range(500)], "y": ["a"] * 500})
    groups, warnings = group_copies(frame)
    assigned = assign_splits(frame["y"], groups, FRACTIONS, 0)
    per_row = frame.with_columns(split=assigned).group_by("x").agg(pl.col("split").n_unique())
    assert per_row["split"].max() == 1
    assert "copies are kept in one split" in warnings[0]


def test_copies_are_split_row_by_row_with_a_warning_if_most_rows_are_copies():
    groups, warnings = group_copies(pl.DataFrame({"x": [1, 2] * 50}))
    assert groups is None
    assert "the same row may be in training and test" in warnings[0]


def test_splits_hold_every_row_once(drop, good, lines):
    validated = drop("a.csv", good)
    rows = pl.concat(validated.splits.values())
    assert sorted(rows["size"].round(4).to_list()) == sorted(
        pl.Series([line.split(",")[0] for line in lines[1:]]).cast(pl.Float32).round(4).to_list()
    )
    assert {
        name: assigned_rows.height for name, assigned_rows in validated.splits.items()
    } == validated.dataset.rows.model_dump()
    assert sum(validated.dataset.class_rows) == validated.dataset.rows.train


def test_a_feature_may_have_the_name_of_the_hidden_group_column(drop):
    rows = "\n".join(f"{number % 7},{number % 11},{number % 2}" for number in range(200))
    validated = drop("a.csv", f"__group__,x,y\n{rows}\n", spec="target: y\n")
    assert validated.kinds["__group__"] == "numeric"
    assert validated.whole_split("train").columns == ["__group__", "x", "y"]


def test_copies_with_different_weights_share_a_group(drop):
    rows = "\n".join(f"{number // 2 / 7},{number % 5 + 1},{number // 2 % 2}" for number in range(400))
    validated = drop("a.csv", f"x,w,y\n{rows}\n", spec="target: y\nweight: w\n")
    learning = pl.concat([validated.whole_split("train"), validated.whole_split("validation")])
    assert learning[GROUP].n_unique() == learning["x"].n_unique()
