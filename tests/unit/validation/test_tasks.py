"""The task that is inferred from a target, the words that are classes, and the warnings about both."""

from __future__ import annotations

import random

import polars as pl
import pytest

from pipeline.contracts.errors import InvalidTargetError
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.validation.columns.target import infer_target

ROWS = 400


def _target(values, **spec):
    return infer_target(pl.Series("y", values), JobSpec(**spec))


@pytest.mark.parametrize(("distinct", "task"), [(2, "classification"), (10, "classification"), (11, "regression")])
def test_up_to_ten_distinct_integers_are_classes(distinct, task):
    for cast in (int, str, float):
        assert _target([cast(number % distinct) for number in range(ROWS)]).task == task


@pytest.mark.parametrize("distinct", [3, 7, 21, 100])
def test_the_task_of_an_integer_target_is_reported_with_the_setting_to_change_it(distinct):
    (warning,) = _target([number % distinct for number in range(ROWS)]).warnings
    assert str(distinct) in warning
    assert "task: " in warning


@pytest.mark.parametrize("values", [["a", "b"], [0, 1], [0.5, 1.5, 2.5]])
def test_a_clear_task_gives_no_warning(values):
    assert _target(values * 100).warnings == ()


@pytest.mark.parametrize("metric", ["rmse", "mae", "r2"])
def test_a_regression_metric_makes_an_integer_target_a_regression(metric):
    target = _target([str(number % 5) for number in range(ROWS)], metric=metric)
    assert (target.task, target.values.dtype, target.warnings) == ("regression", pl.Float64, ())


@pytest.mark.parametrize("metric", ["accuracy", "auc", "log_loss"])
def test_a_classification_metric_makes_an_integer_target_classes(metric):
    assert _target([number % 30 for number in range(ROWS)], metric=metric).task == "classification"


def test_the_task_setting_overrides_the_task_of_the_metric():
    assert (
        _target([number % 30 for number in range(ROWS)], metric="rmse", task="classification").task == "classification"
    )


@pytest.mark.parametrize("word", ["None", "NA", "nan", "null", "N/A"])
def test_a_frequent_missing_marker_is_a_class_and_a_rare_marker_is_missing(word):
    frequent = _target([word, "minor", "severe", "minor"] * 100)
    assert word in frequent.values.to_list()
    rare = _target([word] * 8 + ["minor", "severe"] * 196)
    assert (rare.values.null_count(), rare.markers[word]) == (8, 8)


def test_the_missing_setting_decides_which_words_are_classes():
    target = _target(["None", "minor", "severe"] * 100, missing=("None",))
    assert (target.values.null_count(), target.markers["None"]) == (100, 100)
    assert _target(["NA", "minor"] * 3 + ["minor", "severe"] * 200, missing=()).values.null_count() == 0


@pytest.mark.parametrize("largest", [1e39, 1e300])
def test_a_target_beyond_float32_is_refused(largest):
    chance = random.Random(0)
    with pytest.raises(InvalidTargetError, match=r"'y'.*3\.4e38"):
        _target([chance.random() * largest for _ in range(ROWS)])


def test_a_target_with_decimal_commas_is_read_as_numbers():
    target = _target([f"{number % 97},{number % 10}" for number in range(ROWS)])
    assert (target.task, target.rule.number_format.decimal) == ("regression", ",")
    assert target.rule.cast(pl.Series("y", ["12,5", "", "1.234,5"])).to_list() == [12.5, None, 1234.5]


def test_bounds_that_differ_only_in_their_comparison_sign_are_classes():
    target = _target(["<=50K", ">50K"] * 100)
    assert (target.task, sorted(target.values.unique())) == ("classification", ["<=50K", ">50K"])
