"""Test files, splits by time and by group, and row weights."""

from __future__ import annotations

import random

import pytest

from pipeline.contracts.errors import (
    InvalidColumnsError,
    InvalidJobSpecError,
    InvalidTargetError,
    TooFewRowsError,
    UnreadableDatasetError,
)

_CHANCE = random.Random(1)


def table(rows, header="size,colour,sold"):
    return header + "\n" + "".join(",".join(map(str, row)) + "\n" for row in rows)


@pytest.fixture
def test_csv():
    return table([(f"{_CHANCE.random():.4f}", _CHANCE.choice("abz"), _CHANCE.choice(["no", "yes"])) for _ in range(40)])


def test_a_test_file_becomes_the_test_split_and_all_data_rows_train_or_validate(drop, good, test_csv):
    validated = drop("a.csv", good, companions={"test.csv": test_csv})
    assert validated.dataset.rows.test == 40
    assert validated.dataset.rows.train + validated.dataset.rows.validation == 300
    assert validated.dataset.rows.validation == 30
    assert validated.split("test")["colour"].to_list() == [line.split(",")[1] for line in test_csv.splitlines()[1:]]
    assert "z" not in next(column for column in validated.dataset.columns if column.name == "colour").vocabulary


def test_a_test_file_may_have_another_format_and_column_order(drop, good, test_csv):
    rows = [line.split(",") for line in test_csv.splitlines()[1:]]
    reordered = table([(sold, "x", size, colour) for size, colour, sold in rows], "sold,more,size,colour")
    tabs = reordered.replace(",", "\t")
    assert drop("a.csv", good, companions={"test.tsv": tabs}).split("test").columns == ["size", "colour", "sold"]


def test_a_test_file_that_lacks_a_feature_is_refused_with_a_suggestion(drop, good, test_csv):
    with pytest.raises(
        InvalidColumnsError, match=r"'test.csv' lacks 1 column of the data, such as 'size': did you mean"
    ):
        drop("a.csv", good, companions={"test.csv": test_csv.replace("size", "Size")})


def test_a_test_file_that_lacks_the_target_is_refused_with_a_suggestion(drop, good, test_csv):
    with pytest.raises(InvalidTargetError, match=r"'test.csv' has no column 'sold', the target: did you mean 'sol'"):
        drop("a.csv", good, companions={"test.csv": test_csv.replace("sold", "sol")})


@pytest.mark.parametrize(
    ("body", "error", "words"),
    [
        ("", UnreadableDatasetError, "'test.csv' is empty"),
        ("size,colour,sold\n", TooFewRowsError, "'test.csv' has no usable test row"),
        ("size,colour,sold\n1,a,perhaps\n", InvalidTargetError, r"'perhaps' \(1 row\)"),
        ("size,colour,sold\nbig,a,no\n", InvalidColumnsError, "'test.csv': column 'size' is not numeric"),
    ],
)
def test_an_unusable_test_file_is_refused(drop, good, body, error, words):
    with pytest.raises(error, match=words):
        drop("a.csv", good, companions={"test.csv": body})


def test_two_test_files_are_refused(drop, good, test_csv):
    with pytest.raises(UnreadableDatasetError, match=r"'test.csv' and 'test.tsv' are both present"):
        drop("a.csv", good, companions={"test.csv": test_csv, "test.tsv": test_csv})


def test_test_rows_of_a_class_without_training_rows_are_rejected_and_counted(drop, good, test_csv):
    validated = drop("a.csv", good, companions={"test.csv": test_csv + "0.5,a,perhaps\n0.5,a,\n"})
    assert validated.dataset.rows.test == 40
    assert validated.dataset.set_aside == 2
    assert (
        "'test.csv': 1 of 42 rows rejected: a class of the target that no training row has"
        in validated.dataset.warnings
    )
    assert {row["file"] for row in validated.set_aside} == {"test.csv"}


def test_rows_in_both_the_test_file_and_the_data_are_reported(drop, good, lines, test_csv):
    validated = drop("a.csv", good, companions={"test.csv": test_csv + lines[1] + "\n"})
    assert "1 of 41 rows of 'test.csv' are in the data too" in validated.dataset.warnings


def test_rows_in_both_files_are_counted_without_the_dropped_columns(drop):
    data = table([(1, number % 97, number % 2) for number in range(200)], "constant,size,sold")
    test = table([(2, 5, 1), (1, 96, 0)], "constant,size,sold")
    validated = drop("a.csv", data, spec="target: sold", companions={"test.csv": test})
    assert "constant" not in [column.name for column in validated.dataset.columns]
    assert any("of 2 rows of 'test.csv' are in the data too" in warning for warning in validated.dataset.warnings)


def test_labels_of_the_test_file_are_typed_like_those_of_the_data(drop):
    data = table([(number, number % 7, number % 2) for number in range(0, 200, 1)], "x,y,label")
    test = table([("1.5", "3", "1.0"), ("n/a", "2", "0")], "x,y,label")
    validated = drop(
        "a.csv", data, spec="task: classification\ntarget: label\ndrop: [x]", companions={"test.csv": test}
    )
    assert validated.split("test")["label"].to_list() == ["1", "0"]


@pytest.fixture
def daily():
    rows = [(f"2024-{1 + day // 28:02}-{1 + day % 28:02}", day % 5, day % 3 == 0, f"g{day % 9}") for day in range(300)]
    _CHANCE.shuffle(rows)
    return table(rows, "day,x,sold,shop")


def test_a_split_by_time_tests_on_the_latest_rows_and_validates_on_those_before(drop, daily):
    validated = drop("a.csv", daily, spec="target: sold\nsplit: {by: time, column: x}\n")
    assert validated.split("train")["x"].max() < validated.split("validation")["x"].min()
    assert validated.split("validation")["x"].max() < validated.split("test")["x"].min()


def test_a_split_by_time_reads_dates_written_as_text(drop, daily):
    validated = drop("a.csv", daily, spec="target: sold\nsplit: {by: time, column: day, test: 0.2}\n")
    assert validated.dataset.rows.test == 60
    assert validated.dataset.rows.validation == 30


def test_a_split_by_group_assigns_whole_groups_and_drops_the_group_column(drop, daily):
    validated = drop("a.csv", daily, spec="target: sold\nsplit: {by: group, column: shop}\n")
    assert validated.left_out["shop"] == "it groups the rows for the split (split.column)"
    sizes = validated.dataset.rows
    assert {sizes.test, sizes.validation} <= {33, 34}


def test_rows_without_a_group_are_rejected(drop, daily):
    body = daily.replace(",g3\n", ",\n")
    validated = drop("a.csv", body, spec="target: sold\nsplit: {by: group, column: shop}\n")
    assert validated.dataset.set_aside == 33
    assert "no group in the column 'shop'" in validated.dataset.warnings[0]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("split: {by: time, column: dya}", "there is no column 'dya': did you mean 'day'"),
        ("split: {by: time, column: shop}\ntarget: sold", "the values of 'shop' are not times"),
        ("split: {by: group, column: sold}\ntarget: sold", "'sold' is the target"),
        ("weight: wieght", "there is no column 'wieght'"),
    ],
)
def test_an_unusable_split_or_weight_column_is_a_spec_error(drop, daily, spec, words):
    with pytest.raises(InvalidJobSpecError, match=words):
        drop("a.csv", daily, spec=spec)


def test_a_split_by_time_with_too_few_moments_is_refused(drop, daily):
    with pytest.raises(TooFewRowsError, match="2 moments in column 'half' leave none for training: at least 3"):
        drop("a.csv", halves(daily), spec="target: sold\nsplit: {by: time, column: half}\n")


def halves(daily):
    first, *rest = daily.splitlines()
    return "\n".join([first + ",half", *(f"{line},{number % 2}" for number, line in enumerate(rest))]) + "\n"


def test_a_class_that_appears_only_after_the_training_rows_is_rejected(drop):
    rows = [(day, day % 4, "new" if day >= 290 else ("a", "b")[day % 2]) for day in range(300)]
    validated = drop("a.csv", table(rows, "day,x,y"), spec="split: {by: time, column: day}\n")
    assert validated.dataset.classes == ("a", "b")
    assert validated.dataset.rows.test == 20
    assert any("that no training row has" in warning for warning in validated.dataset.warnings)


def test_the_weight_column_is_in_the_splits_but_not_a_feature(drop, daily):
    validated = drop("a.csv", daily, spec="target: sold\nweight: x\n")
    assert validated.dataset.weight == "x"
    assert "x" not in validated.kinds
    assert validated.split("train")["x"].min() > 0
    assert validated.dataset.set_aside == 60


def test_weights_that_are_not_numbers_are_refused(drop, daily):
    with pytest.raises(InvalidColumnsError, match="the weight column 'shop' does not hold positive numbers"):
        drop("a.csv", daily, spec="target: sold\nweight: shop\n")


@pytest.mark.parametrize(
    ("classes", "name", "body"),
    [
        (("True", "False"), "test.jsonl", '{"size": 1, "sold": true}\n{"size": 2, "sold": false}\n'),
        (("true", "false"), "test.csv", "size,sold\n1,True\n2,FALSE\n"),
        (("TRUE", "FALSE", "maybe"), "test.jsonl", '{"size": 1, "sold": true}\n{"size": 2, "sold": "False"}\n'),
    ],
)
def test_booleans_of_a_test_file_match_class_names_in_any_case(drop, classes, name, body):
    rows = [(f"{_CHANCE.random():.4f}", classes[number % len(classes)]) for number in range(60)]
    validated = drop("a.csv", table(rows, "size,sold"), companions={name: body})
    assert validated.split("test")["sold"].to_list() == list(classes[:2])


@pytest.mark.parametrize(
    ("classes", "label"), [(("Red", "blue"), "red"), (("True", "true", "False"), "TRUE"), (("Yes", "No"), "yes")]
)
def test_words_and_ambiguous_booleans_in_another_case_are_not_matched(drop, classes, label):
    rows = [(f"{_CHANCE.random():.4f}", classes[number % len(classes)]) for number in range(60)]
    test = f"size,sold\n1,{label}\n2,{classes[0]}\n"
    validated = drop("a.csv", table(rows, "size,sold"), companions={"test.csv": test})
    assert validated.split("test")["sold"].to_list() == [classes[0]]


def _dated(days):
    return table([(day, number * 7 % 97 / 8, "ab"[number % 2]) for number, day in enumerate(days)], "day,size,y")


@pytest.mark.parametrize(("data", "test"), [("{d}.{m}.2024", "{m}/{d}/2024"), ("{m}/{d}/2024", "{d}/{m}/2024")])
def test_a_test_file_with_another_order_of_day_and_month_is_refused(drop, data, test):
    days = [{"d": 1 + number % 28, "m": 1 + number % 12} for number in range(200)]
    data, test = (_dated([form.format(**day) for day in days]) for form in (data, test))
    with pytest.raises(InvalidColumnsError, match=r"'test.csv': column 'day': the (day|month) comes first in the"):
        drop("a.csv", data, companions={"test.csv": test})


def test_ambiguous_test_dates_are_missing_if_the_data_does_not_show_the_order(drop):
    data = _dated([f"2024-{1 + number % 12:02}-{1 + number % 28:02}" for number in range(200)])
    test = _dated([f"{1 + number % 28}/{1 + number % 12}/2024" for number in range(40)])
    validated = drop("a.csv", data, companions={"test.csv": test})
    days = validated.split("test")["day"]
    assert 0 < days.null_count() < 40
    assert any("because the training file does not show" in warning for warning in validated.dataset.warnings)
