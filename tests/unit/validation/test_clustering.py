"""A data set without a target."""

from __future__ import annotations

import pytest

from pipeline.contracts.errors import InvalidColumnsError, InvalidJobSpecError, TooFewRowsError

SPEC = "task: clustering"


def test_every_column_is_a_feature_and_no_split_has_a_target(drop, good):
    found = drop("a.csv", good, spec=SPEC)
    assert (found.dataset.task, found.dataset.target, found.dataset.classes) == ("clustering", "", ())
    assert "sold" in found.kinds
    assert {tuple(split.columns) for split in found.splits.values()} == {tuple(found.kinds)}
    assert sum(split.height for split in found.splits.values()) == len(good.splitlines()) - 1
    assert (found.spec.task, found.spec.target) == ("clustering", None)


def test_a_target_is_an_error_that_says_so(drop, good):
    for given in ({"spec": f"{SPEC}\ntarget: sold"}, {"spec": SPEC, "target": "sold"}):
        with pytest.raises(InvalidJobSpecError, match="clustering has no target, and 'sold' is given"):
            drop("a.csv", good, **given)


def test_clusters_without_their_task_are_an_error(drop, good):
    with pytest.raises(InvalidJobSpecError, match="clusters is only for task: clustering"):
        drop("a.csv", good, spec="clusters: 3")


def test_too_few_rows_and_no_columns_are_reported(drop, good):
    lines = good.splitlines()
    with pytest.raises(TooFewRowsError, match="to learn from"):
        drop("a.csv", "\n".join(lines[:9]), spec=SPEC)
    with pytest.raises(InvalidColumnsError, match="to form clusters"):
        drop("a.csv", good, spec=f"{SPEC}\ndrop: [{', '.join(lines[0].split(','))}]")


def test_given_test_rows_need_no_target(drop, good):
    found = drop("a.csv", good, spec=SPEC, companions={"test.csv": good})
    assert found.split("test").height == len(good.splitlines()) - 1
