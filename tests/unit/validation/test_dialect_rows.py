"""Rows of delimited text: widths, line endings and quotes; broken rows are rejected with their line numbers."""

from __future__ import annotations

import polars as pl
import pytest

from tests.helpers.dialect_tables import HEADER, join_lines, make_lines

# Widths


@pytest.mark.parametrize("extra", [1, 2, 3])
@pytest.mark.parametrize("delimiter", [",", ";", "|", "\t"])
def test_empty_fields_beyond_the_header_are_ignored_and_reported(read, extra, delimiter):
    rows = [row + delimiter * extra for row in make_lines(delimiter=delimiter)]
    result = read(join_lines(HEADER.replace(",", delimiter), *rows), numbers=("c0", "c1"))
    assert result.dialect.extra_fields == extra
    assert result.frame.shape == (40, 4)
    assert result.frame.dtypes[:2] == [pl.Float64, pl.Float64]
    assert "empty field" in result.told


def test_trailing_delimiters_in_header_and_rows_make_an_unnamed_column(read):
    result = read(join_lines(HEADER + ",", *(row + "," for row in make_lines())))
    assert result.dialect.fields == (*HEADER.split(","), "")
    assert result.frame.get_column("c4").null_count() == 40


def test_a_trailing_delimiter_only_in_the_header_is_ignored(read):
    assert read(join_lines(HEADER + ",", *make_lines())).dialect.fields == tuple(HEADER.split(","))


def test_a_row_with_a_value_beyond_the_header_is_rejected(read):
    rows = [row + "," for row in make_lines()]
    rows[20] += "7"
    result = read(join_lines(HEADER, *rows))
    assert (result.frame.height, result.rejected.broken) == (39, 1)


@pytest.mark.parametrize("quote", ['"', ""])
@pytest.mark.parametrize("delimiter", [" ", ",", "\t"])
def test_row_names_without_a_header_become_the_first_column(read, delimiter, quote):
    header = delimiter.join(f"{quote}{name}{quote}" for name in ("len", "wid", "kind"))
    rows = [
        delimiter.join([f"{quote}{n}{quote}", f"{n % 7}.5", f"{n % 3}", f"{quote}k{n % 2}{quote}"])
        for n in range(1, 31)
    ]
    result = read(join_lines(header, *rows))
    assert result.dialect.index_field
    assert result.dialect.fields == ("len", "wid", "kind")
    assert result.frame.row(0) == ("1", "1.5", "1", "k1")
    assert "first" in result.told


@pytest.mark.parametrize("name", ["Smith, Tom", "'Smith, Tom'"])
def test_unquoted_commas_in_a_text_do_not_make_row_names(read, name):
    result = read(join_lines("id,name,y", *(f"{n},{name},{n % 2}" for n in range(40))))
    assert not result.dialect.index_field
    assert result.rejected.broken == 40


# Rows


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_ending_is_read(read, end):
    result = read(join_lines("Notes of us", "", HEADER, *make_lines(), end=end), numbers=("c1",))
    assert (result.frame.shape, result.dialect.header_line) == ((40, 4), 3)
    assert result.frame.row(0)[3] == make_lines()[0].split(",")[3]


def test_mixed_line_endings_are_read(read):
    rows = make_lines()
    body = HEADER + "\r\n" + "\n".join(rows[:20]) + "\r" + "\r".join(rows[20:]) + "\r\n"
    result = read(body)
    assert (result.frame.height, result.rejected.rows) == (40, 0)


def test_quotes_after_a_blank_enclose_a_field(read):
    rows = [f'{n}, "town, {n % 3}", "x"' for n in range(30)]
    result = read(join_lines('n, "place, of it", k', *rows))
    assert result.dialect.fields == ("n", "place, of it", "k")
    assert result.frame.row(1)[1:] == ("town, 1", "x")
    assert result.rejected.rows == 0


def test_a_first_cell_may_be_very_long(read):
    result = read(join_lines("text,label", f'"{"long words, " * 9_000}",a', *(f"w {n},b" for n in range(40))))
    assert (result.frame.height, result.dialect.fields) == (41, ("text", "label"))


def test_a_quoted_cell_may_hold_lines_that_look_like_anything(read):
    rows = [f'{n},"line\n# {n}\na,b\nTotal",x' for n in range(30)]
    result = read(join_lines("n,text,k", *rows))
    assert (result.frame.height, result.rejected.rows) == (30, 0)


def test_a_column_with_a_word_stays_text_among_columns_of_numbers(read):
    rows = [f"{n},{n % 5},{'word' if n == 3 else n},x" for n in range(30)]
    result = read(join_lines("a,b,c,d", *rows), numbers=("c0", "c1", "c2"))
    assert result.frame.dtypes == [pl.Float64, pl.Float64, pl.String, pl.String]


def test_broken_rows_are_rejected_with_their_line_numbers(read):
    rows = make_lines()
    rows[4] += ",1"
    rows[9] = '0.5,"a"b,c,d,e'
    rows[14] = "x"
    result = read(join_lines("a note", HEADER, *rows))
    assert (result.frame.height, result.rejected.broken) == (37, 3)
    for reason in ("line 7 has 5 fields", "line 12 has an unclosed or misplaced quote", "line 17 has 1 field"):
        assert reason in result.rejected.warnings[0]


def test_a_row_that_is_not_utf8_is_rejected(read):
    body = join_lines(HEADER, *make_lines()).encode()
    result = read(body.replace(b"\nwest", b"\nwest") + b"1,2,caf\xe9,2024-01-01\n")
    assert (result.frame.height, result.rejected.broken) == (40, 1)
    assert "UTF-8" in result.rejected.warnings[0]


def test_column_names_that_polars_takes_for_patterns_are_read_as_names(read):
    body = join_lines("*,^a.*$,a1", *(f"{n},{n % 3},x" for n in range(30)))
    result = read(body, columns=["*", "^a.*$", "a1"], numbers=("*",))
    assert result.frame.columns == ["*", "^a.*$", "a1"]
    assert read(body + "1\n", columns=["*", "^a.*$", "a1"]).frame.columns == ["*", "^a.*$", "a1"]
