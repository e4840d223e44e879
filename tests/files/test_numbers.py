"""Numbers in text, in the styles of many countries and programs, in features, targets and requests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import pytest

from tests.helpers.file_harness import Served, ValidatedFile
from tests.helpers.made_files import json_lines, make_rows, parquet, table, workbook

Drop = Callable[..., ValidatedFile]
Learn = Callable[..., Served]
Write = Callable[[float], str]

HEADER = ("amount", "kind", "big")
ROWS = 320


def _grouped(value: float, group: str, decimal: str, digits: int = 2) -> str:
    return f"{value:,.{digits}f}".replace(",", "\0").replace(".", decimal).replace("\0", group)


def _indian(value: float) -> str:
    whole, tail = divmod(round(value), 1000)
    lakhs, thousands = divmod(whole, 100)
    return f"{lakhs},{thousands:02},{tail:03}" if lakhs else f"{thousands},{tail:03}" if thousands else f"{tail}"


def _accounting(value: float) -> str:
    return f"({-value:,.2f})" if value < 0 else f"{value:,.2f}"


def _trailing_minus(value: float) -> str:
    return f"{abs(value):.2f}-" if value < 0 else f"{value:.2f}"


STYLES: dict[str, Write] = {
    "1234,56": lambda value: f"{value:.2f}".replace(".", ","),
    "1.234,56": lambda value: _grouped(value, ".", ","),
    "1,234.56": lambda value: _grouped(value, ",", "."),
    "1 234,56": lambda value: _grouped(value, " ", ","),
    "1 234,56 (narrow)": lambda value: _grouped(value, "\u202f", ","),
    "1 234,56 (no break)": lambda value: _grouped(value, "\u00a0", ","),
    "1'234.56": lambda value: _grouped(value, "'", "."),
    "1’234.56": lambda value: _grouped(value, "’", "."),
    "$1,234.56": lambda value: f"${_grouped(value, ',', '.')}",
    "£1234.56": lambda value: f"£{value:.2f}",
    "1.234,56 €": lambda value: f"{_grouped(value, '.', ',')} €",
    "1 234,56 zł": lambda value: f"{_grouped(value, ' ', ',')} zł",
    "R$ 1.234,56": lambda value: f"R$ {_grouped(value, '.', ',')}",
    "EUR 1.234,56": lambda value: f"EUR {_grouped(value, '.', ',')}",
    "1,234.56 USD": lambda value: f"{_grouped(value, ',', '.')} USD",
    "CHF 1'234.56": lambda value: f"CHF {_grouped(value, chr(39), '.')}",
    "+1234.56": lambda value: f"{value:+.2f}",
    "12.56%": lambda value: f"{value:.2f}%",
    "12,56 %": lambda value: f"{value:.2f} %".replace(".", ","),
    "1.37kg": lambda value: f"{value:.2f}kg",
    "35.12 °C": lambda value: f"{value:.2f} °C",
}
WHOLE: dict[str, Write] = {
    "₹12,34,567": lambda value: f"₹{_indian(value)}",
    "12,34,567": _indian,
    "¥1,234": lambda value: f"¥{value:,.0f}",
    "1 234 567": lambda value: _grouped(value, " ", "", 0),
    "8GB": lambda value: f"{value:.0f}GB",
    "10,000+": lambda value: f"{value:,.0f}+",
    "640 px": lambda value: f"{value:.0f} px",
}
SIGNED: dict[str, Write] = {
    "(1,234.56)": _accounting,
    "1234.56-": _trailing_minus,
    "−1234.56": lambda value: f"{value:.2f}".replace("-", "−"),
    "-$1,234.56": lambda value: f"{'-' if value < 0 else ''}${abs(value):,.2f}",
    "($1,234.56)": lambda value: f"(${-value:,.2f})" if value < 0 else f"${value:,.2f}",
    "-1.234,56 €": lambda value: f"{_grouped(value, '.', ',')} €",
}


def _amounts(low: float, high: float, digits: int, seed: int = 0) -> list[float]:
    random = Random(seed)
    return [round(random.uniform(low, high), digits) for _ in range(ROWS)]


def _bodies(values: Sequence[float], write: Write) -> dict[str, str | bytes]:
    rows = [[write(value), "abc"[number % 3], ("yes", "no")[number % 2]] for number, value in enumerate(values)]
    columns = dict(zip(HEADER, map(list, zip(*rows, strict=True)), strict=True))
    return {
        "a.csv": table(HEADER, rows),
        "b.csv": table(HEADER, rows, ";"),
        "a.tsv": table(HEADER, rows, "\t"),
        "a.jsonl": json_lines(HEADER, rows),
        "a.parquet": parquet(columns),
        "a.xlsx": workbook({"Data": [HEADER, *rows]}),
    }


def _check(drop: Drop, values: Sequence[float], write: Write, names: Sequence[str]) -> None:
    bodies = _bodies(values, write)
    for name in names:
        file = drop(name, bodies[name])
        assert file.kinds == {"amount": "numeric", "kind": "categorical"}, name
        assert file.values("amount") == pytest.approx(sorted(values), rel=1e-6), name


@pytest.mark.parametrize("style", STYLES)
def test_each_number_style_is_numeric_in_each_file_format(drop: Drop, style: str) -> None:
    _check(drop, _amounts(1, 90_000, 2), STYLES[style], ["a.csv", "b.csv", "a.tsv", "a.jsonl", "a.parquet", "a.xlsx"])


@pytest.mark.parametrize("style", WHOLE)
def test_each_style_of_integers_is_numeric(drop: Drop, style: str) -> None:
    _check(drop, _amounts(1, 9_000_000, 0), WHOLE[style], ["a.csv", "b.csv", "a.jsonl"])


@pytest.mark.parametrize("style", SIGNED)
def test_each_style_of_negative_numbers_is_numeric(drop: Drop, style: str) -> None:
    _check(drop, _amounts(-9_000, 9_000, 2), SIGNED[style], ["a.csv", "b.csv", "a.parquet"])


def test_a_bound_is_read_as_its_number_and_reported(drop: Drop) -> None:
    def bounded(value: float) -> str:
        return "<0.50" if value < 0.5 else ">200" if value > 200 else f"{value:.2f}"

    values = _amounts(0.01, 240, 2)
    for name in ("a.csv", "a.tsv"):
        file = drop(name, _bodies(values, bounded)[name])
        assert file.kinds["amount"] == "numeric"
        assert (file.values("amount")[0], file.values("amount")[-1]) == (0.5, 200)
        assert file.reports("'amount'", ">") or file.reports("'amount'", "bound")


@pytest.mark.parametrize("name", ["a.csv", "b.csv"])
def test_a_point_before_three_digits_is_interpreted_by_the_whole_column(drop: Drop, name: str) -> None:
    thousands = [*_amounts(1_000, 9_999, 0)[:-20], *_amounts(1_000_000, 9_999_999, 0)[:20]]
    grouped = drop(name, _bodies(thousands, lambda value: _grouped(value, ".", "", 0))[name])
    assert grouped.values("amount") == pytest.approx(sorted(thousands))
    decimals = [*_amounts(1, 9, 3)[:-20], *_amounts(1, 9, 1)[:20]]
    pointed = drop(name, _bodies(decimals, lambda value: f"{value:.3f}" if value * 10 % 1 else f"{value:.1f}")[name])
    assert pointed.values("amount") == pytest.approx(sorted(decimals))


def test_a_column_that_stays_ambiguous_is_reported(drop: Drop) -> None:
    file = drop("b.csv", _bodies(_amounts(1_000, 9_999, 0), lambda value: _grouped(value, ".", "", 0))["b.csv"])
    assert file.kinds["amount"] == "numeric"
    assert file.reports("'amount'")


@pytest.mark.parametrize("style", ["1.234,56 €", "$1,234.56", "12,56 %", "1'234.56"])
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_a_target_of_numbers_in_text_is_a_regression(drop: Drop, style: str, delimiter: str) -> None:
    values = _amounts(10, 9_000, 2)
    rows = [["abc"[number % 3], number % 7, STYLES[style](value)] for number, value in enumerate(values)]
    file = drop("a.csv", table(("kind", "size", "amount"), rows, delimiter))
    assert (file.dataset.task, file.rows.height) == ("regression", ROWS)
    assert file.values("amount") == pytest.approx(sorted(values))


def test_a_few_cells_that_are_not_numbers_are_missing_and_counted(drop: Drop) -> None:
    values = _amounts(10, 9_000, 2)
    few = values[:3]
    for name in ("a.csv", "a.tsv"):
        bodies = _bodies(values, lambda value: "on request" if value in few else f"${value:,.2f}")
        file = drop(name, bodies[name])
        assert file.kinds["amount"] == "numeric"
        assert file.rows["amount"].null_count() == len(few)
        assert file.reports("'amount'", str(len(few)))


WORDS: dict[str, Callable[[Random], str]] = {
    "mixed units": lambda random: random.choice(["512MB", "8GB", "16GB", "256MB"]),
    "versions": lambda random: f"{random.randrange(3)}.{random.randrange(3)}.{random.randrange(3)}",
    "ranges": lambda random: random.choice(["0-9", "10-19", "20-29", "30-39"]),
    "codes": lambda random: f"{random.choice('AB')}{random.randrange(10, 14)}",
    "codes with a common letter": lambda random: f"A{random.randrange(10, 14)}-{random.choice('xy')}",
    "networks": lambda random: f"10.0.{random.randrange(3)}.{random.randrange(2)}",
    "sizes": lambda random: random.choice(["S", "M", "L", "XL"]),
    "fractions": lambda random: random.choice(["1/2", "1/4", "3/4"]),
    "lists": lambda random: random.choice(["1,2", "1,2,3", "2,3,4,5"]),
}


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_words_with_digits_are_not_numbers(drop: Drop, words: str, delimiter: str) -> None:
    def make(random: Random, number: int) -> list[Any]:
        return [WORDS[words](random), round(random.random(), 5), "ab"[number % 2]]

    rows = make_rows(make, ROWS)
    file = drop("a.csv", table(HEADER, rows, delimiter))
    assert file.kinds == {"amount": "categorical", "kind": "numeric"}
    assert set(file.values("amount")) == {row[0] for row in rows}


BRACKETS = (("<=50K", ">50K"), ("<30", ">=30"), ("<1h", ">1h"), ("10+", "20+"), ("<18", "18-65", ">65"))


@pytest.mark.parametrize("labels", BRACKETS, ids=str)
@pytest.mark.parametrize("delimiter", [",", ", ", ";"])
def test_ranges_in_a_target_are_classes(drop: Drop, labels: Sequence[str], delimiter: str) -> None:
    rows = make_rows(lambda random, number: [random.random(), random.choice("ab"), random.choice(labels)], ROWS)
    body = "".join(delimiter.join(map(str, row)) + "\n" for row in [("x", "kind", "bracket"), *rows])
    file = drop("a.csv", body)
    assert (file.dataset.task, set(file.dataset.classes)) == ("classification", set(labels))


@pytest.mark.parametrize("labels", BRACKETS, ids=str)
def test_ranges_in_a_feature_stay_distinct_values(drop: Drop, labels: Sequence[str]) -> None:
    rows = make_rows(lambda random, number: [random.choice(labels), random.random(), random.choice("ab")], ROWS)
    file = drop("a.csv", table(("bracket", "x", "kind"), rows))
    assert len(set(file.values("bracket"))) == len(labels)


def test_plain_numbers_are_read_without_a_warning(drop: Drop) -> None:
    values = [*_amounts(-5, 5, 3)[:300], *[1e-7, -2.5e10, 1.299, 0.5, 12345.678] * 4]
    for name in ("a.csv", "b.csv", "a.tsv"):
        file = drop(name, _bodies(values, repr)[name])
        assert file.values("amount") == pytest.approx(sorted(values), rel=1e-6)
        assert not file.reports("'amount'")


@pytest.mark.parametrize(
    ("style", "cells"),
    [
        ("1.234,56 €", ["500,00 €", "500,00", "€500,00", 500]),
        ("$1,234.56", ["$500.00", "500.00", "500", 500.0]),
        ("1'234.56", ["500.00", 500]),
        ("1.37kg", ["500kg", "500.0 kg", "500", 500]),
        ("12,56 %", ["500 %", "500,0%", 500]),
    ],
)
def test_a_request_may_write_a_number_like_the_file(drop: Drop, learn: Learn, style: str, cells: Sequence[Any]) -> None:
    def make(random: Random, number: int) -> list[Any]:
        value = random.uniform(1, 999)
        return [STYLES[style](value), random.choice("ab"), "yes" if value > 250 else "no"]

    served = learn(drop("a.csv", table(HEADER, make_rows(make, ROWS), ";")))
    replies = [served.ask({"amount": cell, "kind": "a"}) for cell in cells]
    assert replies[0].label == "yes"
    assert all(reply == replies[0] for reply in replies), [reply.error for reply in replies]
    refused = served.ask({"amount": "a lot", "kind": "a"})
    assert refused.status == 400
    assert "'amount'" in refused.error
    assert "a number" in refused.error
