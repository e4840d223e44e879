"""Layouts of well-known exports, each with the right columns and rows."""

from __future__ import annotations

import random

import pytest

ROWS = 300
_CHANCE = random.Random(0)


def _number():
    return f"{_CHANCE.uniform(1, 99):.2f}"


def _label():
    return _CHANCE.choice("ab")


def _lines(make):
    return "".join(make(number) + "\n" for number in range(ROWS))


# file name, text, names of the columns that models read, target
LAYOUTS = {
    "a bank's header with hashes": (
        "a.csv",
        "Bank x;\n\n#Data;#Opis;#Kwota;\n" + _lines(lambda n: f"2024-01-{n % 28 + 1:02};op{n % 7};{_number()};"),
        ["#Data", "#Opis"],
        "#Kwota",
    ),
    "a buoy's names above their units": (
        "a.txt",
        "#YY  MM WSPD WTMP\n#yr  mo m/s degC\n" + _lines(lambda n: f"{n % 9} {n % 12} {_number()} {_number()}"),
        ["#YY", "MM", "WSPD"],
        "WTMP",
    ),
    "a name that begins with a hash": (
        "a.csv",
        "# of rooms,price,y\n" + _lines(lambda n: f"{n % 7},{_number()},{_label()}"),
        ["# of rooms", "price"],
        "y",
    ),
    "numpy's header": (
        "a.txt",
        "# a b c\n" + _lines(lambda n: f"{_number()} {_number()} {_label()}"),
        ["a", "b"],
        "c",
    ),
    "names of capitals and digits": (
        "a.csv",
        "DATE,DGS10\n" + _lines(lambda n: f"{2000 + n // 12}-{n % 12 + 1:02}-01,{_number()}"),
        ["DATE"],
        "DGS10",
    ),
    "a survey's three headers": (
        "a.csv",
        "Q1,Q2,Q3\nHow satisfied are you with the service in all?,Would you buy it again?,Comment\n"
        '"{""ImportId"":""QID1""}","{""ImportId"":""QID2""}","{""ImportId"":""QID3""}"\n'
        + _lines(lambda n: f"{n % 7},{n % 10},{_label()}"),
        ["Q1", "Q2"],
        "Q3",
    ),
    "a title of as many words as columns": (
        "a.txt",
        "My weather data\ntemp\thum\tcls\n" + _lines(lambda n: f"{_number()}\t{_number()}\t{_label()}"),
        ["temp", "hum"],
        "cls",
    ),
    "telephone numbers": (
        "a.csv",
        "tel,v,y\n" + _lines(lambda n: f"06 {n % 90 + 10} 34 {n % 80 + 10} 78,{_number()},{_label()}"),
        ["tel", "v"],
        "y",
    ),
    "blanks and decimal commas": (
        "a.txt",
        "a b c\n" + _lines(lambda n: f"{_number()} {_number()} {_label()}".replace(".", ",")),
        ["a", "b"],
        "c",
    ),
    "rows of delimiters at the end": (
        "a.csv",
        "a;b;c\n" + _lines(lambda n: f"{_number()};{_number()};{_label()}") + ";;\n" * 114,
        ["a", "b"],
        "c",
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_layout_of_a_known_export_is_read_completely(drop, layout):
    file, text, names, target = LAYOUTS[layout]
    validated = drop(file, text)
    assert [column.name for column in validated.dataset.columns] == names
    assert validated.dataset.target == target
    assert sum(validated.dataset.rows.model_dump().values()) == ROWS
    assert validated.dataset.set_aside == 0


def test_a_first_row_with_words_for_missing_values_is_not_a_unit_row(drop):
    rows = _lines(lambda n: f"{n % 80},{_number()},{_label()}")
    validated = drop("a.csv", "age,income,y\nunknown,refused,a\n" + rows)
    assert sum(validated.dataset.rows.model_dump().values()) == ROWS + 1


def test_a_model_without_a_header_reads_its_training_file_as_a_test_file(drop):
    body = _lines(lambda n: f"{'' if n % 9 == 5 else _number()},{_label()}")
    validated = drop("a.csv", body, companions={"test.csv": body})
    assert validated.dataset.rows.test == ROWS
