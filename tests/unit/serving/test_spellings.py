"""A request may spell cells as the training file did; an ambiguous cell is refused with its place."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import pytest

from pipeline.contracts.signature import Column
from pipeline.parsing.missing import MISSING, NUMBER_MISSING
from pipeline.parsing.numbers import NumberFormat
from pipeline.serving.formats.rows import decode_rows
from tests.helpers.request_rows import columns_of, feed, refused

NAN = float("nan")
GERMAN = NumberFormat(decimal=",", group=".")
DOLLARS = NumberFormat(group=",", units=("$",))
GIGABYTES = NumberFormat(units=("GB",))


# Numbers


@pytest.mark.parametrize(
    ("number_format", "text", "number"),
    [
        (NumberFormat(), "80.5", 80.5),
        (NumberFormat(), " -1e3 ", -1000.0),
        (NumberFormat(), "\u00a07\u200b", 7.0),
        (GERMAN, "80,5", 80.5),
        (GERMAN, "1.299,75", 1299.75),
        (GERMAN, "80.5", 80.5),
        (DOLLARS, "$1,299.00", 1299.0),
        (DOLLARS, "($204.50)", -204.5),
        (DOLLARS, "1299", 1299.0),
        (GIGABYTES, "8GB", 8.0),
        (GIGABYTES, "16", 16.0),
    ],
)
def test_a_number_may_be_text_in_the_format_of_the_training_file(
    number_format: NumberFormat, text: str, number: float
) -> None:
    column = Column(name="size", kind="numeric", number_format=number_format)
    assert feed(column, text, number, 3) == [number, number, 3.0]


def test_each_column_has_its_own_format() -> None:
    columns = columns_of(
        Column(name="a", kind="numeric", number_format=GERMAN),
        Column(name="b", kind="numeric"),
        Column(name="c", kind="numeric", number_format=DOLLARS),
    )
    feeds = decode_rows([{"a": "0,5", "b": "0.5", "c": "$1"}, {"c": "$2", "b": 1, "a": "1,5"}], columns)
    assert {name: array.tolist() for name, array in feeds.items()} == {"a": [0.5, 1.5], "b": [0.5, 1], "c": [1, 2]}


@pytest.mark.parametrize(
    ("number_format", "text", "example"),
    [
        (NumberFormat(), "80,5", "1299.5"),
        (NumberFormat(), "8GB", "1299.5"),
        (GERMAN, "1,2,3", "1.299,5"),
        (DOLLARS, "1.299,00", "1,299.5"),
        (GIGABYTES, "8 apples", "1299.5"),
    ],
)
def test_a_text_that_does_not_match_the_number_format_is_refused(
    number_format: NumberFormat, text: str, example: str
) -> None:
    column = Column(name="size", kind="numeric", number_format=number_format)
    message = refused(column, 1, text)
    assert message == f"rows[1], column 'size': a number such as {example} or null is expected, this is other text"


@pytest.mark.parametrize(("cell", "actual"), [(True, "a boolean"), (False, "a boolean"), ([1], "an array")])
def test_a_boolean_or_an_array_is_refused_as_a_number(cell: Any, actual: str) -> None:
    message = refused(Column(name="size", kind="numeric"), "1", cell)
    assert message == f"rows[1], column 'size': a number or null is expected, this is {actual}"


def test_a_wide_column_is_fed_as_float64() -> None:
    columns = columns_of(Column(name="counter", kind="numeric", is_wide=True), Column(name="shift", kind="numeric"))
    row = {"counter": 1000000035.25, "shift": 1}
    for rows in ([row], [row, {"counter": "1000000035.25", "shift": 1}], [{"counter": 1e300, "shift": None}] * 2):
        feeds = decode_rows(rows, columns)
        assert (feeds["counter"].dtype, feeds["shift"].dtype) == (np.float64, np.float32)
        assert feeds["counter"][-1] == float(rows[-1]["counter"])


def test_the_datatype_of_a_wide_column_is_fp64() -> None:
    assert [Column(name="x", kind="numeric", is_wide=is_wide).datatype for is_wide in (True, False)] == ["FP64", "FP32"]


@pytest.mark.parametrize(("is_wide", "cell", "bound"), [(False, 1e39, "±3.4e38"), (True, 10**400, "±1.8e308")])
def test_a_number_beyond_the_range_of_the_column_is_refused(is_wide: bool, cell: Any, bound: str) -> None:
    column = Column(name="x", kind="numeric", is_wide=is_wide)
    assert f"a number within {bound} is expected, this is a larger one" in refused(column, 1, cell)
    assert "rows[1]" in refused(column, 1, -cell)


@pytest.mark.parametrize("text", ["1" * 10_000_000, "x" * 10_000_000, "1e999", "0x1F", "1_000", "\ud800", "é" * 10**6])
def test_a_hostile_text_is_refused_quickly(text: str) -> None:
    start = time.process_time()
    for kind in ("numeric", "boolean", "datetime"):
        assert "this is other text" in refused(Column(name="x", kind=kind), text)  # type: ignore[arg-type]
    assert time.process_time() - start < 5


# Missing values


@pytest.mark.parametrize("marker", [None, *sorted(MISSING), " NA\u00a0", "\ufeffnull"])
@pytest.mark.parametrize("kind", ["numeric", "categorical", "boolean", "text", "datetime"])
def test_a_default_marker_is_a_missing_value_in_every_kind_of_column(kind: Any, marker: str | None) -> None:
    (cell, _) = feed(Column(name="x", kind=kind), marker, None)
    assert cell == "" or math.isnan(cell)


@pytest.mark.parametrize("marker", sorted(NUMBER_MISSING - MISSING))
def test_a_numeric_marker_is_missing_in_numeric_columns_and_a_value_in_others(marker: str) -> None:
    assert math.isnan(feed(Column(name="x", kind="numeric"), marker)[0])
    assert feed(Column(name="x", kind="categorical"), marker) == [marker]


def test_markers_of_the_settings_replace_the_default_markers() -> None:
    word, number = Column(name="x", kind="categorical"), Column(name="x", kind="numeric")
    assert feed(word, "NA", "absent", " absent ", "", missing=("absent",)) == ["NA", "", "", ""]
    assert math.isnan(feed(number, "absent", missing=("absent",))[0])
    assert "other text" in refused(number, "NA", missing=("absent",))
    assert "other text" in refused(number, "-", missing=("absent",))
    assert feed(word, "NA", "None", missing=()) == ["NA", "None"]


@pytest.mark.parametrize("cell", ["-999", -999, -999.0, " -999"])
@pytest.mark.parametrize("kind", ["numeric", "boolean", "datetime"])
def test_a_numeric_missing_marker_may_be_a_number_or_text(kind: Any, cell: Any) -> None:
    (value,) = feed(Column(name="x", kind=kind), cell, missing=("-999",))
    assert math.isnan(value)
    assert feed(Column(name="x", kind="numeric"), -998, missing=("-999",)) == [-998]


# Booleans


@pytest.mark.parametrize("cell", [True, 1, 1.0, "1", "1.0", "true", "TRUE", "Yes", " yes\u00a0"])
def test_true_values_become_1(cell: Any) -> None:
    assert feed(Column(name="x", kind="boolean"), cell, False) == [1.0, 0.0]


@pytest.mark.parametrize("cell", [False, 0, 0.0, -0.0, "0", "0.0", "False", "no", "NO"])
def test_false_values_become_0(cell: Any) -> None:
    assert feed(Column(name="x", kind="boolean"), True, cell) == [1.0, 0.0]


@pytest.mark.parametrize(
    ("cell", "actual"),
    [(2, "another number"), (-1, "another number"), (0.5, "another number"), (10**30, "another number"),
     ("2", "other text"), ("yep", "other text"), ("10", "other text"), ([True], "an array")],
)  # fmt: skip
def test_a_value_that_is_not_boolean_is_refused(cell: Any, actual: str) -> None:
    message = refused(Column(name="x", kind="boolean"), True, cell)
    assert message == f"rows[1], column 'x': true, false, 1, 0 or null is expected, this is {actual}"


# Codes and categories


@pytest.mark.parametrize("cell", [7, 7.0, "7", "7.0", "7.", " 7 ", "\ufeff7.00"])
def test_all_spellings_of_a_whole_number_are_the_same_code(cell: Any) -> None:
    assert feed(Column(name="zip", kind="categorical", is_code=True), cell, 8) == ["7", "8"]


@pytest.mark.parametrize(("cell", "code"), [("007", "007"), ("7.5", "7.5"), ("7.0.0", "7.0.0"), ("x7.0", "x7.0")])
def test_a_code_that_is_not_a_whole_number_is_unchanged(cell: str, code: str) -> None:
    assert feed(Column(name="zip", kind="categorical", is_code=True), cell) == [code]


def test_a_category_that_is_not_a_code_keeps_the_decimals_of_a_text() -> None:
    assert feed(Column(name="version", kind="categorical"), "7.0", 7.0) == ["7.0", "7"]


@pytest.mark.parametrize("is_code", [True, False])
def test_big_integers_keep_their_digits(is_code: bool) -> None:
    column = Column(name="gtin", kind="categorical", is_code=is_code)
    big = [2**53 + 1, 900719925474099301, 2**64 - 1, -(2**63), 10**30 + 1]
    assert feed(column, *big) == [str(number) for number in big]
    assert feed(column, *map(str, big)) == [str(number) for number in big]


@pytest.mark.parametrize("cell", [float(2**53), 1.8446744073709552e19, -1e300])
def test_a_code_is_refused_as_a_float_beyond_exact_integers(cell: float) -> None:
    message = refused(Column(name="gtin", kind="categorical", is_code=True), 1, cell)
    assert "rows[1], column 'gtin': text is expected for a number beyond 2^53" in message


@pytest.mark.parametrize("text", ["café", "cafe\u0301", " café\u00a0", "\u200bcafé\u200b", "\ufeff café"])
def test_a_category_is_stripped_and_normalized(text: str) -> None:
    assert feed(Column(name="place", kind="categorical"), text, "bar") == ["café", "bar"]


def test_a_category_keeps_case_and_inner_blanks() -> None:
    words = ["Bar", "BAR", "b\u00a0ar", "b  ar", "☕\u200d🦆", "\0"]
    assert feed(Column(name="place", kind="categorical"), *words) == words


def test_a_text_of_many_combining_marks_is_read_quickly() -> None:
    start = time.process_time()
    (text,) = feed(Column(name="note", kind="text"), "a" + "\u0315\u0300" * 200_000)
    assert len(text) == 400_001
    assert time.process_time() - start < 5


# Dates


@pytest.mark.parametrize(
    ("unit", "cell", "seconds"),
    [
        ("", 1706659200, 1706659200.0),
        ("s", 1706659200, 1706659200.0),
        ("s", "1706659200.5", 1706659200.5),
        ("ms", 1706659200500, 1706659200.5),
        ("ms", "1706659200500", 1706659200.5),
        ("us", 1706659200000000.0, 1706659200.0),
        ("ns", "1706659200000000000", 1706659200.0),
        ("yyyymmdd", 20240131, 1706659200.0),
        ("yyyymmdd", "20240131", 1706659200.0),
        ("yyyymmdd", "20240131.0", 1706659200.0),
        ("yyyymmdd", "2024-01-31", 1706659200.0),
        ("ms", "2024-01-31", 1706659200.0),
        ("", "31/01/2024 18.00.00", 1706724000.0),
        ("", "18.00.00", 64800.0),
        ("hh.mm.ss", "10.11.12", 36672.0),
    ],
)
def test_a_numeric_date_is_read_in_the_time_unit_of_the_column(unit: Any, cell: Any, seconds: float) -> None:
    assert feed(Column(name="when", kind="datetime", time_unit=unit, day_first=True), cell) == [seconds]


@pytest.mark.parametrize(
    ("unit", "cell", "expected"),
    [
        ("", "20240131", "seconds since 1970"),
        ("", "1706659200", "seconds since 1970"),
        ("ms", 10**400, "milliseconds since 1970"),
        ("s", 1e300, "seconds since 1970"),
        ("ns", "1" * 20 + "0", "nanoseconds since 1970"),
        ("yyyymmdd", 20240231, "a number such as 20240131"),
        ("yyyymmdd", 240131, "a number such as 20240131"),
        ("yyyymmdd", 20240131.5, "a number such as 20240131"),
        ("hh.mm.ss", "31.12.24", "a time such as 10.30.00"),
        ("", True, "seconds since 1970"),
    ],
)
def test_an_invalid_date_in_the_time_unit_of_the_column_is_refused(unit: Any, cell: Any, expected: str) -> None:
    message = refused(Column(name="when", kind="datetime", time_unit=unit), None, cell)
    assert f"rows[1], column 'when': a date such as 2024-01-31T10:30:00Z, {expected} or null is expected" in message


def test_date_columns_with_different_time_units_are_read_together() -> None:
    columns = columns_of(
        Column(name="a", kind="datetime", time_unit="ms"),
        Column(name="b", kind="datetime", day_first=True),
        Column(name="c", kind="datetime", day_first=False),
    )
    row = {"a": 1000, "b": "3/1/1970", "c": "1/3/1970"}
    for rows in ([row], [row, row]):
        feeds = decode_rows(rows, columns)
        assert [feeds[name][-1] for name in "abc"] == [1.0, 172800.0, 172800.0]
