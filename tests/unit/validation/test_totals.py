"""A last row of sums or means is a footer under any label; any other last row is data."""

from __future__ import annotations

import random

import pytest

from pipeline.validation.readers.dialects.detect import detect_dialect
from pipeline.validation.readers.options import ReadOptions


@pytest.fixture
def count_rows(tmp_path):
    """Count the lines of the table, without a header."""

    def count_rows(*lines, **options):
        path = tmp_path / "a.csv"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        dialect = detect_dialect("a.csv", path, 0, delimiter=None, options=ReadOptions(**options))
        return len(path.read_bytes()[dialect.start : dialect.end].splitlines())

    return count_rows


def _table(rows=40, seed=1):
    rng = random.Random(seed)
    return [(f"shop {n}", rng.randrange(1, 900), round(rng.uniform(1, 50), 2)) for n in range(rows)]


def _write(row, decimal=".", delimiter=";"):
    return delimiter.join(str(cell).replace(".", decimal) if isinstance(cell, float) else str(cell) for cell in row)


def _sums(rows):
    return sum(row[1] for row in rows), round(sum(row[2] for row in rows), 2)


@pytest.mark.parametrize("label", ["Total Geral", "Eindtotaal", "Genel Toplam", "Summe Netto", "", "Total"])
@pytest.mark.parametrize("decimal", [".", ","])
def test_a_row_of_sums_is_a_footer_under_any_label(count_rows, label, decimal):
    rows = _table()
    lines = [_write(row, decimal) for row in [*rows, (label, *_sums(rows))]]
    assert count_rows("shop;count;price", *lines) == 40


@pytest.mark.parametrize("rows", [2, 5, 300])
def test_sums_of_few_and_many_rows_are_a_footer(count_rows, rows):
    table = _table(rows)
    assert count_rows("shop;count;price", *map(_write, [*table, ("Netto", *_sums(table))])) == rows


def test_means_below_sums_are_a_footer(count_rows):
    rows = _table()
    count, price = _sums(rows)
    means = ("Schnitt", round(count / 40, 3), round(price / 40, 2))
    assert count_rows("shop;count;price", *map(_write, [*rows, ("Alles", count, price), means])) == 40


def test_sums_with_thousands_separators_are_a_footer(count_rows):
    lines = [f"shop {n};{n + 1}.{n * 7 % 900 + 100},50;x" for n in range(40)]
    total = sum((n + 1) * 1000 + n * 7 % 900 + 100.5 for n in range(40))
    written = f"{total:,.2f}".replace(",", " ").replace(".", ",").replace(" ", ".")
    assert count_rows("shop;amount;kind", *lines, f"Totaal generaal;{written};") == 40


@pytest.mark.parametrize("label", ["Total", "Som", "Media", "shop 40", ""])
def test_a_last_row_that_is_not_a_sum_is_data(count_rows, label):
    lines = list(map(_write, [*_table(), (label, 371, 12.25)]))
    assert count_rows("shop;count;price", *lines) == 41


def test_a_last_row_that_happens_to_hold_the_mean_is_data(count_rows):
    lines = [f"{n},{['low', 'high'][n % 2]},{n % 5 + 1}" for n in range(40)]
    assert count_rows("id,kind,stars", *lines, "40,low,3") == 41


def test_small_numbers_that_happen_to_add_up_are_data(count_rows):
    assert count_rows("name,value", "a,1", "b,2", "c,3", names=("name", "value")) == 3
    assert count_rows("value", "1", "2", "3", names=("value",)) == 3


@pytest.mark.parametrize("last", ["Total;371;12.25", "Max;371;12.25", "Sum;;12.25", "Source: me;1;2"])
def test_a_complete_last_row_is_data_for_a_known_model(count_rows, last):
    lines = list(map(_write, _table()))
    assert count_rows("shop;count;price", *lines, last, names=("shop", "count", "price")) == 41


def test_sums_and_notes_are_a_footer_for_a_known_model(count_rows):
    rows = _table()
    lines = list(map(_write, [*rows, ("Total", *_sums(rows))]))
    assert count_rows("shop;count;price", *lines, "", "Source: me", names=("shop", "count", "price")) == 40


@pytest.mark.parametrize("last", [",,", " , , ", '"","",""'])
def test_a_last_row_of_empty_cells_is_not_a_row(count_rows, last):
    lines = [f"{n},{n % 3}x,{n * n}" for n in range(40)]
    assert count_rows("a,b,c", *lines, last) == 40


def test_a_last_line_of_blanks_in_a_one_column_table_is_not_a_row(count_rows):
    assert count_rows("x", "a", "b", "  ", names=("x",)) == 2


def test_numbers_whose_sum_overflows_are_data(count_rows):
    rows = ["id;huge", *(f"{n};{value}" for n, value in enumerate(["6.2e306"] * 30))]
    assert count_rows(*rows) == 30
