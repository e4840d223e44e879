"""Which column is the target, and which task is inferred from it."""

from __future__ import annotations

import random

import polars as pl
import pytest

from pipeline.contracts.errors import InvalidJobSpecError, InvalidTargetError
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.validation.columns.target import infer_target


def test_the_last_column_is_the_target_unless_another_is_requested(drop, good):
    assert drop("a.csv", good).dataset.target == "sold"
    assert drop("a.csv", good, target=" colour ").dataset.target == "colour"
    assert drop("a.csv", good, spec="target: size").dataset.target == "size"


def test_the_stored_spec_has_the_resolved_target_and_task(drop, good):
    spec = drop("a.csv", good, spec="seed: 7", target="colour").spec
    assert (spec.target, spec.task, spec.seed) == ("colour", "classification", 7)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("algoritms: [mlp]", "'algorithms'"),
        ("#" * (2 << 20), "2,097,152 bytes"),
        ("seed: 2024-99-99", "not YAML"),
        ("[" * 5000, "not YAML"),
    ],
)
def test_an_invalid_train_yaml_is_a_spec_error(drop, good, spec, words):
    with pytest.raises(InvalidJobSpecError, match=words):
        drop("a.csv", good, spec=spec)


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("Sold", "did you mean 'sold'"),
        ("colr", "did you mean 'colour'"),
        ("zzz", "the columns are 'size', 'colour', 'sold'"),
    ],
)
def test_an_unknown_target_is_refused_with_the_nearest_columns(drop, good, wanted, words):
    with pytest.raises(InvalidTargetError, match=words):
        drop("a.csv", good, target=wanted)


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (["a", "b"] * 20, "classification"),
        ([True, False] * 20, "classification"),
        (["0", "1"] * 20, "classification"),
        ([0.0, 1.0] * 20, "classification"),
        (["001", "010"] * 20, "classification"),
        (["1.5", "2.5"] * 20, "regression"),
        ([str(number) for number in range(40)], "regression"),
        ([number % 21 for number in range(500)], "regression"),
    ],
)
def test_the_task_is_inferred_from_the_values(values, task):
    assert infer_target(pl.Series("y", values), JobSpec()).task == task


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        (["1", "0"] * 20, ("0", "1")),
        (["10", "9", "2"] * 20, ("10", "2", "9")),
        (["1.0", "0.0"] * 20, ("0.0", "1.0")),
        (["1", "1.0", "0"] * 20, ("0", "1")),
        ([1.0, 0.0, None] * 20, ("0", "1")),
        ([True, False] * 20, ("false", "true")),
        (["True", "False"] * 20, ("False", "True")),
        ([" yes", "no "] * 20, ("no", "yes")),
    ],
)
def test_classes_are_the_texts_of_the_file_in_sorted_order(values, classes):
    assert (
        tuple(infer_target(pl.Series("y", values), JobSpec(task="classification")).values.drop_nulls().unique().sort())
        == classes
    )


def test_task_regression_reads_the_target_as_numbers():
    target = infer_target(pl.Series("y", ["0", "1"] * 20), JobSpec(task="regression"))
    assert (target.task, target.values.dtype) == ("regression", pl.Float64)


@pytest.mark.parametrize(
    ("values", "task", "words"),
    [
        (["a"] * 40, None, "constant"),
        ([1.5] * 40, None, "constant"),
        (["", "NaN"] * 40, None, "no values"),
        ([None] * 40, None, "no values"),
        ([float("inf"), float("nan")] * 40, None, "no finite numbers"),
        ([f"c{number}" for number in range(5000)] * 3, None, "5,000 classes: at most 1,000"),
        ([f"{number}".ljust(30_000, "c") for number in range(70)] * 2, None, "bytes in total: at most 2,000,000"),
        ([0.5, 1.0] * 40, "classification", "numbers with fractions"),
        (["a", "b"] * 40, "regression", "does not hold numbers; numbers are"),
        (["1.5", "oops", "2", "3", "4.5"] * 8, "regression", "8 of its 40 values are not, such as 'oops'"),
        ([[1], [2]] * 40, None, "List values"),
    ],
)
def test_a_target_that_cannot_be_learned_is_refused_with_the_reason(values, task, words):
    with pytest.raises(InvalidTargetError, match=words) as refused:
        infer_target(pl.Series("income", values), JobSpec(task=task))
    assert "'income'" in str(refused.value)


def test_a_row_with_a_word_in_a_regression_target_is_rejected(drop):
    chance = random.Random(0)
    rows = [f"{chance.random()},{chance.random()}" for _ in range(200)]
    rows[9] = "0.5,oops"
    validated = drop("a.csv", "x,y\n" + "\n".join(rows))
    assert (validated.dataset.task, validated.set_aside[0]["row"]) == ("regression", 10)


def test_a_numeric_target_with_a_few_words_is_refused_instead_of_read_as_classes(drop):
    words = ["oops", "sorry", "oops", "nothing", "oops"]
    rows = [f"{number % 90},{number / 7 if number % 40 else words[number // 40]}" for number in range(200)]
    with pytest.raises(InvalidTargetError, match=r"were numbers meant. \(5 of its 200 values are not, such as 'oops'"):
        drop("a.csv", "x,y\n" + "\n".join(rows))


def test_a_target_may_have_a_name_that_polars_uses(drop, good):
    for name in ("rows", "class", "group", "split", "stratum", "order", "literal", "count"):
        assert drop("a.csv", good.replace("sold", name, 1)).dataset.class_rows > (0, 0)


def test_a_segment_must_be_an_existing_column(drop, good):
    assert drop("a.csv", good, spec="segments: [colour]").spec.segments == ("colour",)
    with pytest.raises(InvalidJobSpecError, match="segments: there is no column 'color': did you mean 'colour'"):
        drop("a.csv", good, spec="segments: [color]")


def _table(*columns: str, rows: int = 60) -> str:
    """Make a csv file: a column whose name ends in ``:words`` has three categories, other columns have numbers."""
    rng = random.Random(0)
    names = [column.removesuffix(":words") for column in columns]
    lines = [
        ",".join(
            rng.choice(["red", "green", "blue"]) if column.endswith(":words") else f"{rng.random() * 100:.2f}"
            for column in columns
        )
        for _ in range(rows)
    ]
    return "\n".join([",".join(names), *lines]) + "\n"


@pytest.mark.parametrize(
    ("columns", "likely"),
    [
        (("age", "label:words", "plan:words", "visits"), "label"),
        (("Target", "age", "visits"), "Target"),
        (("a", "y", "b"), "y"),
        (("a", "Class:words", "label", "b"), "label"),  # label is likelier than Class
        (("species:words", "length", "width", "height"), "species"),
    ],
)
def test_a_column_that_is_more_likely_the_target_than_the_last_one_is_reported(drop, columns, likely):
    dataset = drop("a.csv", _table(*columns).encode()).dataset
    assert (dataset.target, dataset.default_target, dataset.likely_target) == (columns[-1], True, likely)
    (warning,) = [warning for warning in dataset.warnings if "--target" in warning]
    assert f"'{likely}'" in warning
    assert f"'{columns[-1]}'" in warning


@pytest.mark.parametrize(
    "columns",
    [
        ("age", "visits", "label"),  # the last column is named label
        ("label", "visits", "Y:words"),
        ("age", "town:words", "price"),  # categories, and not in the first column
        ("town:words", "kind:words", "price"),  # not the only column of categories
        ("town:words", "rooms", "kind:words"),  # the last column has categories too
        ("labels", "yield", "classes"),
    ],
)
def test_no_other_target_is_suggested_if_the_last_column_is_plausible(drop, columns):
    dataset = drop("a.csv", _table(*columns).encode()).dataset
    assert (dataset.default_target, dataset.likely_target) == (True, "")
    assert not any("more likely the target" in warning for warning in dataset.warnings)


def test_no_other_target_is_suggested_if_a_target_was_requested(drop):
    table = _table("age", "label:words", "visits").encode()
    for request in ({"target": "visits"}, {"spec": "target: visits"}):
        dataset = drop("a.csv", table, **request).dataset
        assert (dataset.target, dataset.default_target, dataset.likely_target) == ("visits", False, "")


@pytest.mark.parametrize("spec", ["target: size", "target: size\nseed: 3\nalgorithms: [linear]\ndrop: [sold]"])
def test_the_target_in_the_object_metadata_overrides_train_yaml_with_a_warning(drop, good, spec):
    validated = drop("a.csv", good, spec=spec, target=" colour ")
    assert validated.dataset.target == validated.spec.target == "colour"
    assert "'colour'" in validated.dataset.warnings[0]
    assert "'size'" in validated.dataset.warnings[0]


@pytest.mark.parametrize("spec", ["target: colour", "seed: 3"])
def test_metadata_that_agree_with_train_yaml_give_no_warning(drop, good, spec):
    dataset = drop("a.csv", good, spec=spec, target="colour").dataset
    assert dataset.target == "colour"
    assert not any("train.yaml" in warning for warning in dataset.warnings)


@pytest.mark.parametrize(
    ("settings", "shown"),
    [
        ("task: regression", "task: regression"),
        ("metric: rmse", "metric: rmse"),
        ("limits: {min_quality: 0.5}", "limits.min_quality: 0.5"),
        ("training: {quantiles: [0.1, 0.9]}", "training.quantiles: [0.1, 0.9]"),
        ("drop: [colour]", "drop: ['colour']"),
        ("split: {by: group, column: colour}", "split.column: colour"),
    ],
)
def test_settings_for_another_target_than_the_requested_one_are_refused(drop, good, settings, shown):
    with pytest.raises(InvalidJobSpecError) as caught:
        drop("a.csv", good, spec=f"target: size\n{settings}", target="colour")
    assert "'size'" in caught.value.message
    assert "'colour'" in caught.value.message
    assert shown in caught.value.message


def test_a_logarithmic_metric_is_refused_for_a_target_of_minus_one_or_less():
    with pytest.raises(InvalidTargetError, match=r"1 values of -1 or less.*rmsle"):
        infer_target(pl.Series("gain", [0.5, 2.25, -3.5, 7.0]), JobSpec(metric="rmsle"))
    assert infer_target(pl.Series("gain", [0.5, 2.25, -0.5, 7.0]), JobSpec(metric="rmsle")).task == "regression"
