"""A request may spell names and cells as the training file did; what is ambiguous is refused by its place."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import pytest

from pipeline.contracts.errors import InvalidRequestError
from pipeline.contracts.signature import Column, Signature
from pipeline.parsing.missing import MISSING, NUMBER_MISSING
from pipeline.parsing.numbers import NumberFormat
from pipeline.serving.api.messages import Caller, HttpRequest
from pipeline.serving.api.prediction_api import PredictionApi
from pipeline.serving.formats.rows import decode_rows
from pipeline.serving.request_decoder import RequestDecoder
from pipeline.serving.tensors import TensorDecoder
from tests.fakes.models import OneModel
from tests.helpers.served_models import loaded

NAN = float("nan")
GERMAN = NumberFormat(decimal=",", group=".")
DOLLARS = NumberFormat(group=",", units=("$",))
GIGABYTES = NumberFormat(units=("GB",))


def columns_of(*columns: Column, missing: tuple[str, ...] | None = None) -> RequestDecoder:
    return RequestDecoder(Signature(task="regression", target="price", columns=columns, missing=missing), 100)


def feed(column: Column, *cells: Any, missing: tuple[str, ...] | None = None) -> list[Any]:
    """The array of one column: a row alone, the rows together and the rows as a tensor give the same."""
    columns = columns_of(column, missing=missing)
    together = decode_rows([{column.name: cell} for cell in cells], columns)[column.name]
    alone = [decode_rows([{column.name: cell}], columns)[column.name][0] for cell in cells]
    np.testing.assert_array_equal(together, np.array(alone, together.dtype))
    return together.tolist()


def refused(column: Column, *cells: Any, missing: tuple[str, ...] | None = None) -> str:
    with pytest.raises(InvalidRequestError) as raised:
        decode_rows([{column.name: cell} for cell in cells], columns_of(column, missing=missing))
    return raised.value.message


def refused_rows(rows: Any, *columns: Column) -> str:
    with pytest.raises(InvalidRequestError) as raised:
        decode_rows(rows, columns_of(*columns))
    return raised.value.message


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
def test_a_number_may_be_text_as_the_file_wrote_it(number_format: NumberFormat, text: str, number: float) -> None:
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
def test_a_text_that_the_format_does_not_settle_is_refused(
    number_format: NumberFormat, text: str, example: str
) -> None:
    column = Column(name="size", kind="numeric", number_format=number_format)
    message = refused(column, 1, text)
    assert message == f"rows[1], column 'size': a number such as {example} or null is expected, this is other text"


@pytest.mark.parametrize(("cell", "found"), [(True, "a boolean"), (False, "a boolean"), ([1], "an array")])
def test_a_truth_value_or_an_array_is_no_number(cell: Any, found: str) -> None:
    message = refused(Column(name="size", kind="numeric"), "1", cell)
    assert message == f"rows[1], column 'size': a number or null is expected, this is {found}"


def test_a_wide_column_is_fed_as_float64() -> None:
    columns = columns_of(Column(name="counter", kind="numeric", is_wide=True), Column(name="shift", kind="numeric"))
    row = {"counter": 1000000035.25, "shift": 1}
    for rows in ([row], [row, {"counter": "1000000035.25", "shift": 1}], [{"counter": 1e300, "shift": None}] * 2):
        feeds = decode_rows(rows, columns)
        assert (feeds["counter"].dtype, feeds["shift"].dtype) == (np.float64, np.float32)
        assert feeds["counter"][-1] == float(rows[-1]["counter"])


def test_a_wide_column_is_fp64_to_the_protocol() -> None:
    assert [Column(name="x", kind="numeric", is_wide=is_wide).datatype for is_wide in (True, False)] == ["FP64", "FP32"]


@pytest.mark.parametrize(("is_wide", "cell", "bound"), [(False, 1e39, "±3.4e38"), (True, 10**400, "±1.8e308")])
def test_a_number_beyond_the_columns_type_is_refused(is_wide: bool, cell: Any, bound: str) -> None:
    column = Column(name="x", kind="numeric", is_wide=is_wide)
    assert f"a number within {bound} is expected, this is a larger one" in refused(column, 1, cell)
    assert "rows[1]" in refused(column, 1, -cell)


@pytest.mark.parametrize("text", ["1" * 10_000_000, "x" * 10_000_000, "1e999", "0x1F", "1_000", "\ud800", "é" * 10**6])
def test_a_hostile_text_is_no_number_and_refused_at_once(text: str) -> None:
    start = time.monotonic()
    for kind in ("numeric", "boolean", "datetime"):
        assert "this is other text" in refused(Column(name="x", kind=kind), text)  # type: ignore[arg-type]
    assert time.monotonic() - start < 5


# Missing values


@pytest.mark.parametrize("marker", [None, *sorted(MISSING), " NA\u00a0", "\ufeffnull"])
@pytest.mark.parametrize("kind", ["numeric", "categorical", "boolean", "text", "datetime"])
def test_a_usual_marker_is_a_missing_value_in_every_kind_of_column(kind: Any, marker: str | None) -> None:
    (cell, _) = feed(Column(name="x", kind=kind), marker, None)
    assert cell == "" or math.isnan(cell)


@pytest.mark.parametrize("marker", sorted(NUMBER_MISSING - MISSING))
def test_a_marker_among_numbers_is_missing_there_and_a_value_elsewhere(marker: str) -> None:
    assert math.isnan(feed(Column(name="x", kind="numeric"), marker)[0])
    assert feed(Column(name="x", kind="categorical"), marker) == [marker]


def test_markers_of_the_settings_replace_the_usual_ones() -> None:
    word, number = Column(name="x", kind="categorical"), Column(name="x", kind="numeric")
    assert feed(word, "NA", "absent", " absent ", "", missing=("absent",)) == ["NA", "", "", ""]
    assert math.isnan(feed(number, "absent", missing=("absent",))[0])
    assert "other text" in refused(number, "NA", missing=("absent",))
    assert "other text" in refused(number, "-", missing=("absent",))
    assert feed(word, "NA", "None", missing=()) == ["NA", "None"]


@pytest.mark.parametrize("cell", ["-999", -999, -999.0, " -999"])
@pytest.mark.parametrize("kind", ["numeric", "boolean", "datetime"])
def test_a_number_that_marks_a_missing_value_does_so_as_a_number_too(kind: Any, cell: Any) -> None:
    (value,) = feed(Column(name="x", kind=kind), cell, missing=("-999",))
    assert math.isnan(value)
    assert feed(Column(name="x", kind="numeric"), -998, missing=("-999",)) == [-998]


# Booleans


@pytest.mark.parametrize("cell", [True, 1, 1.0, "1", "1.0", "true", "TRUE", "Yes", " yes\u00a0"])
def test_what_is_true_is_1(cell: Any) -> None:
    assert feed(Column(name="x", kind="boolean"), cell, False) == [1.0, 0.0]


@pytest.mark.parametrize("cell", [False, 0, 0.0, -0.0, "0", "0.0", "False", "no", "NO"])
def test_what_is_false_is_0(cell: Any) -> None:
    assert feed(Column(name="x", kind="boolean"), True, cell) == [1.0, 0.0]


@pytest.mark.parametrize(
    ("cell", "found"),
    [(2, "another number"), (-1, "another number"), (0.5, "another number"), (10**30, "another number"),
     ("2", "other text"), ("yep", "other text"), ("10", "other text"), ([True], "an array")],
)  # fmt: skip
def test_what_is_neither_true_nor_false_is_refused(cell: Any, found: str) -> None:
    message = refused(Column(name="x", kind="boolean"), True, cell)
    assert message == f"rows[1], column 'x': true, false, 1, 0 or null is expected, this is {found}"


# Codes and categories


@pytest.mark.parametrize("cell", [7, 7.0, "7", "7.0", "7.", " 7 ", "\ufeff7.00"])
def test_the_code_7_has_many_spellings(cell: Any) -> None:
    assert feed(Column(name="zip", kind="categorical", is_code=True), cell, 8) == ["7", "8"]


@pytest.mark.parametrize(("cell", "code"), [("007", "007"), ("7.5", "7.5"), ("7.0.0", "7.0.0"), ("x7.0", "x7.0")])
def test_what_is_no_whole_number_stays_as_it_is(cell: str, code: str) -> None:
    assert feed(Column(name="zip", kind="categorical", is_code=True), cell) == [code]


def test_a_category_that_is_no_code_keeps_its_decimals_as_text() -> None:
    assert feed(Column(name="version", kind="categorical"), "7.0", 7.0) == ["7.0", "7"]


@pytest.mark.parametrize("is_code", [True, False])
def test_big_integers_keep_their_digits(is_code: bool) -> None:
    column = Column(name="gtin", kind="categorical", is_code=is_code)
    big = [2**53 + 1, 900719925474099301, 2**64 - 1, -(2**63), 10**30 + 1]
    assert feed(column, *big) == [str(number) for number in big]
    assert feed(column, *map(str, big)) == [str(number) for number in big]


@pytest.mark.parametrize("cell", [float(2**53), 1.8446744073709552e19, -1e300])
def test_a_number_whose_digits_are_lost_is_refused(cell: float) -> None:
    message = refused(Column(name="gtin", kind="categorical", is_code=True), 1, cell)
    assert "rows[1], column 'gtin': text is expected for a number beyond 2^53" in message


@pytest.mark.parametrize("text", ["café", "cafe\u0301", " café\u00a0", "\u200bcafé\u200b", "\ufeff café"])
def test_a_category_is_stripped_and_composed(text: str) -> None:
    assert feed(Column(name="place", kind="categorical"), text, "bar") == ["café", "bar"]


def test_a_category_keeps_case_and_inner_blanks() -> None:
    words = ["Bar", "BAR", "b\u00a0ar", "b  ar", "☕\u200d🦆", "\0"]
    assert feed(Column(name="place", kind="categorical"), *words) == words


def test_a_text_of_nothing_but_marks_takes_no_time() -> None:
    start = time.monotonic()
    (text,) = feed(Column(name="note", kind="text"), "a" + "\u0315\u0300" * 200_000)
    assert len(text) == 400_001
    assert time.monotonic() - start < 5


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
def test_a_number_counts_in_the_columns_unit(unit: Any, cell: Any, seconds: float) -> None:
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
def test_what_is_no_date_in_the_columns_unit_is_refused(unit: Any, cell: Any, expected: str) -> None:
    message = refused(Column(name="when", kind="datetime", time_unit=unit), None, cell)
    assert f"rows[1], column 'when': a date such as 2024-01-31T10:30:00Z, {expected} or null is expected" in message


def test_date_columns_of_several_units_are_read_together() -> None:
    columns = columns_of(
        Column(name="a", kind="datetime", time_unit="ms"),
        Column(name="b", kind="datetime", day_first=True),
        Column(name="c", kind="datetime", day_first=False),
    )
    row = {"a": 1000, "b": "3/1/1970", "c": "1/3/1970"}
    for rows in ([row], [row, row]):
        feeds = decode_rows(rows, columns)
        assert [feeds[name][-1] for name in "abc"] == [1.0, 172800.0, 172800.0]


# Names


AGE = Column(name="age", kind="numeric", aliases=(" age", "age\u00a0 "))
CAFE = Column(name="café", kind="categorical")


@pytest.mark.parametrize(
    ("age", "cafe"),
    [(" age", "café"), ("age", "cafe\u0301"), ("age\u00a0 ", " café "), ("\ufeffage", "café")],
)
def test_a_name_may_be_the_headers_own_or_composed_otherwise(age: str, cafe: str) -> None:
    columns = columns_of(AGE, CAFE)
    for rows in ([{age: 1, cafe: "x"}], [{"age": 1, "café": "x"}, {cafe: "x", age: 1}]):
        feeds = decode_rows(rows, columns)
        assert (feeds["age"].tolist(), feeds["café"].tolist()) == ([1] * len(rows), ["x"] * len(rows))


@pytest.mark.parametrize(
    "row", [{"age": 1, " age": 1, "café": ""}, {"age": 1, " age": 1}, {"cafe\u0301": 1, "café": 2}]
)
def test_a_column_in_two_spellings_is_refused(row: dict[str, Any]) -> None:
    message = refused_rows([{"age": 1, "café": "x"}, row], AGE, CAFE)
    assert message.startswith("rows[1] has '")
    assert "twice, in two spellings" in message


def test_names_that_differ_only_in_case_or_inner_blanks_are_others() -> None:
    message = refused_rows([{"Age": 1, "ca fé": "x"}], AGE, CAFE)
    assert "lacks 'age', 'café' and has 'Age', 'ca fé'" in message
    assert "'Age' is near 'age'" in message


def test_an_exact_name_goes_before_another_columns_alias() -> None:
    columns = columns_of(Column(name="a", kind="numeric"), Column(name="b", kind="numeric", aliases=("a", " b")))
    feeds = decode_rows([{"a": 1, " b": 2}], columns)
    assert (feeds["a"].tolist(), feeds["b"].tolist()) == ([1], [2])


# Absent keys


VIP = Column(name="vip", kind="boolean", is_optional=True)
NOTE = Column(name="note", kind="text", is_optional=True)


def test_a_key_that_training_rows_lacked_may_be_absent() -> None:
    columns = columns_of(AGE, VIP, NOTE)
    for rows in ([{"age": 1}], [{"age": 1, "note": "x", "vip": True}, {"age": 1}, {" age": 1, "vip": 0}]):
        feeds = decode_rows(rows, columns)
        assert feeds["age"].tolist() == [1] * len(rows)
        assert math.isnan(feeds["vip"][1 % len(rows)])
        assert feeds["note"][-1] == ""


@pytest.mark.parametrize("row", [{"vip": True}, {}, {"vip": True, "note": "x"}])
def test_another_absent_key_is_named(row: dict[str, Any]) -> None:
    assert refused_rows([{"age": 1}, row], AGE, VIP, NOTE).startswith("rows[1] lacks 'age': expected are")


def test_an_unknown_key_in_place_of_an_optional_one_is_named() -> None:
    message = refused_rows([{"age": 1, "note": "x", "vop": True}], AGE, VIP, NOTE)
    assert message.startswith("rows[0] has 'vop', which the model does not read ('vop' is near 'vip')")


# Tensors


def tensor(name: str, datatype: str, *data: Any) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": [len(data)], "data": list(data)}


@pytest.mark.parametrize(
    ("column", "datatype", "data", "values"),
    [
        (Column(name="x", kind="numeric", number_format=GERMAN), "BYTES", ["80,5", "NA", None], [80.5, NAN, NAN]),
        (Column(name="x", kind="numeric", is_wide=True), "FP64", [1000000035.25, None], [1000000035.25, NAN]),
        (Column(name="x", kind="numeric", is_wide=True), "FP32", [1, None], [1, NAN]),
        (Column(name="x", kind="numeric", is_wide=True), "INT64", [1000000035, None], [1000000035, NAN]),
        (Column(name="x", kind="boolean"), "BOOL", [True, 0, None], [1, 0, NAN]),
        (Column(name="x", kind="boolean"), "INT8", [1, 0, None], [1, 0, NAN]),
        (Column(name="x", kind="boolean"), "BYTES", ["Yes", "0", ""], [1, 0, NAN]),
        (Column(name="x", kind="datetime", time_unit="yyyymmdd"), "INT64", [19700102, None], [86400, NAN]),
        (Column(name="x", kind="datetime", time_unit="ms"), "BYTES", ["1500", "1970-01-02"], [1.5, 86400]),
        (Column(name="x", kind="categorical", is_code=True), "INT64", [7, 2**53 + 1], ["7", str(2**53 + 1)]),
        (Column(name="x", kind="categorical", is_code=True), "BYTES", ["7.0", None], ["7", ""]),
    ],
)
def test_a_tensor_may_hold_the_files_spellings(column: Column, datatype: str, data: list[Any], values: Any) -> None:
    feeds = TensorDecoder(columns_of(column))([tensor("x", datatype, *data)])
    np.testing.assert_array_equal(feeds["x"], np.array(values, feeds["x"].dtype))
    assert feeds["x"].dtype == (np.float64 if column.is_wide or column.kind == "datetime" else feeds["x"].dtype)


@pytest.mark.parametrize(
    ("column", "datatype", "data", "words"),
    [
        (Column(name="x", kind="numeric"), "BYTES", ["1", "80,5"], "input 'x', element 1: a number such as"),
        (Column(name="x", kind="numeric"), "BOOL", [True], "datatype: one of FP32"),
        (Column(name="x", kind="numeric"), "BYTES", [1], "BYTES or null is expected, this is a number"),
        (Column(name="x", kind="boolean"), "INT8", [1, 2], "input 'x', element 1: true, false, 1, 0"),
        (Column(name="x", kind="categorical"), "INT64", [1], "datatype: one of BYTES"),
    ],
)
def test_a_tensor_of_another_spelling_is_refused(column: Column, datatype: str, data: list[Any], words: str) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        TensorDecoder(columns_of(column))([tensor("x", datatype, *data)])
    assert words in raised.value.message


def test_a_tensor_may_be_absent_or_have_the_headers_own_name() -> None:
    decode = TensorDecoder(columns_of(AGE, CAFE, VIP))
    for name in ("age", " age", "age "):
        feeds = decode([tensor(name, "FP32", 1, 2), tensor("cafe\u0301", "BYTES", "x", "y")])
        assert (feeds["age"].tolist(), feeds["café"].tolist()) == ([1, 2], ["x", "y"])
        assert np.isnan(feeds["vip"]).tolist() == [True, True]


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        (
            [tensor("age", "FP32", 1), tensor(" age", "FP32", 1), tensor("café", "BYTES", "x")],
            "inputs[1]: 'age' is there",
        ),
        ([tensor(" age", "BOOL", True)], "input 'age', datatype: one of FP32"),
        ([tensor("vip", "BOOL", True)], "inputs lacks 'age', 'café': expected are"),
        ([], "inputs: one tensor per column"),
        ([None], "inputs[0]: an object is expected, not null"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(inputs: list[Any], words: str) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        TensorDecoder(columns_of(AGE, CAFE, VIP))(inputs)
    assert raised.value.message.startswith(words)


# Messages


QUESTION = (
    "How satisfied are you, all in all, with the service (1 = not at all, 10 = fully)? Please answer for the last "
)


def test_long_names_are_shown_with_what_differs() -> None:
    months, weeks = (
        Column(name=QUESTION + "12 months", kind="numeric"),
        Column(name=QUESTION + "6 weeks", kind="numeric"),
    )
    message = refused_rows([{months.name: 1, QUESTION + "7 weeks": 2}], months, weeks)
    assert "6 weeks'" in message.split(" and has ")[0]
    assert "7 weeks'" in message.split(" and has ")[1]
    assert "12 months'" in message.split("expected are")[1]


def test_long_names_that_differ_in_the_middle_are_shown_from_there() -> None:
    start, end = "The first half of it, which is always the same: " * 3, ", and the second half, the same too" * 3
    message = refused_rows([{f"{start}cat{end}": 1}], Column(name=f"{start}cot{end}", kind="numeric"))
    hint = message.split("does not read (")[1].split("): expected")[0]
    assert "cat," in hint
    assert "cot," in hint


def test_a_near_name_is_found_among_very_many_at_once() -> None:
    columns = [Column(name=f"{QUESTION}{number} months", kind="numeric") for number in range(1000)]
    start = time.monotonic()
    message = refused_rows([{f"{QUESTION}{number} weeks": 1 for number in range(1000)}], *columns)
    assert "7 weeks' is near '" in message
    assert len(message) < 5000
    assert time.monotonic() - start < 10


@pytest.mark.parametrize(("name", "visible"), [("a\u00a0b", r"a\xa0b"), ("a\nb", r"a\nb"), ("a\u200bb", r"a\u200bb")])
def test_what_cannot_be_seen_in_a_name_is_written_out(name: str, visible: str) -> None:
    assert visible in refused_rows([{name: 1}], Column(name="a b", kind="numeric"))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "rows: 1 to 100 rows are expected, there are 0"),
        ([None], "rows[0]: an object is expected, not null"),
        ([{"age": 1}, None], "rows[1]: an object is expected, not null"),
        ([["age", 1]], "rows[0]: an object is expected, not an array"),
        (None, "rows: an array of objects is expected, not null"),
        ([{}], "rows[0] lacks 'age': expected are 'age'"),
        ([{"age": {"age": 1}}], "rows[0], column 'age': a number or null is expected, this is an object"),
    ],
)
def test_what_is_no_row_is_refused_in_one_sentence(rows: Any, message: str) -> None:
    assert refused_rows(rows, AGE) == message


def test_hostile_names_are_refused_in_a_short_sentence_at_once() -> None:
    start = time.monotonic()
    for name in ("age" * 1_000_000, "\0" * 100_000, "\ud800", "e" + "\u0315\u0300" * 100_000, ""):
        assert len(refused_rows([{name: 1}], AGE)) < 1000
    assert time.monotonic() - start < 5


# The body's JSON


def predict(body: str | bytes, *columns: Column) -> Any:
    model = loaded(Signature(task="regression", target="price", columns=columns))
    body = body.encode(errors="surrogatepass") if isinstance(body, str) else body
    return PredictionApi(OneModel(model)).respond(HttpRequest("POST", "/v2/models/adult/infer", body), Caller("demo"))


def test_a_body_with_the_longest_integers_keeps_them() -> None:
    column = Column(name="gtin", kind="categorical", is_code=True)
    assert predict('{"rows": [{"gtin": 18446744073709551615}]}', column).facts["rows"] == 1
    with pytest.raises(InvalidRequestError, match=r"column 'gtin': text is expected for a number beyond 2\^53"):
        predict('{"rows": [{"gtin": 18446744073709551616}]}', column)


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("NaN", "null is expected for a missing number"),
        ("-Infinity", "null is expected for a missing number"),
        ("1e999", "the body is not JSON (line 1, column "),
        ("9" * 5000, "the body is not JSON (line 1, column "),
        ('"\\ud83d"', "the body is not JSON (line 1, column "),
        ('"\ud83d"', "the body is not JSON (line 1, column "),
        ("[" * 100_000, "the body is not JSON (line 1, column "),
        ("[" * 500 + "]" * 500, "a number or null is expected, this is an array"),
        ('{"age": 1}', "a number or null is expected, this is an object"),
        (f'"{"1" * 10_000_000}"', "this is other text"),
        ("99999999999999999999999999999999999999999", "a number within ±3.4e38"),
    ],
)
def test_a_hostile_cell_is_refused_in_a_sentence(cell: str, words: str) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        predict(f'{{"rows": [{{"age": {cell}}}]}}', Column(name="age", kind="numeric"))
    assert words in raised.value.message
    assert len(raised.value.message) < 300


def test_a_body_that_is_no_utf8_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="the body is not JSON"):
        predict(b'{"rows": [{"age": "\xff"}]}', Column(name="age", kind="numeric"))


def test_a_text_of_ten_megabytes_is_answered() -> None:
    body = f'{{"rows": [{{"job": "{"é" * 5_000_000}"}}]}}'
    assert predict(body, Column(name="job", kind="categorical")).facts["rows"] == 1
