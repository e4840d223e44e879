"""Dialects: lines that are not rows are recognized and reported with any delimiter."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from tests.helpers.file_harness import Served, ValidatedFile
from tests.helpers.made_files import WAREHOUSE, make_rows, table, warehouse

Drop = Callable[..., ValidatedFile]
Learn = Callable[..., Served]

KINDS = {"weight": "numeric", "city": "categorical"}
ROWS = 320


@pytest.mark.parametrize(
    ("first", "delimiter"),
    [("sep=;", ";"), ("sep=,", ","), ("sep=|", "|"), ("SEP=\t", "\t"), ('"sep=;"', ";")],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_line_that_names_the_delimiter_is_not_a_header(drop: Drop, first: str, delimiter: str, encoding: str) -> None:
    body = first + "\r\n" + table(WAREHOUSE, warehouse(), delimiter, "\r\n")
    file = drop("a.csv", body.encode(encoding))
    assert (file.kinds, file.rows.height) == (KINDS, ROWS)


def test_a_named_delimiter_is_used_even_if_another_is_more_frequent(drop: Drop) -> None:
    rows = [(weight, f"{city}, a, b, c", late) for weight, city, late in warehouse()]
    body = "sep=;\n" + "".join(";".join(map(str, row)) + "\n" for row in [WAREHOUSE, *rows])
    assert list(drop("a.csv", body).kinds) == ["weight", "city"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_rows_that_end_with_a_delimiter_are_aligned(drop: Drop, delimiter: str) -> None:
    header, *lines = table(WAREHOUSE, warehouse(), delimiter).splitlines()
    file = drop("a.csv", "\n".join([header, *(line + delimiter for line in lines)]))
    assert (file.kinds, file.rows.height, file.rejected) == (KINDS, ROWS, 0)
    assert set(file.values("city")) == {"Oslo", "Rome", "Lima"}


def test_a_last_empty_cell_of_some_rows_is_not_a_trailing_delimiter(drop: Drop) -> None:
    rows = [(weight, late, city if number % 4 else "") for number, (weight, city, late) in enumerate(warehouse())]
    file = drop("a.csv", table(("weight", "late", "city"), rows), target="late")
    assert file.kinds == KINDS
    assert file.rows["city"].null_count() == ROWS // 4


@pytest.mark.parametrize("blank", [" ", "  ", "\u00a0", "\u202f"])
def test_blanks_around_names_and_values_are_trimmed(drop: Drop, blank: str) -> None:
    body = table(
        [f"{blank}{name}{blank}" for name in WAREHOUSE], [[f"{blank}{v}{blank}" for v in r] for r in warehouse()]
    )
    file = drop("a.csv", body)
    assert (file.kinds, file.dataset.target) == (KINDS, "late")
    assert set(file.values("city")) == {"Oslo", "Rome", "Lima"}
    assert file.dataset.classes == ("no", "yes")


def test_blanks_within_names_and_values_are_kept(drop: Drop) -> None:
    header = ("gross weight", "home town", "is late")
    file = drop("a.csv", table(header, warehouse(("New York", "San Jose", "La Paz"))))
    assert list(file.kinds) == ["gross weight", "home town"]
    assert set(file.values("home town")) == {"New York", "San Jose", "La Paz"}


@pytest.mark.parametrize(
    ("notes", "delimiter", "line"),
    [
        (["Shipments of the year"], ",", 2),
        (["Umsatzbericht", "", "Erstellt;01.02.2024", "Werk;Süd"], ";", 5),
        (["Instrument\tX200", "Serial\t00417", "Operator\tA. Meier", "", ""], "\t", 6),
        (["Bank statement", "Account: 4711", "Period: 2023", "Currency: EUR", "Branch: North", "", "Page 1"], "|", 8),
    ],
)
def test_notes_above_the_header_are_skipped_and_reported_by_line(
    drop: Drop, notes: list[str], delimiter: str, line: int
) -> None:
    file = drop(
        "a.txt" if delimiter == "\t" else "a.csv", "\n".join([*notes, table(WAREHOUSE, warehouse(), delimiter)])
    )
    assert (file.kinds, file.rows.height, file.rejected) == (KINDS, ROWS, 0)
    assert file.reports(f"line {line}")


@pytest.mark.parametrize(
    ("footer", "delimiter"),
    [
        (["", "Source: Ministry of Transport"], ","),
        (["Total;;320"], ";"),
        (["", "End of report", "Printed 2024-01-01"], "\t"),
    ],
)
def test_a_footer_is_not_a_row_and_is_reported_by_line(drop: Drop, footer: list[str], delimiter: str) -> None:
    file = drop("a.csv", table(WAREHOUSE, warehouse(), delimiter) + "\n".join(footer) + "\n")
    assert (file.kinds, file.rows.height) == (KINDS, ROWS)
    first = ROWS + 2 + (not footer[0])
    assert file.reports(str(first)) or first in file.rejected_lines


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_comment_lines_are_skipped_and_reported(drop: Drop, delimiter: str) -> None:
    lines = table(WAREHOUSE, warehouse(), delimiter).splitlines()
    lines[100:100] = ["# recalibrated here"]
    file = drop("a.csv", "\n".join(["# made by logger 7", "# interval: 1 h", *lines]) + "\n")
    assert (file.kinds, file.rows.height) == (KINDS, ROWS)
    assert file.reports("comment")


def test_values_may_start_with_the_comment_sign(drop: Drop) -> None:
    rows = [("#ff0000" if late == "yes" else "#00ff00", weight, late) for weight, _, late in warehouse()]
    file = drop("a.csv", table(("colour", "weight", "late"), rows))
    assert (file.rows.height, set(file.values("colour"))) == (ROWS, {"#ff0000", "#00ff00"})


@pytest.mark.parametrize(("name", "delimiter"), [("a.csv", ","), ("a.tsv", "\t"), ("a.csv", ";"), ("a.txt", "|")])
def test_a_file_without_a_header_gets_column_names_and_loses_no_row(drop: Drop, name: str, delimiter: str) -> None:
    rows = make_rows(lambda random, number: (*(round(random.gauss(0, 1), 4) for _ in range(5)), "ab"[number % 2]), ROWS)
    file = drop(name, table((), rows, delimiter))
    assert file.rows.height == ROWS
    assert (list(file.kinds), file.dataset.target) == ([f"column_{n}" for n in range(1, 6)], "column_6")
    assert file.reports("header")


def test_train_yaml_can_say_that_a_file_has_no_header(drop: Drop) -> None:
    rows = [(city, "big" if weight > 50 else "small", late) for weight, city, late in warehouse()]
    file = drop("a.csv", table((), rows), {"train.yaml": "header: none\n"})
    assert (file.rows.height, file.dataset.target) == (ROWS, "column_3")


def test_train_yaml_can_name_the_target_of_a_file_without_a_header(drop: Drop) -> None:
    rows = [(late, weight, city) for weight, city, late in warehouse()]
    file = drop("a.csv", table((), rows), {"train.yaml": "header: none\ntarget: column_1\n"})
    assert file.kinds == {"column_2": "numeric", "column_3": "categorical"}


@pytest.mark.parametrize("header", [("country", "2019", "2020", "grew"), ("w", "c", "n", "l")])
def test_a_header_may_have_numbers_or_single_letters(drop: Drop, header: tuple[str, ...]) -> None:
    def make(random: Random, number: int) -> list[Any]:
        before, after = random.uniform(1, 9), random.uniform(1, 9)
        return [random.choice(["NO", "IT", "PE"]), f"{before:.3f}", f"{after:.3f}", "yes" if after > before else "no"]

    file = drop("a.csv", table(header, make_rows(make, ROWS)))
    assert (list(file.kinds), file.rows.height) == (list(header[:-1]), ROWS)


@pytest.mark.parametrize("units", [("[kg]", "-", "-"), ("kg", "", ""), ("(t)", "", "")])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_row_of_units_below_the_header_is_not_a_row(drop: Drop, units: tuple[str, ...], delimiter: str) -> None:
    file = drop("a.csv", table(WAREHOUSE, [units, *warehouse()], delimiter))
    assert (file.kinds, file.rows.height) == (KINDS, ROWS)
    assert file.reports("line 2") or file.reports("unit")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_repeated_header_is_not_a_row_and_is_reported(drop: Drop, delimiter: str) -> None:
    rows = warehouse()
    file = drop("a.csv", table(WAREHOUSE, [*rows[:100], WAREHOUSE, *rows[100:200], WAREHOUSE, *rows[200:]], delimiter))
    assert (file.kinds, file.rows.height) == (KINDS, ROWS)
    assert file.dataset.classes == ("no", "yes")
    assert file.reports("header", "102") or file.rejected_lines == [102, 203]


@pytest.mark.parametrize("width", [1, 3])
def test_columns_separated_by_blanks_are_read(drop: Drop, width: int) -> None:
    lines = [(" " * width).join(map(str, row)) for row in [WAREHOUSE, *warehouse()]]
    file = drop("a.txt", "\n".join(lines) + "\n")
    assert (file.kinds, file.rows.height) == (KINDS, ROWS)


def test_columns_aligned_with_blanks_are_read(drop: Drop) -> None:
    lines = [f"{a!s:>10}  {b:<8}  {c:<5}" for a, b, c in [WAREHOUSE, *warehouse()]]
    file = drop("a.txt", "\n".join(lines) + "\n")
    assert (file.kinds, file.rows.height) == (KINDS, ROWS)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_quoted_delimiters_newlines_and_quotes_stay_in_their_values(drop: Drop, delimiter: str) -> None:
    cities = ("a,b;c\td|e", "two\nlines", 'say "hi"', "sep=;")
    file = drop("a.csv", table(WAREHOUSE, warehouse(cities), delimiter))
    assert (set(file.values("city")), file.rows.height) == (set(cities), ROWS)


def test_the_delimiter_is_not_a_more_frequent_character_of_texts(drop: Drop) -> None:
    rows = [(weight, f"{city}; by air; fragile; return", late) for weight, city, late in warehouse()]
    file = drop("a.csv", table(WAREHOUSE, rows))
    assert (list(file.kinds), file.rows.height) == (["weight", "city"], ROWS)


def test_a_first_row_with_gaps_is_not_a_preamble(drop: Drop) -> None:
    rows = [("", "", "no"), *warehouse()[1:]]
    file = drop("a.csv", table(WAREHOUSE, rows))
    assert (list(file.kinds), file.rows.height) == (["weight", "city"], ROWS)


def test_a_model_of_a_file_with_notes_and_a_footer_predicts_requests(drop: Drop, learn: Learn) -> None:
    body = "Report\n\n" + table(WAREHOUSE, warehouse(), ";") + "Total;;\n"
    served = learn(drop("a.csv", body))
    assert served.ask({"weight": 90.0, "city": "Oslo"}).label == "yes"
    assert served.ask({"weight": 20.0, "city": "Rome"}).label == "no"
