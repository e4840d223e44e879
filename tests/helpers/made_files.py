"""Files made by seeded rules, so that what is to be learnt is known."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

import polars as pl

__all__ = ["WAREHOUSE", "json_lines", "make_rows", "parquet", "table", "warehouse", "workbook"]

Row = Sequence[Any]

WAREHOUSE = ("weight", "city", "late")
ROWS = 320


def make_rows(make: Callable[[Random, int], Row], count: int = ROWS, seed: int = 0) -> list[list[Any]]:
    """``make(random, number)`` so many times."""
    random = Random(seed)
    return [list(make(random, number)) for number in range(count)]


def warehouse(cities: Sequence[str] = ("Oslo", "Rome", "Lima"), count: int = ROWS, seed: int = 0) -> list[list[Any]]:
    """WAREHOUSE's columns: what is heavy, or goes to the last of the cities, is late."""

    def make(random: Random, number: int) -> Row:
        weight, city = round(random.uniform(1, 99), 3), random.choice(cities)
        return weight, city, "yes" if weight > 60 or city == cities[-1] else "no"

    return make_rows(make, count, seed)


def table(header: Row, rows: Sequence[Row], delimiter: str = ",", end: str = "\n") -> str:
    """Delimited text; values are quoted where they must be."""
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter, lineterminator=end)
    writer.writerows([header, *rows] if header else rows)
    return stream.getvalue()


def json_lines(header: Row, rows: Sequence[Row]) -> str:
    return "".join(json.dumps(dict(zip(header, row, strict=True)), ensure_ascii=False) + "\n" for row in rows)


def parquet(columns: pl.DataFrame | Mapping[str, Any]) -> bytes:
    stream = io.BytesIO()
    pl.DataFrame(columns).write_parquet(stream)
    return stream.getvalue()


def workbook(sheets: Mapping[str, Sequence[Row]]) -> bytes:
    """An .xlsx file."""
    import openpyxl

    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()
