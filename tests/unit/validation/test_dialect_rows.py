"""Rows of delimited text: their widths, ends and quotes; broken ones are rejected with their lines."""

from __future__ import annotations

import polars as pl
import pytest

from tests.helpers.dialect_tables import HEADER, join_lines, make_lines

# Widths


@pytest.mark.parametrize("extra", [1, 2, 3])
@pytest.mark.parametrize("delimiter", [",", ";", "|", "\t"])
def test_empty_fields_that_the_header_lacks_are_ignored_and_reported(read, extra, delimiter):
    rows = [row + delimiter * extra for row in make_lines(delimiter=delimiter)]
    found = read(join_lines(HEADER.replace(",", delimiter), *rows), numbers=("c0", "c1"))
    assert found.dialect.extra_fields == extra
    assert found.frame.shape == (40, 4)
    assert found.frame.dtypes[:2] == [pl.Float64, pl.Float64]
    assert "empty field" in found.told


def test_a_trailing_delimiter_of_the_header_too_is_an_unnamed_column(read):
    found = read(join_lines(HEADER + ",", *(row + "," for row in make_lines())))
    assert found.dialect.fields == (*HEADER.split(","), "")
    assert found.frame.get_column("c4").null_count() == 40


def test_a_trailing_delimiter_of_the_header_alone_is_ignored(read):
    assert read(join_lines(HEADER + ",", *make_lines())).dialect.fields == tuple(HEADER.split(","))


def test_a_value_beyond_the_header_is_a_broken_row(read):
    rows = [row + "," for row in make_lines()]
    rows[20] += "7"
    found = read(join_lines(HEADER, *rows))
    assert (found.frame.height, found.rejected.broken) == (39, 1)


@pytest.mark.parametrize("quote", ['"', ""])
@pytest.mark.parametrize("delimiter", [" ", ",", "\t"])
def test_row_names_without_a_header_are_a_first_column(read, delimiter, quote):
    header = delimiter.join(f"{quote}{name}{quote}" for name in ("len", "wid", "kind"))
    rows = [
        delimiter.join([f"{quote}{n}{quote}", f"{n % 7}.5", f"{n % 3}", f"{quote}k{n % 2}{quote}"])
        for n in range(1, 31)
    ]
    found = read(join_lines(header, *rows))
    assert found.dialect.index_field
    assert found.dialect.fields == ("len", "wid", "kind")
    assert found.frame.row(0) == ("1", "1.5", "1", "k1")
    assert "first" in found.told


@pytest.mark.parametrize("name", ["Smith, Tom", "'Smith, Tom'"])
def test_a_text_that_a_comma_cuts_is_not_a_row_name(read, name):
    found = read(join_lines("id,name,y", *(f"{n},{name},{n % 2}" for n in range(40))))
    assert not found.dialect.index_field
    assert found.rejected.broken == 40


# Rows


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_may_end_in_every_way(read, end):
    found = read(join_lines("Notes of us", "", HEADER, *make_lines(), end=end), numbers=("c1",))
    assert (found.frame.shape, found.dialect.header_line) == ((40, 4), 3)
    assert found.frame.row(0)[3] == make_lines()[0].split(",")[3]


def test_mixed_line_ends_are_read(read):
    rows = make_lines()
    body = HEADER + "\r\n" + "\n".join(rows[:20]) + "\r" + "\r".join(rows[20:]) + "\r\n"
    found = read(body)
    assert (found.frame.height, found.rejected.rows) == (40, 0)


def test_padded_quoted_fields_are_quoted_fields(read):
    rows = [f'{n}, "town, {n % 3}", "x"' for n in range(30)]
    found = read(join_lines('n, "place, of it", k', *rows))
    assert found.dialect.fields == ("n", "place, of it", "k")
    assert found.frame.row(1)[1:] == ("town, 1", "x")
    assert found.rejected.rows == 0


def test_a_first_cell_may_be_very_long(read):
    found = read(join_lines("text,label", f'"{"long words, " * 9_000}",a', *(f"w {n},b" for n in range(40))))
    assert (found.frame.height, found.dialect.fields) == (41, ("text", "label"))


def test_a_quoted_cell_may_hold_lines_that_look_like_anything(read):
    rows = [f'{n},"line\n# {n}\na,b\nTotal",x' for n in range(30)]
    found = read(join_lines("n,text,k", *rows))
    assert (found.frame.height, found.rejected.rows) == (30, 0)


def test_numbers_are_read_column_by_column(read):
    rows = [f"{n},{n % 5},{'word' if n == 3 else n},x" for n in range(30)]
    found = read(join_lines("a,b,c,d", *rows), numbers=("c0", "c1", "c2"))
    assert found.frame.dtypes == [pl.Float64, pl.Float64, pl.String, pl.String]


def test_broken_rows_are_rejected_with_their_lines(read):
    rows = make_lines()
    rows[4] += ",1"
    rows[9] = '0.5,"a"b,c,d,e'
    rows[14] = "x"
    found = read(join_lines("a note", HEADER, *rows))
    assert (found.frame.height, found.rejected.broken) == (37, 3)
    for reason in ("line 7 has 5 fields", "line 12 has an unclosed or misplaced quote", "line 17 has 1 field"):
        assert reason in found.rejected.warnings[0]


def test_bytes_that_are_not_utf8_cost_their_row(read):
    body = join_lines(HEADER, *make_lines()).encode()
    found = read(body.replace(b"\nwest", b"\nwest") + b"1,2,caf\xe9,2024-01-01\n")
    assert (found.frame.height, found.rejected.broken) == (40, 1)
    assert "UTF-8" in found.rejected.warnings[0]


def test_names_that_a_library_takes_for_patterns_are_names(read):
    body = join_lines("*,^a.*$,a1", *(f"{n},{n % 3},x" for n in range(30)))
    found = read(body, columns=["*", "^a.*$", "a1"], numbers=("*",))
    assert found.frame.columns == ["*", "^a.*$", "a1"]
    assert read(body + "1\n", columns=["*", "^a.*$", "a1"]).frame.columns == ["*", "^a.*$", "a1"]
