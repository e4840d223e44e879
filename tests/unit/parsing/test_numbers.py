"""Single texts parsed as numbers; columns, which polars parses, must agree with them cell by cell."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.parsing.numbers import BOUND, PLAIN, NumberFormat, parse_number
from pipeline.validation.columns.numbers.parsing import parse_numbers

GERMAN = NumberFormat(decimal=",", group=".")
COMMA = NumberFormat(decimal=",")
FRENCH = NumberFormat(decimal=",", group=" ")
ENGLISH = NumberFormat(group=",")
SWISS = NumberFormat(group="'")
UNITS = NumberFormat(units=("GB", '"', "m²", "kg", "/5", "sq ft", "a.b*c", "years", "year"))
MAGNITUDES = NumberFormat(group=",", magnitudes=True)
FORMATS = [PLAIN, GERMAN, COMMA, FRENCH, ENGLISH, SWISS, UNITS, MAGNITUDES]

IN_EVERY_FORMAT = {
    "1": 1.0,
    "-3.5": -3.5,
    "+2": 2.0,
    "1e5": 1e5,
    "2.5E-3": 0.0025,
    ".5": 0.5,
    "5.": 5.0,
    "0": 0.0,
    "0.5": 0.5,
    "1234.567": 1234.567,
    "(204.10)": -204.1,
    "204.10-": -204.1,
    "17-": -17.0,
    "\u22125": -5.0,
    "\u201312.25": -12.25,
    "<0.50": 0.5,
    "> 200": 200.0,
    "\u226410": 10.0,
    "\u2265 10": 10.0,
    "~5": 5.0,
    "100+": 100.0,
    "$5": 5.0,
    "-$5": -5.0,
    "$-5": -5.0,
    "($4.99)": -4.99,
    "$(4.99)": -4.99,
    "\u00a37.5": 7.5,
    "\u20b9 45": 45.0,
    "\u00a5800": 800.0,
    "7 \u20ac": 7.0,
    "USD 5": 5.0,
    "5 EUR": 5.0,
    "5 euros": 5.0,
    "R$ 10": 10.0,
    "Rs. 500": 500.0,
    "99 kr": 99.0,
    "12,-": 12.0,
    "12.-": 12.0,
    "12,\u2013 \u20ac": 12.0,
    "1 299": 1299.0,
    "1\u00a0234\u00a0567": 1234567.0,
    "1\u202f299": 1299.0,
    "1\u2009299": 1299.0,
    "1'299": 1299.0,
    "1\u2019299\u2019000": 1299000.0,
    "$ -": 0.0,
    "- \u20ac": 0.0,
}
NUMBERS = [
    (PLAIN, "1,299.50", 1299.5),
    (PLAIN, "1,234,567", 1234567.0),
    (PLAIN, "CHF 1'234.50", 1234.5),
    (ENGLISH, "1,299", 1299.0),
    (ENGLISH, "10,000+", 10000.0),
    (ENGLISH, "12,34,567.50", 1234567.5),
    (ENGLISH, "($1,234.50)", -1234.5),
    (GERMAN, "1.299,99", 1299.99),
    (GERMAN, "1.299", 1299.0),
    (GERMAN, "1.299,99 \u20ac", 1299.99),
    (GERMAN, "1.299,-", 1299.0),
    (GERMAN, "80.5", 80.5),
    (GERMAN, "80,5", 80.5),
    (GERMAN, "0,5", 0.5),
    (GERMAN, "-1.234.567", -1234567.0),
    (COMMA, "1,5", 1.5),
    (COMMA, "1,500", 1.5),
    (COMMA, "80.5", 80.5),
    (COMMA, "R$ 10,00", 10.0),
    (COMMA, "1,5e3", 1500.0),
    (FRENCH, "1\u202f234,50 \u20ac", 1234.5),
    (FRENCH, "1 234 567,5", 1234567.5),
    (SWISS, "1'234.50 CHF", 1234.5),
    (UNITS, "8GB", 8.0),
    (UNITS, "1.37kg", 1.37),
    (UNITS, '15.6"', 15.6),
    (UNITS, "5 m\u00b2", 5.0),
    (UNITS, "4.1/5", 4.1),
    (UNITS, "10+ years", 10.0),
    (UNITS, "< 1 year", 1.0),
    (MAGNITUDES, "1.2k", 1200.0),
    (MAGNITUDES, "3M", 3e6),
    (MAGNITUDES, "$1.5B", 1.5e9),
    (MAGNITUDES, "2.5 Cr", 2.5e7),
    (MAGNITUDES, "12 Mio. \u20ac", 12e6),
]
NO_NUMBERS_IN_ANY_FORMAT = [
    *("", " ", "-", "+", ".", ",", "%", "$", "inf", "-inf", "nan", "0x10", "1_000", "1e999", "\uff11\uff12", "\u0663"),
    *("2024-03-16", "16.03.2024", "16/03/2024", "12:30", "18.00.00", "+49 170 1234567", "+49 170 123 456", "555-1234"),
    *("10.0.0.1", "192.168.1.17", "1.2.3", "007", "00123", "10-20", "10\u201320", "SW1A 1AA", "word", "1-0", "A12"),
    *("12Q", "1,2,3", "1.299,5.1", "1'29", "12 34", "1 2345", "(5", "5)", "-(5)", "--5", "-5-", "5 %%", "1\n", "5;"),
]
PIECES = [
    *(
        "0",
        "1",
        "12",
        "123",
        "299",
        "5000",
        "007",
        ".",
        ",",
        "'",
        "\u2019",
        " ",
        "\u202f",
        "-",
        "\u2212",
        "+",
        "(",
        ")",
    ),
    *("$", "\u20ac", "USD", "kr.", "Rs.", "Eur.", "%", "<", ">=", "k", "Mio.", "GB", '"', "/5", "E5", "e-3", "\u2014"),
    *("12.5", "1.299", "1,299", "1.2345", "99,50", "\n"),
]


@pytest.mark.parametrize("number_format", FORMATS)
@pytest.mark.parametrize("text", IN_EVERY_FORMAT)
def test_clear_spellings_are_numbers_in_every_format(text: str, number_format: NumberFormat) -> None:
    assert parse_number(text, number_format) == IN_EVERY_FORMAT[text]


@pytest.mark.parametrize(("number_format", "text", "number"), NUMBERS)
def test_a_number_is_parsed_in_the_format_of_its_column(number_format: NumberFormat, text: str, number: float) -> None:
    assert parse_number(text, number_format) == pytest.approx(number, rel=1e-15)


@pytest.mark.parametrize("number_format", FORMATS)
@pytest.mark.parametrize("text", NO_NUMBERS_IN_ANY_FORMAT)
def test_dates_codes_phones_and_words_are_not_numbers(text: str, number_format: NumberFormat) -> None:
    assert parse_number(text, number_format) is None


@pytest.mark.parametrize(
    ("number_format", "text"),
    [
        (COMMA, "1.500"),
        (COMMA, "-12.345"),
        (FRENCH, "$1.299"),
        (PLAIN, "1,299"),
        (PLAIN, "80,5"),
        (PLAIN, "1.299,99"),
        (SWISS, "1,299"),
        (ENGLISH, "0,123"),
        (GERMAN, "1,299.50"),
        (PLAIN, "8GB"),
        (UNITS, "8TB"),
        (PLAIN, "1.2k"),
    ],
)
def test_an_ambiguous_number_is_refused(number_format: NumberFormat, text: str) -> None:
    assert parse_number(text, number_format) is None


@pytest.mark.parametrize("text", ["<0.5", "> 200", "\u22643", "~5", "10,000+", "10+ years", "$1.2M+"])
def test_bounds_are_recognized(text: str) -> None:
    assert pl.Series([text]).str.contains(BOUND).all()


@pytest.mark.parametrize(("text", "number"), [("12.5 %", 12.5), ("-3%", -3.0), ("(5.0)%", -5.0)])
def test_a_percent_sign_is_parsed_only_if_the_format_has_percent(text: str, number: float) -> None:
    assert parse_number(text, NumberFormat(units=("%",))) == number
    assert parse_number(text, PLAIN) is None


@pytest.mark.parametrize("text", ["0.5", "+5", "1e+5", "-3", "$5", "12 %", "(5)"])
def test_other_numbers_are_not_bounds(text: str) -> None:
    assert not pl.Series([text]).str.contains(BOUND).any()


@pytest.mark.parametrize("number_format", FORMATS)
def test_a_format_survives_json(number_format: NumberFormat) -> None:
    assert NumberFormat(**json.loads(json.dumps(asdict(number_format)))) == number_format


@pytest.mark.parametrize("number_format", FORMATS)
def test_column_and_single_parsing_agree_on_all_spellings(number_format: NumberFormat) -> None:
    spellings = [*IN_EVERY_FORMAT, *(text for _, text, _ in NUMBERS), *NO_NUMBERS_IN_ANY_FORMAT]
    assert_equal([*spellings, *(f"{before}{text}" for text in spellings for before in "-<$ (+~0")], number_format)
    assert_equal(
        [f"{text}{after}" for text in spellings for after in ("-", "+", " %", ")", "GB", "k", " EUR", "\n")],
        number_format,
    )


@settings(max_examples=300, deadline=None)
@given(
    texts=st.lists(
        st.one_of(
            st.text(alphabet="0123456789.,-+() '\u202f$%<ekMGB\u20ac0100", max_size=12),
            st.floats().map(str),
            st.integers().map(lambda number: f"{number:,}"),
            st.floats(-1e9, 1e9).map(lambda number: f"{number:,.2f}"),
            st.floats(-1e9, 1e9).map(lambda number: f"{number:,.3f}".translate(str.maketrans(",.", ".,"))),
            st.lists(st.sampled_from(PIECES), min_size=1, max_size=7).map("".join),
            st.none(),
        ),
        max_size=20,
    ),
    number_format=st.sampled_from(FORMATS),
)
def test_column_and_single_parsing_agree_on_any_text(texts: Sequence[str | None], number_format: NumberFormat) -> None:
    assert_equal(texts, number_format)


def test_repeated_values_are_parsed_like_other_values() -> None:
    assert_equal([f"{number % 50}.5 kg" for number in range(3000)] + [None, "word"], NumberFormat(units=("kg",)))


def assert_equal(texts: Sequence[str | None], number_format: NumberFormat) -> None:
    cells = [None if text is None else parse_number(text, number_format) for text in texts]
    column = parse_numbers(pl.Series("x", texts, dtype=pl.String), number_format)
    assert column.name == "x"
    assert column.dtype == pl.Float64
    for text, cell, number in zip(texts, cells, column, strict=True):
        same_sign = cell is None or number is None or math.copysign(1, cell) == math.copysign(1, number)
        assert (cell, True) == (number, same_sign), text
