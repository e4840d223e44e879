"""Which text columns are numbers, how they are formatted, and which warnings they give."""

from __future__ import annotations

import random
from collections.abc import Callable

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.parsing.missing import MISSING, NUMBER_MISSING
from pipeline.parsing.numbers import PLAIN, NumberFormat, parse_number
from pipeline.validation.columns.numbers.inference import InferredNumbers, decimal_evidence, infer_numbers

SWAP = str.maketrans(",.", ".,")


def german(number: float) -> str:
    return f"{number:,.2f}".translate(SWAP)


def french(number: float) -> str:
    return f"{number:,.2f} \u20ac".replace(",", "\u202f").replace(".", ",")


def swiss(number: float) -> str:
    return f"CHF {number:,.2f}".replace(",", "'")


def accounting(number: float) -> str:
    return f"(${-number:,.2f})" if number < 0 else f"${number:,.2f}"


def sap(number: float) -> str:
    return german(abs(number)) + ("-" if number < 0 else "")


def indian(number: float) -> str:
    integer_digits, decimals = f"{abs(number):.2f}".split(".")
    groups = [integer_digits[-3:]]
    for end in range(len(integer_digits) - 3, 0, -2):
        groups.insert(0, integer_digits[max(0, end - 2) : end])
    return f"{'-' if number < 0 else ''}\u20b9{','.join(groups)}.{decimals}"


STYLES: dict[Callable[[float], str], NumberFormat] = {
    german: NumberFormat(decimal=",", group="."),
    french: NumberFormat(decimal=",", group=" "),
    swiss: NumberFormat(group="'"),
    accounting: NumberFormat(group=","),
    sap: NumberFormat(decimal=",", group="."),
    indian: NumberFormat(group=","),
    "{:.1f}".format: PLAIN,
    "{:,.1f}%".format: NumberFormat(group=",", units=("%",)),
    "{:.2f}kg".format: NumberFormat(units=("kg",)),
    "{:.2f} m\u00b2".format: NumberFormat(units=("m\u00b2",)),
    '{:.1f}"'.format: NumberFormat(units=('"',)),
}


def infer(values: list[str | None], *, decimal_hint: str = "") -> InferredNumbers | None:
    return infer_numbers(pl.Series("price", values, dtype=pl.String), decimal_hint=decimal_hint)  # type: ignore[arg-type]


def read(values: list[str | None], *, decimal_hint: str = "") -> InferredNumbers:
    inferred = infer(values, decimal_hint=decimal_hint)
    assert inferred is not None
    return inferred


def is_ambiguous(inferred: InferredNumbers) -> bool:
    return any("may have a decimal mark or a thousands separator" in warning for warning in inferred.warnings)


@pytest.mark.parametrize("style", STYLES)
@settings(max_examples=15, deadline=None)
@given(numbers=st.lists(st.floats(-5e6, 5e6).map(lambda number: round(number, 1)), max_size=30))
def test_amounts_are_read_in_every_style(style: Callable[[float], str], numbers: list[float]) -> None:
    numbers += [1234567.5, -1234.5, 0.5, 99.9]  # these values show every feature of a format
    inferred = read([style(number) for number in numbers])
    assert inferred.numbers.to_list() == pytest.approx(numbers)
    assert inferred.number_format == STYLES[style]
    assert (inferred.other_cells, is_ambiguous(inferred)) == (0, False)


@pytest.mark.parametrize("style", STYLES)
def test_a_later_cell_is_read_by_the_inferred_format(style: Callable[[float], str]) -> None:
    inferred = read([style(number) for number in (1234.5, 99.25, -3.75)])
    assert parse_number(style(4321.5), inferred.number_format) == 4321.5


@pytest.mark.parametrize(
    "values",
    [
        ["007", "012", "120"],
        ["00123", "00456", "98765"],
        ["+49 170 1234567", "+49 171 7654321"],
        ["+491701234567", "+4917076543210"],
        ["555-1234", "555-9876"],
        ["501 234 567", "602 345 678"],
        ["192.168.1.17", "10.0.0.1"],
        ["192.168.100.101", "192.168.100.212"],
        ["1.2.3", "1.12.3"],
        ["2024-03-16", "2024-03-17"],
        ["16.03.2024", "17.03.2024"],
        ["03.2024", "11.2023"],
        ["12:30", "18:45"],
        ["18.00.00", "19.00.00"],
        ["10-20", "20-30"],
        ["18-24", "65+"],
        ["SW1A 1AA", "EC1A 1BB"],
        ["1-0", "0-1", "1/2-1/2"],
        ["A12", "B7"],
        ["12B", "14A", "3", "7C"],
        ["12B", "14", "3B"],
        ["128GB", "1TB"],
        ["5 kg", "300 g"],
        ["170 cm", "1.8 m"],
        ["5 mW", "3 MW"],
        ["5 \u20ac", "6 $"],
        ["12%", "0.12"],
        ["120/80", "135/85"],
        ["<=50K", ">50K"],
        ["<18", "\u226518"],
        ["1-", "2", "2-", "2+", "3"],
        ["12 Main Street", "14 Oak Avenue", "3 Elm Road"],
        ["19M", "201k", "Varies with device"],
        ["$4.99", "0", "Free"],
        ["apple", "pear"],
        ["-", "#N/A"],
        [None, None],
        [],
    ],
)
def test_text_that_only_resembles_numbers_is_not_numeric(values: list[str | None]) -> None:
    assert infer(values * 15) is None


@pytest.mark.parametrize("values", [["1", "2.5", "-3e5"], ["1990", "2001"], ["0", "1"], ["0.5", ".25", None]])
def test_plain_numbers_give_no_warning(values: list[str | None]) -> None:
    inferred = read(values)
    assert inferred.number_format == PLAIN
    assert inferred.warnings == ()
    assert inferred.numbers.to_list() == [None if value is None else float(value) for value in values]


def test_a_column_of_thousandths_is_ambiguous_unless_other_columns_decide() -> None:
    values: list[str | None] = ["1.299", "2.500", "17.125", "999"]
    undecided = read(values)
    assert is_ambiguous(undecided)
    assert undecided.numbers[0] == 1.299
    assert "'price'" in undecided.warnings[0]
    assert read(values, decimal_hint=".").warnings == ()
    beside_commas = read(values, decimal_hint=",")
    assert (beside_commas.numbers.to_list(), is_ambiguous(beside_commas)) == ([1299.0, 2500.0, 17125.0, 999.0], False)
    assert beside_commas.number_format == NumberFormat(decimal=",", group=".")


@pytest.mark.parametrize("values", [["1,234", "12,500"], ["$1,299", "$999"], ["1,200 sq ft", "950 sq ft"]])
def test_a_comma_before_three_digits_is_for_thousands_unless_other_columns_have_decimal_commas(
    values: list[str],
) -> None:
    number = float("".join(character for character in values[0] if character.isdigit()))
    assert is_ambiguous(read([*values]))
    assert read([*values]).numbers[0] == number
    assert not is_ambiguous(read([*values], decimal_hint="."))
    assert read([*values], decimal_hint=",").numbers[0] == number / 1000


@pytest.mark.parametrize("proof", ["0.250", "2.5", "1234.567", "1,299.00"])
def test_a_value_that_proves_the_decimal_point_decides_for_the_column(proof: str) -> None:
    inferred = read(["1.299", "2.500", proof], decimal_hint=",")
    assert inferred.numbers[0] == 1.299
    assert not is_ambiguous(inferred)


@pytest.mark.parametrize("proof", ["2,5", "1.299,00", "1.234.567", "12,-"])
def test_a_value_that_proves_the_decimal_comma_decides_for_the_column(proof: str) -> None:
    inferred = read(["1.299", "2.500", proof], decimal_hint=".")
    assert inferred.numbers[0] == 1299.0
    assert not is_ambiguous(inferred)


def test_a_typing_error_among_thousands_of_values_does_not_change_the_format() -> None:
    inferred = read([*(f"{number // 1000},{number % 1000:03}" for number in range(1000, 4000)), "1,5"])
    assert inferred.numbers[0] == 1000.0
    assert inferred.other_cells == 1


@pytest.mark.parametrize(
    ("values", "numbers"),
    [
        (["1.2k", "999", "3M"], [1200, 999, 3e6]),
        (["$1.2M", "$300K"], [1.2e6, 3e5]),
        (["1,2 Mio. \u20ac", "1,1 Mrd. \u20ac"], [1.2e6, 1.1e9]),
        (["45 Lac", "1.2 Cr"], [4.5e6, 1.2e7]),
    ],
)
def test_magnitudes_multiply_their_numbers(values: list[str | None], numbers: list[float]) -> None:
    inferred = read(values)
    assert inferred.numbers.to_list() == pytest.approx(numbers)
    assert inferred.number_format.magnitudes


@pytest.mark.parametrize(
    ("values", "units"),
    [
        (["300K", "310K"], ("K",)),
        (["8GB", "16GB", "0"], ("GB",)),
        (["36 months", "1 month"], ("month", "months")),
        (["4.1/5", "3.9/5", "-"], ("/5",)),
        (["5 \u20ac/m\u00b2", "7,50 \u20ac/m\u00b2"], ("\u20ac/m\u00b2",)),
        (["12 \u00b0C", "-3.5 \u00b0C"], ("\u00b0C",)),
    ],
)
def test_a_common_unit_is_removed_and_reported(values: list[str | None], units: tuple[str, ...]) -> None:
    inferred = read(values)
    assert inferred.number_format.units == units
    assert not inferred.number_format.magnitudes
    assert any(units[0] in warning and "'price'" in warning for warning in inferred.warnings)


@pytest.mark.parametrize(
    ("values", "bounds"),
    [
        (["<0.50", "1.25", ">200"], 2),
        (["10,000+", "1,000,000+", "0"], 2),
        (["10+ years", "< 1 year", "3 years"], 2),
        (["~5", "\u2264 7", "9"], 2),
    ],
)
def test_bounds_are_counted_and_reported(values: list[str | None], bounds: int) -> None:
    inferred = read(values)
    assert any(f"{bounds} cells are bounds" in warning for warning in inferred.warnings)


def test_markers_of_missing_numbers_are_counted() -> None:
    inferred = read(["1.5", "-", "#DIV/0!", "2", "-", "n.a.", None])
    assert inferred.missing_markers == {"-": 2, "#DIV/0!": 1, "n.a.": 1}
    assert inferred.numbers.to_list() == [1.5, None, None, 2.0, None, None, None]
    assert inferred.other_cells == 0


@pytest.mark.parametrize("marker", ["--", "k.A.", "inf", "void"])
@pytest.mark.parametrize("style", [german, "{:.2f}kg".format])
def test_missing_markers_are_recognized_in_every_format(marker: str, style: Callable[[float], str]) -> None:
    inferred = read([style(1234.5), marker, style(2.75)])
    assert inferred.missing_markers == {marker: 1}
    assert inferred.numbers.to_list() == [1234.5, None, 2.75]


def test_missing_number_markers_are_not_numbers_and_not_missing_in_every_column() -> None:
    assert not any(parse_number(marker, PLAIN) for marker in NUMBER_MISSING)
    assert {"-", "none"}.isdisjoint(MISSING)


@pytest.mark.parametrize("numbers", [["5"] * 19, ["$5.25"] * 19, ["1,5"] * 19])
def test_a_single_word_among_twenty_values_is_missing(numbers: list[str]) -> None:
    inferred = read([*numbers, "word"])
    assert (inferred.other_cells, inferred.numbers.null_count()) == (1, 1)
    assert infer([*numbers[:18], "word"]) is None


def test_a_column_with_more_than_one_percent_words_is_not_numeric() -> None:
    values = [str(number) for number in range(1000)]
    words = [f"word {number}" for number in range(11)]
    assert read([*values, *words[:10]]).other_cells == 10
    assert infer([*values, *words]) is None


def test_a_rare_repeated_word_among_varied_numbers_is_missing() -> None:
    values = [str(number) for number in range(100)]
    assert read([*values, *["on request"] * 5]).other_cells == 5
    assert infer([*values, *["on request"] * 6]) is None
    assert infer([str(number % 10) for number in range(100)] + ["low"] * 5) is None


def test_a_code_with_leading_zeros_among_numbers_is_missing() -> None:
    inferred = read([*(str(number) for number in range(200)), "007"])
    assert (inferred.other_cells, inferred.numbers[-1]) == (1, None)


def test_numbers_after_thousands_of_missing_values_are_read() -> None:
    assert read([*[None] * 3000, *["$4.50", "$5.25"] * 50]).numbers.drop_nulls().sum() == 487.5
    assert read([*["-"] * 3000, "2,5"]).numbers[-1] == 2.5


def test_thousands_of_values_are_read_exactly() -> None:
    generator = random.Random(7)
    numbers = [round(generator.uniform(-1e6, 1e6), 2) for _ in range(6000)]
    assert read([sap(number) for number in numbers]).numbers.to_list() == numbers


def test_a_column_with_a_second_unit_late_in_the_file_is_not_numeric() -> None:
    assert infer([*(f"{number}GB" for number in range(3000)), *(f"{number}TB" for number in range(300))]) is None


@pytest.mark.parametrize(
    ("values", "sign"),
    [
        (["1.299,99", "12,50"], 1),
        (["80,5", "1,299"], 1),
        (["1.234.567", "999"], 1),
        (["1\u202f234,500 \u20ac", "2 \u20ac"], 1),
        (["1,299.99", "12.50"], -1),
        (["$4.99", "0"], -1),
        (["12,34,567", "99"], -1),
        (["0.125", "1.250"], -1),
        (["1.299", "2.500"], 0),
        (["1,299", "2,500"], 0),
        (["1990", "2001"], 0),
        (["16.03.2024", "17.03.2024"], 0),
        (["192.168.100.101", "192.168.100.212"], 0),
        (["1,2,3", "4,5"], 0),
        (["apple, pear", "3.5"], 0),
        ([None], 0),
    ],
)
def test_values_give_evidence_for_the_decimal_mark(values: list[str | None], sign: int) -> None:
    evidence = decimal_evidence(pl.Series("x", values * 20, dtype=pl.String))
    assert (evidence > 0) - (evidence < 0) == sign
