"""Column names of a request: spelled as in the training file, absent, unknown or hostile."""

from __future__ import annotations

import math
import time
from typing import Any

import pytest

from pipeline.contracts.signature import Column
from pipeline.serving.formats.rows import decode_rows
from tests.helpers.request_rows import AGE, CAFE, VIP, columns_of, refused_rows

# Names


@pytest.mark.parametrize(
    ("age", "cafe"),
    [(" age", "café"), ("age", "cafe\u0301"), ("age\u00a0 ", " café "), ("\ufeffage", "café")],
)
def test_a_name_may_have_outer_blanks_or_another_unicode_form(age: str, cafe: str) -> None:
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


def test_names_that_differ_in_case_or_inner_blanks_are_different_columns() -> None:
    message = refused_rows([{"Age": 1, "ca fé": "x"}], AGE, CAFE)
    assert "lacks 'age', 'café' and has 'Age', 'ca fé'" in message
    assert "'Age' is near 'age'" in message


def test_an_exact_name_takes_precedence_over_an_alias() -> None:
    columns = columns_of(Column(name="a", kind="numeric"), Column(name="b", kind="numeric", aliases=("a", " b")))
    feeds = decode_rows([{"a": 1, " b": 2}], columns)
    assert (feeds["a"].tolist(), feeds["b"].tolist()) == ([1], [2])


# Absent keys


NOTE = Column(name="note", kind="text", is_optional=True)


def test_an_optional_key_may_be_absent() -> None:
    columns = columns_of(AGE, VIP, NOTE)
    for rows in ([{"age": 1}], [{"age": 1, "note": "x", "vip": True}, {"age": 1}, {" age": 1, "vip": 0}]):
        feeds = decode_rows(rows, columns)
        assert feeds["age"].tolist() == [1] * len(rows)
        assert math.isnan(feeds["vip"][1 % len(rows)])
        assert feeds["note"][-1] == ""


@pytest.mark.parametrize("row", [{"vip": True}, {}, {"vip": True, "note": "x"}])
def test_an_absent_required_key_is_named(row: dict[str, Any]) -> None:
    assert refused_rows([{"age": 1}, row], AGE, VIP, NOTE).startswith("rows[1] lacks 'age'; expected:")


def test_an_unknown_key_similar_to_an_optional_key_is_named() -> None:
    message = refused_rows([{"age": 1, "note": "x", "vop": True}], AGE, VIP, NOTE)
    assert message.startswith("rows[0] has 'vop', which the model does not read ('vop' is near 'vip')")


# Messages


QUESTION = (
    "How satisfied are you, all in all, with the service (1 = not at all, 10 = fully)? Please answer for the last "
)


def test_long_names_are_shortened_to_the_part_that_differs() -> None:
    months, weeks = (
        Column(name=QUESTION + "12 months", kind="numeric"),
        Column(name=QUESTION + "6 weeks", kind="numeric"),
    )
    message = refused_rows([{months.name: 1, QUESTION + "7 weeks": 2}], months, weeks)
    assert "6 weeks'" in message.split(" and has ")[0]
    assert "7 weeks'" in message.split(" and has ")[1]
    assert "12 months'" in message.split("expected:")[1]


def test_long_names_that_differ_in_the_middle_show_the_middle() -> None:
    start, end = "The first half of it, which is always the same: " * 3, ", and the second half, the same too" * 3
    message = refused_rows([{f"{start}cat{end}": 1}], Column(name=f"{start}cot{end}", kind="numeric"))
    hint = message.split("does not read (")[1].split("): expected")[0]
    assert "cat," in hint
    assert "cot," in hint


def test_a_similar_name_is_found_quickly_among_very_many() -> None:
    columns = [Column(name=f"{QUESTION}{number} months", kind="numeric") for number in range(1000)]
    start = time.process_time()
    message = refused_rows([{f"{QUESTION}{number} weeks": 1 for number in range(1000)}], *columns)
    assert "7 weeks' is near '" in message
    assert len(message) < 5000
    assert time.process_time() - start < 10


@pytest.mark.parametrize(("name", "visible"), [("a\u00a0b", r"a\xa0b"), ("a\nb", r"a\nb"), ("a\u200bb", r"a\u200bb")])
def test_invisible_characters_of_a_name_are_escaped(name: str, visible: str) -> None:
    assert visible in refused_rows([{name: 1}], Column(name="a b", kind="numeric"))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "rows: 1 to 100 rows are expected, there are 0"),
        ([None], "rows[0]: an object is expected, not null"),
        ([{"age": 1}, None], "rows[1]: an object is expected, not null"),
        ([["age", 1]], "rows[0]: an object is expected, not an array"),
        (None, "rows: an array of objects is expected, not null"),
        ([{}], "rows[0] lacks 'age'; expected: 'age'"),
        ([{"age": {"age": 1}}], "rows[0], column 'age': a number or null is expected, this is an object"),
    ],
)
def test_invalid_rows_are_refused_in_one_sentence(rows: Any, message: str) -> None:
    assert refused_rows(rows, AGE) == message


def test_hostile_names_are_refused_quickly_with_a_short_message() -> None:
    start = time.process_time()
    for name in ("age" * 1_000_000, "\0" * 100_000, "\ud800", "e" + "\u0315\u0300" * 100_000, ""):
        assert len(refused_rows([{name: 1}], AGE)) < 1000
    assert time.process_time() - start < 5
