"""Validation of data sets without a target, for clustering."""

from __future__ import annotations

import pytest

from pipeline.contracts.errors import InvalidColumnsError, InvalidJobSpecError, TooFewRowsError

SPEC = "task: clustering"


def test_every_column_is_a_feature_and_no_split_has_a_target(drop, good):
    validated = drop("a.csv", good, spec=SPEC)
    assert (validated.dataset.task, validated.dataset.target, validated.dataset.classes) == ("clustering", "", ())
    assert "sold" in validated.kinds
    assert {tuple(split.columns) for split in validated.splits.values()} == {tuple(validated.kinds)}
    assert sum(split.height for split in validated.splits.values()) == len(good.splitlines()) - 1
    assert (validated.spec.task, validated.spec.target) == ("clustering", None)


def test_clustering_with_a_target_is_refused(drop, good):
    for options in ({"spec": f"{SPEC}\ntarget: sold"}, {"spec": SPEC, "target": "sold"}):
        with pytest.raises(InvalidJobSpecError, match="clustering has no target, and 'sold' is given"):
            drop("a.csv", good, **options)


def test_clusters_without_task_clustering_are_refused(drop, good):
    with pytest.raises(InvalidJobSpecError, match="clusters is only for task: clustering"):
        drop("a.csv", good, spec="clusters: 3")


def test_too_few_rows_and_a_table_without_features_are_refused(drop, good):
    lines = good.splitlines()
    with pytest.raises(TooFewRowsError, match="to learn from"):
        drop("a.csv", "\n".join(lines[:9]), spec=SPEC)
    with pytest.raises(InvalidColumnsError, match="to form clusters"):
        drop("a.csv", good, spec=f"{SPEC}\ndrop: [{', '.join(lines[0].split(','))}]")


def test_a_test_file_needs_no_target(drop, good):
    validated = drop("a.csv", good, spec=SPEC, companions={"test.csv": good})
    assert validated.split("test").height == len(good.splitlines()) - 1
