"""Unnamed and duplicate columns: row numbers and empty columns are dropped, others get a reported name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

import pytest

from tests.helpers.file_harness import Served, ValidatedFile
from tests.helpers.made_files import WAREHOUSE, json_lines, make_rows, table, warehouse, workbook

Drop = Callable[..., ValidatedFile]
Learn = Callable[..., Served]


def _numbered(*numbers: Sequence[int]) -> list[list[object]]:
    return [[*(column[index] for column in numbers), *row] for index, row in enumerate(warehouse())]


COUNTED = range(320)
FROM_ONE = range(1, 321)
SHUFFLED = Random(0).sample(range(320), 320)
SAMPLED = Random(1).sample(range(1_000), 320)


@pytest.mark.parametrize("numbers", [COUNTED, FROM_ONE, SHUFFLED, SAMPLED], ids=["0..", "1..", "shuffled", "sampled"])
@pytest.mark.parametrize("name", ["", "Unnamed: 0"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_index_of_pandas_is_dropped_and_reported(
    drop: Drop, numbers: Sequence[int], name: str, delimiter: str
) -> None:
    file = drop("a.csv", table([name, *WAREHOUSE], _numbered(numbers), delimiter))
    assert list(file.kinds) == ["weight", "city"]
    assert file.reports("row number")
    assert len(file.dropped) == 1


def test_several_index_columns_are_dropped(drop: Drop) -> None:
    header = ["Unnamed: 0.1", "Unnamed: 0", "", *WAREHOUSE]
    file = drop("a.csv", table(header, _numbered(COUNTED, COUNTED, SHUFFLED)))
    assert list(file.kinds) == ["weight", "city"]
    assert len(file.dropped) == 3


def test_the_index_of_a_workbook_is_dropped(drop: Drop) -> None:
    file = drop("a.xlsx", workbook({"Data": [[None, *WAREHOUSE], *_numbered(COUNTED)]}))
    assert list(file.kinds) == ["weight", "city"]
    assert file.reports("row number")


@pytest.mark.parametrize("count", [1, 3, 40])
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_any_number_of_empty_columns_without_a_name_is_dropped(drop: Drop, count: int, delimiter: str) -> None:
    rows = [[weight, *[""] * count, city, late] for weight, city, late in warehouse()]
    file = drop("a.csv", table(["weight", *[""] * count, "city", "late"], rows, delimiter))
    assert (list(file.kinds), file.rows.height) == (["weight", "city"], 320)
    assert len(file.dropped) == count


@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_a_column_of_values_without_a_name_gets_a_name_and_is_a_feature(drop: Drop, delimiter: str) -> None:
    rows = [[city, weight, late] for weight, city, late in warehouse()]
    file = drop("a.csv", table(["city", "", "late"], rows, delimiter))
    assert file.kinds == {"city": "categorical", "column_2": "numeric"}
    assert file.reports("column_2")


def test_a_new_column_name_never_equals_an_existing_name(drop: Drop) -> None:
    rows = [[city, weight, -weight, late] for weight, city, late in warehouse()]
    file = drop("a.csv", table(["city", "", "column_2", "late"], rows))
    assert len(file.kinds) == 3
    assert "column_2" in file.kinds


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_duplicate_names_get_a_number_and_are_reported(drop: Drop, delimiter: str) -> None:
    rows = [[weight, -weight, weight / 2, city, late] for weight, city, late in warehouse()]
    file = drop("a.csv", table(["size", "size", "size", "city", "late"], rows, delimiter))
    assert list(file.kinds) == ["size", "size_2", "size_3", "city"]
    assert file.reports("'size'", "size_2")


def test_a_numbered_duplicate_name_never_equals_an_existing_name(drop: Drop) -> None:
    rows = [[weight, -weight, city, late] for weight, city, late in warehouse()]
    file = drop("a.csv", table(["size", "size", "size_2", "late"], rows))
    assert len(file.kinds) == 3
    assert file.kinds["size_2"] == "categorical"


def test_names_that_are_equal_after_trimming_are_duplicates(drop: Drop) -> None:
    rows = [[weight, -weight, late] for weight, _, late in warehouse()]
    assert list(drop("a.csv", table(["size", " size", "late"], rows)).kinds) == ["size", "size_2"]


def test_names_that_differ_in_case_or_inner_blanks_stay_distinct(drop: Drop) -> None:
    header = ["Size", "size", "SIZE", "a b", "a  b", "ab", "late"]

    def make(random: Random, number: int) -> list[object]:
        values = [round(random.random(), 4) for _ in range(6)]
        return [*values, "yes" if values[1] > 0.5 else "no"]

    for body, name in ((table(header, make_rows(make)), "a.csv"), (json_lines(header, make_rows(make)), "a.jsonl")):
        file = drop(name, body)
        assert list(file.kinds) == header[:-1]
        assert not file.dropped


def test_a_request_uses_the_new_name_of_an_unnamed_column(drop: Drop, learn: Learn) -> None:
    rows = [[city, weight, late] for weight, city, late in warehouse()]
    served = learn(drop("a.csv", table(["city", "", "late"], rows)))
    assert served.ask({"city": "Oslo", "column_2": 90}).label == "yes"
    assert served.ask({"city": "Oslo", "column_2": 10}).label == "no"


@pytest.mark.parametrize("name", ["", "Unnamed: 0"])
def test_integers_that_repeat_are_not_row_numbers(drop: Drop, name: str) -> None:
    ages = [Random(index).randrange(18, 90) for index in range(320)]
    file = drop("a.csv", table([name, *WAREHOUSE], _numbered(ages)))
    assert len(file.kinds) == 3
    assert not file.dropped
