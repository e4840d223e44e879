"""A value means the same typed and written: 7.0 and "7", true and "True", -999 and "-999.0", an empty cell."""

from __future__ import annotations

import json

import polars as pl
import pytest

from pipeline.contracts.signature import Column
from pipeline.parsing.missing import MISSING, choose_markers
from pipeline.parsing.numbers import NumberFormat, parse_number, write_number
from pipeline.validation.columns.casting import as_text, cast_column
from pipeline.validation.columns.inferred import InferredColumn
from pipeline.validation.columns.type_inference import infer_column

GERMAN = NumberFormat(decimal=",", group=".")


def _infer(values, **options):
    inferred = infer_column(pl.Series("x", values), **options)
    assert isinstance(inferred, InferredColumn)
    return inferred


@pytest.mark.parametrize("replaced", [("-1",), (), ("none", "?")])
def test_an_empty_cell_is_missing_for_any_missing_setting(drop, lines, replaced):
    body = "\n".join(line.replace(",a,", ',"",') for line in lines)
    validated = drop("a.csv", body, spec=f"missing: {json.dumps(list(replaced))}")
    column = next(column for column in validated.dataset.columns if column.name == "colour")
    assert column.missing > 0
    assert "" not in column.vocabulary
    assert "" in choose_markers(replaced)
    assert choose_markers(None) is MISSING


@pytest.mark.parametrize("written", ["-999", "-999.0", "-999.00"])
def test_a_number_that_means_missing_is_recognized_in_every_spelling(written):
    inferred = _infer(["1.5", written, "2.5", "3.5"] * 10, missing=choose_markers(["-999"]))
    assert inferred.values.null_count() == 10
    assert written in inferred.warnings[-1]
    later = cast_column(pl.Series("x", [written, "-99.9"]), inferred.column, choose_markers(["-999"]))
    assert later.to_list() == [None, pytest.approx(-99.9)]


@pytest.mark.parametrize("values", [["7.0", "8.0", "x"], ["7", "8", "x"], ["True", "False", "maybe"]])
def test_numeric_and_boolean_categories_are_normalized(values):
    inferred = _infer(values * 20)
    assert inferred.column.is_code
    typed = {"7.0": "7", "8.0": "8", "7": "7", "8": "8", "True": "true", "False": "false"}
    assert inferred.values[:3].to_list() == [typed.get(value, value) for value in values]


@pytest.mark.parametrize("values", [["red", "green"], ["1.5", "red"], ["v1", "v2"], ["007", "A"]])
def test_other_categories_are_unchanged(values):
    assert _infer(values * 20).values[:2].to_list() == values


@pytest.mark.parametrize("number", [12345678901234568.0, 2.0**53, 7.0, -3.0])
def test_a_whole_float_is_written_without_an_exponent(number):
    assert as_text(pl.Series([number, 1.5])).to_list() == [str(int(number)), "1.5"]


@pytest.mark.parametrize("number", [1.519, 999.125, -12.345, 0.5, 1234.567, 2.5e-7, 1e300])
@pytest.mark.parametrize("number_format", [GERMAN, NumberFormat(decimal=","), NumberFormat(group=",")])
def test_a_typed_number_means_the_same_in_every_format(number, number_format):
    assert parse_number(write_number(number), number_format) == number


def test_typed_numbers_in_a_later_file_are_read_if_the_training_file_has_decimal_commas(drop):
    rows = [f"{1000 + number / 8:,.2f}".replace(",", "_").replace(".", ",").replace("_", ".") for number in range(200)]
    body = "preis;y\n" + "\n".join(f"{row};{'ab'[number % 2]}" for number, row in enumerate(rows))
    later = "".join(json.dumps({"preis": 1.519 + number, "y": "ab"[number % 2]}) + "\n" for number in range(40))
    test = drop("a.csv", body, companions={"test.jsonl": later}).split("test")
    assert test["preis"].to_list() == [pytest.approx(1.519 + number) for number in range(40)]


@pytest.mark.parametrize(("trained", "later"), [(",", "."), (".", ",")])
def test_a_later_file_with_another_decimal_mark_is_read_with_a_warning(drop, trained, later):
    def table(mark):
        rows = [f"{1.519 + number * 0.25:.3f}".replace(".", mark) for number in range(200)]
        rows[7] = f"2{mark}5"  # which proves the mark
        return "x;y\n" + "\n".join(f"{row};{'ab'[number % 2]}" for number, row in enumerate(rows))

    validated = drop("a.csv", table(trained), companions={"test.csv": table(later)})
    assert validated.split("test")["x"].to_list()[:2] == [pytest.approx(1.519), pytest.approx(1.769)]
    assert any("decimal" in warning and "unlike" in warning for warning in validated.dataset.warnings)


def test_a_warning_explains_why_an_almost_numeric_column_is_text():
    inferred = _infer([f"{number}.5" + ("*" if number % 11 == 0 else "") for number in range(200)])
    assert inferred.column.kind in ("text", "categorical")
    assert "*" in inferred.warnings[0]
    assert "181 of its 200" in inferred.warnings[0]


def test_a_column_of_words_gives_no_warning():
    assert _infer(["red", "green", "7"] * 20).warnings == ()


def test_a_code_column_is_cast_alike_from_floats_texts_and_integers():
    column = Column(name="x", kind="categorical", is_code=True)
    for raw in (pl.Series("x", [7.0, None]), pl.Series("x", ["7.0", ""]), pl.Series("x", [7, None])):
        assert cast_column(raw, column).to_list() == ["7", None]
