"""Kinds that are inferred for columns, and columns that are dropped or refused."""

from __future__ import annotations

import random
from datetime import date, time, timedelta

import polars as pl
import pytest

from pipeline.contracts.errors import InvalidColumnsError, InvalidJobSpecError
from pipeline.validation.columns.cells import strip_cells
from pipeline.validation.columns.inferred import InferredColumn
from pipeline.validation.columns.type_inference import infer_column


def _kind(values, name="column", **options):
    inferred = infer_column(strip_cells(pl.Series(name, values)), **options)
    return inferred.column.kind if isinstance(inferred, InferredColumn) else inferred.reason


def _values(values, **options):
    inferred = infer_column(strip_cells(pl.Series("column", values)), **options)
    assert isinstance(inferred, InferredColumn)
    return inferred.values.to_list()


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "2.5", "-3e2", "2.5"], "numeric"),
        (["1", "1", "?", "NA", "", "-", "null"], "numeric"),
        (["38", "39", "39", "38"], "numeric"),
        (["02134", "10001", "02134"], "categorical"),
        (["0.5", "0.25", "0", "0"], "numeric"),
        (["0", "1", "0", "1"], "numeric"),
        (["true", "False", None], "boolean"),
        (["Yes", "no", "?", "no"], "boolean"),
        (["t", "f", "t", "f"], "categorical"),
        (["red", "green", "red", "green"], "categorical"),
        (["1,5", "2,5", "1,5", "1,5"], "numeric"),
        ([str(number) for number in range(50, 99)], "numeric"),
        ([5, 3, 4, 6], "numeric"),
        ([True, False, None], "boolean"),
        ([1.5, float("nan"), 1.5], "numeric"),
        (["2024-01-31", "2024-02-01", "2024-1-1"], "datetime"),
        (["3 Jan 2024", "14-February-24", "3 Jan 2024"], "datetime"),
        (["10:30", "23:59:59", "00:00"], "datetime"),
        (["31/02/2024", "99/99/2024", "31/02/2024"], "categorical"),
        ([date(2024, 1, 31), None], "datetime"),
        ([time(10, 30), time(23)], "datetime"),
        (["it came late and was broken", "very good, would buy again", "fine for what it costs"], "text"),
        ([f"n{number}" for number in range(50)], "text"),
        ([f"{number:05}" for number in range(50)], "text"),
    ],
)
def test_kinds_of_columns_are_inferred_from_their_values(values, kind):
    assert _kind(values) == kind


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([str(number) for number in range(49)], "row number"),
        ([1, 3, 4, 2], "row number"),
        ([timedelta(hours=1), timedelta(hours=2)], "Duration"),
        (["", "?", None], "only missing values"),
        ([None, None], "only missing values"),
        ([[1], [2]], "arrays"),
        ([b"a", b"b"], "Binary"),
    ],
)
def test_a_dropped_column_has_a_reason(values, reason):
    assert reason in _kind(values)


@pytest.mark.parametrize("name", ["id", "ID", "patient_id", "CustomerId", "uuid", "rowid", "Unnamed: 0", "userID"])
def test_unique_integers_are_numeric_with_a_warning_when_named_like_an_identifier(name):
    inferred = infer_column(pl.Series(name, [70, 3, 19]))
    assert isinstance(inferred, InferredColumn)
    assert inferred.column.kind == "numeric"
    assert f"drop: [{name}] leaves it out" in inferred.warnings[0]


@pytest.mark.parametrize("name", ["population", "fnlwgt", "paid", "price_index", "width"])
def test_unique_integers_are_numeric_without_a_warning_under_another_name(name):
    inferred = infer_column(pl.Series(name, [70, 3, 19]))
    assert isinstance(inferred, InferredColumn)
    assert (inferred.column.kind, inferred.warnings) == ("numeric", ())


def test_unique_fractions_are_numeric_under_any_name():
    assert _kind([0.5, 1.5, 2.5], "id") == "numeric"


def test_a_few_words_among_numbers_are_missing_with_a_warning():
    inferred = infer_column(pl.Series("price", ["oops", *(f"{number % 50}.5" for number in range(199))]))
    assert isinstance(inferred, InferredColumn)
    assert (inferred.column.kind, inferred.values.null_count()) == ("numeric", 1)
    assert inferred.warnings == ("column 'price': 1 cell without a number that fits float32, read as missing",)


def test_a_column_with_many_words_among_numbers_is_categorical():
    assert _kind(["low", "low", *(str(number % 10) for number in range(98))]) == "categorical"


def test_integers_that_float64_cannot_hold_are_reported():
    inferred = infer_column(pl.Series("account", [2**60 + 1, 5, 5, 7]))
    assert isinstance(inferred, InferredColumn)
    assert "2**53" in " ".join(inferred.warnings)


def test_values_that_are_infinite_in_float32_are_missing():
    assert _values([1e300, 1.0, float("inf"), 2.0]) == [None, 1.0, None, 2.0]


def test_text_is_trimmed_and_decimal_commas_are_read():
    assert _values([" red ", "green", "red"] * 2)[:2] == ["red", "green"]
    assert _values(["1,5", "2", "1,5"]) == [1.5, 2.0, 1.5]


def test_a_constant_column_is_dropped(drop, good):
    validated = drop("a.csv", good.replace("size", "size,one", 1).replace("\n0.", "\n0.5,0."), target="sold")
    assert "constant" in validated.left_out["size"]


def test_a_column_named_in_drop_is_not_read(drop, good):
    validated = drop("a.csv", good, spec="drop: [colour]")
    assert validated.left_out == {"colour": "dropped by train.yaml"}
    assert validated.split("train").columns == ["size", "sold"]


@pytest.mark.parametrize(("name", "words"), [("color", "did you mean 'colour'"), ("sold", "is the target")])
def test_dropping_an_unknown_column_or_the_target_is_a_spec_error(drop, good, name, words):
    with pytest.raises(InvalidJobSpecError, match=words):
        drop("a.csv", good, spec=f"drop: [{name}]")


def test_the_vocabulary_lists_the_training_values_by_frequency(drop):
    chance = random.Random(1)
    cells = chance.choices(["rare", "often", "always"], weights=[1, 3, 9], k=500)
    validated = drop("a.csv", "word,y\n" + "".join(f"{cell},{chance.choice('ab')}\n" for cell in cells))
    train = validated.split("train")["word"]
    assert validated.dataset.columns[0].vocabulary == ("always", "often", "rare")
    assert validated.dataset.columns[0].distinct == train.n_unique()


def test_a_vocabulary_has_at_most_a_thousand_values(drop):
    rows = [f"w{number % 1500},{number % 2}" for number in range(4500)]
    validated = drop("a.csv", "word,y\n" + "\n".join(rows))
    assert len(validated.dataset.columns[0].vocabulary) == 1000
    assert any("1,000 most frequent" in warning for warning in validated.dataset.warnings)


def test_statistics_come_from_the_training_rows(drop, good):
    validated = drop("a.csv", good)
    column, train = validated.dataset.columns[0], validated.split("train")["size"]
    assert column.mean == pytest.approx(train.mean(), rel=1e-6)
    assert (column.minimum, column.maximum, column.missing) == (train.min(), train.max(), 0)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("size," + "x" * 201 + ",sold", "column 2 has 201 characters"),
        (",".join(f"c{number}" for number in range(100_000)), "100,000 columns: at most 10,000"),
    ],
)
def test_a_header_with_a_long_name_or_too_many_columns_is_refused(drop, lines, header, words):
    with pytest.raises(InvalidColumnsError, match=words):
        drop("a.csv", "\n".join([header, *lines[1:]]))


@pytest.mark.parametrize(
    ("header", "names", "words"),
    [
        ("size,size,sold", ["size", "size_2"], "columns 1 and 2 are all named 'size'"),
        ("size, size ,sold", ["size", "size_2"], "columns 1 and 2 are all named 'size'"),
        ("size,,sold", ["size", "column_2"], "2 ('column_2')"),
        ("0.5,a,yes", ["column_1", "column_2"], "no header"),
    ],
)
def test_duplicate_and_missing_column_names_are_replaced_with_a_warning(drop, lines, header, names, words):
    validated = drop("a.csv", "\n".join([header, *lines[1:]]))
    assert [column.name for column in validated.dataset.columns] == names
    assert words in " ".join(validated.dataset.warnings)


def test_one_column_is_not_enough(drop):
    with pytest.raises(InvalidColumnsError, match="comma, semicolon, tab"):
        drop("a.csv", "x\n1\n2\n")


def test_a_table_of_only_missing_values_is_refused_with_the_column_names(drop):
    with pytest.raises(InvalidColumnsError, match="'a': only missing values; 'b': only missing values"):
        drop("a.csv", "a,b,y\n" + ",,1\n,?,0\n" * 60)


def test_json_lines_with_too_many_different_keys_are_refused(drop):
    with pytest.raises(InvalidColumnsError, match="at most 10,000"):
        drop("a.jsonl", "".join(f'{{"k{number}": 1}}\n' for number in range(20_000)))
