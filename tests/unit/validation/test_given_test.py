"""A test file beside the data, and splits by time and by group; the rows' weights."""

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


def test_a_given_test_file_is_the_test_split_and_no_row_of_the_data_tests(drop, good, test_csv):
    found = drop("a.csv", good, companions={"test.csv": test_csv})
    assert found.dataset.rows.test == 40
    assert found.dataset.rows.train + found.dataset.rows.validation == 300
    assert found.dataset.rows.validation == 30
    assert found.split("test")["colour"].to_list() == [line.split(",")[1] for line in test_csv.splitlines()[1:]]
    assert "z" not in next(one for one in found.dataset.columns if one.name == "colour").vocabulary


def test_its_columns_may_be_in_another_order_and_its_format_another(drop, good, test_csv):
    rows = [line.split(",") for line in test_csv.splitlines()[1:]]
    turned = table([(sold, "x", size, colour) for size, colour, sold in rows], "sold,more,size,colour")
    tabs = turned.replace(",", "\t")
    assert drop("a.csv", good, companions={"test.tsv": tabs}).split("test").columns == ["size", "colour", "sold"]


def test_a_feature_that_it_lacks_is_named(drop, good, test_csv):
    with pytest.raises(
        InvalidColumnsError, match=r"'test.csv' lacks 1 column of the data, such as 'size': did you mean"
    ):
        drop("a.csv", good, companions={"test.csv": test_csv.replace("size", "Size")})


def test_a_target_that_it_lacks_is_named(drop, good, test_csv):
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
def test_a_test_file_that_cannot_test_is_refused(drop, good, body, error, words):
    with pytest.raises(error, match=words):
        drop("a.csv", good, companions={"test.csv": body})


def test_two_test_files_are_refused(drop, good, test_csv):
    with pytest.raises(UnreadableDatasetError, match=r"'test.csv' and 'test.tsv' are both present"):
        drop("a.csv", good, companions={"test.csv": test_csv, "test.tsv": test_csv})


def test_classes_that_no_training_row_has_are_counted_and_rejected(drop, good, test_csv):
    found = drop("a.csv", good, companions={"test.csv": test_csv + "0.5,a,perhaps\n0.5,a,\n"})
    assert found.dataset.rows.test == 40
    assert found.dataset.set_aside == 2
    assert "'test.csv': 1 of 42 rows rejected: a class of the target that no training row has" in found.dataset.warnings
    assert {row["file"] for row in found.set_aside} == {"test.csv"}


def test_rows_of_the_test_file_that_are_in_the_data_are_counted(drop, good, lines, test_csv):
    found = drop("a.csv", good, companions={"test.csv": test_csv + lines[1] + "\n"})
    assert "1 of 41 rows of 'test.csv' are in the data too" in found.dataset.warnings


def test_a_column_that_is_dropped_from_the_data_is_not_compared(drop):
    data = table([(1, number % 97, number % 2) for number in range(200)], "constant,size,sold")
    test = table([(2, 5, 1), (1, 96, 0)], "constant,size,sold")
    found = drop("a.csv", data, spec="target: sold", companions={"test.csv": test})
    assert "constant" not in [column.name for column in found.dataset.columns]
    assert any("of 2 rows of 'test.csv' are in the data too" in warning for warning in found.dataset.warnings)


def test_labels_and_numbers_are_read_as_the_data_has_them(drop):
    data = table([(number, number % 7, number % 2) for number in range(0, 200, 1)], "x,y,label")
    test = table([("1.5", "3", "1.0"), ("n/a", "2", "0")], "x,y,label")
    found = drop("a.csv", data, spec="task: classification\ntarget: label\ndrop: [x]", companions={"test.csv": test})
    assert found.split("test")["label"].to_list() == ["1", "0"]


@pytest.fixture
def daily():
    rows = [(f"2024-{1 + day // 28:02}-{1 + day % 28:02}", day % 5, day % 3 == 0, f"g{day % 9}") for day in range(300)]
    _CHANCE.shuffle(rows)
    return table(rows, "day,x,sold,shop")


def test_by_time_the_latest_rows_test_and_those_before_them_validate(drop, daily):
    found = drop("a.csv", daily, spec="target: sold\nsplit: {by: time, column: x}\n")
    assert found.split("train")["x"].max() < found.split("validation")["x"].min()
    assert found.split("validation")["x"].max() < found.split("test")["x"].min()


def test_dates_of_text_split_by_time(drop, daily):
    found = drop("a.csv", daily, spec="target: sold\nsplit: {by: time, column: day, test: 0.2}\n")
    assert found.dataset.rows.test == 60
    assert found.dataset.rows.validation == 30


def test_by_group_no_group_is_in_two_splits_and_its_name_is_not_a_feature(drop, daily):
    found = drop("a.csv", daily, spec="target: sold\nsplit: {by: group, column: shop}\n")
    assert found.left_out["shop"] == "it groups the rows for the split (split.column)"
    sizes = found.dataset.rows
    assert {sizes.test, sizes.validation} <= {33, 34}


def test_rows_without_a_group_are_rejected(drop, daily):
    body = daily.replace(",g3\n", ",\n")
    found = drop("a.csv", body, spec="target: sold\nsplit: {by: group, column: shop}\n")
    assert found.dataset.set_aside == 33
    assert "no group in the column 'shop'" in found.dataset.warnings[0]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("split: {by: time, column: dya}", "there is no column 'dya': did you mean 'day'"),
        ("split: {by: time, column: shop}\ntarget: sold", "the values of 'shop' are not times"),
        ("split: {by: group, column: sold}\ntarget: sold", "'sold' is the target"),
        ("weight: wieght", "there is no column 'wieght'"),
    ],
)
def test_a_column_that_cannot_split_or_weigh_is_an_error_of_the_spec(drop, daily, spec, words):
    with pytest.raises(InvalidJobSpecError, match=words):
        drop("a.csv", daily, spec=spec)


def test_too_few_groups_leave_a_split_without_rows(drop, daily):
    with pytest.raises(TooFewRowsError, match="2 moments in column 'half' leave none for training: at least 3"):
        drop("a.csv", halves(daily), spec="target: sold\nsplit: {by: time, column: half}\n")


def halves(daily):
    first, *rest = daily.splitlines()
    return "\n".join([first + ",half", *(f"{line},{number % 2}" for number, line in enumerate(rest))]) + "\n"


def test_a_class_that_comes_after_all_training_rows_is_rejected(drop):
    rows = [(day, day % 4, "new" if day >= 290 else ("a", "b")[day % 2]) for day in range(300)]
    found = drop("a.csv", table(rows, "day,x,y"), spec="split: {by: time, column: day}\n")
    assert found.dataset.classes == ("a", "b")
    assert found.dataset.rows.test == 20
    assert any("that no training row has" in warning for warning in found.dataset.warnings)


def test_weights_are_in_the_splits_and_no_feature(drop, daily):
    found = drop("a.csv", daily, spec="target: sold\nweight: x\n")
    assert found.dataset.weight == "x"
    assert "x" not in found.kinds
    assert found.split("train")["x"].min() > 0
    assert found.dataset.set_aside == 60


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
def test_a_truth_value_is_the_class_of_its_word_in_any_case(drop, classes, name, body):
    rows = [(f"{_CHANCE.random():.4f}", classes[number % len(classes)]) for number in range(60)]
    found = drop("a.csv", table(rows, "size,sold"), companions={name: body})
    assert found.split("test")["sold"].to_list() == list(classes[:2])


@pytest.mark.parametrize(
    ("classes", "label"), [(("Red", "blue"), "red"), (("True", "true", "False"), "TRUE"), (("Yes", "No"), "yes")]
)
def test_words_and_truth_values_that_differ_by_case_in_the_data_are_not_matched(drop, classes, label):
    rows = [(f"{_CHANCE.random():.4f}", classes[number % len(classes)]) for number in range(60)]
    test = f"size,sold\n1,{label}\n2,{classes[0]}\n"
    found = drop("a.csv", table(rows, "size,sold"), companions={"test.csv": test})
    assert found.split("test")["sold"].to_list() == [classes[0]]


def _dated(days):
    return table([(day, number * 7 % 97 / 8, "ab"[number % 2]) for number, day in enumerate(days)], "day,size,y")


@pytest.mark.parametrize(("data", "test"), [("{d}.{m}.2024", "{m}/{d}/2024"), ("{m}/{d}/2024", "{d}/{m}/2024")])
def test_a_test_file_in_the_other_order_of_day_and_month_is_refused(drop, data, test):
    days = [{"d": 1 + number % 28, "m": 1 + number % 12} for number in range(200)]
    data, test = (_dated([form.format(**day) for day in days]) for form in (data, test))
    with pytest.raises(InvalidColumnsError, match=r"'test.csv': column 'day': the (day|month) comes first in the"):
        drop("a.csv", data, companions={"test.csv": test})


def test_a_test_file_whose_order_the_data_does_not_tell_is_not_guessed(drop):
    data = _dated([f"2024-{1 + number % 12:02}-{1 + number % 28:02}" for number in range(200)])
    test = _dated([f"{1 + number % 28}/{1 + number % 12}/2024" for number in range(40)])
    found = drop("a.csv", data, companions={"test.csv": test})
    days = found.split("test")["day"]
    assert 0 < days.null_count() < 40
    assert any("because the training file does not show" in warning for warning in found.dataset.warnings)
