"""Dialects of delimited text: what surrounds a table is skipped and told, and no data row is lost."""

from __future__ import annotations

import pytest

from pipeline.contracts.errors import InvalidColumnsError
from tests.helpers.dialect_tables import HEADER, join_lines, make_lines

# Delimiters


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "^", "~"])
def test_the_delimiter_is_the_one_that_cuts_all_rows_alike(read, delimiter):
    found = read(join_lines(HEADER.replace(",", delimiter), *make_lines(delimiter=delimiter)))
    assert found.dialect.delimiter == delimiter
    assert found.frame.shape == (40, 4)
    assert found.dialect.warnings == ()


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_decimal_commas_do_not_separate_fields(read, delimiter):
    found = read(join_lines(HEADER.replace(",", delimiter), *make_lines(delimiter=delimiter, decimal=",")))
    assert (found.dialect.delimiter, found.frame.width) == (delimiter, 4)


@pytest.mark.parametrize(
    ("body", "delimiter"),
    [
        ("x y\n" + "1,5 2,7\n2,25 3,1\n8,5 9,0\n" * 5, " "),
        ("x;y\n" + "1,5;2,7\n2,25;3,1\n" * 5, ";"),
        ("x\ty\n" + "1,5\t2,7\n2,25\t3,1\n" * 5, "\t"),
        ("a   b    c\n" + "1.5  2.25   x\n  7.5 12.25   yes\n" * 5, " "),
        ("name,when\n" + "Tom Smith,2024-01-01 12:00\nAnn Lee,2024-01-02 13:00\n" * 5, ","),
        ("when,x\n" + "2024-01-01 12:00,5.5\n2024-01-02 13:00,7\n" * 5, ","),
        ("id,tags\n" + "1,a;b;c\n2,d;e;f\n" * 5, ","),
        ("label\ttext\n" + "ham\tHi, you there\nspam\tWin, win, win now\nham\tok\n" * 5, "\t"),
        ("day\tx\n" + "Jan 5, 2020\t3\nFeb 7, 2021\t8\n" * 5, "\t"),
        ("city;place\n" + "Berlin, DE;Mitte, Nord\nRome, IT;Sud, Est\n" * 5, ";"),
        ("a,b\n" + '"1;2",3\n"4;5",6\n' * 5, ","),
        ("time,note\n" + "12:30:00,a|b\n13:30:00,c|d\n" * 5, ","),
        ("a:b:c\n" + "1:2:x\n3:4:y\n" * 5, ":"),
    ],
)
def test_other_delimiters_inside_of_cells_do_not_mislead(read, body, delimiter):
    found = read(body)
    assert found.dialect.delimiter == delimiter
    assert found.rejected.rows == 0
    assert found.frame.height == body.count("\n") - 1


@pytest.mark.parametrize(
    "body",
    [
        "a\n1\n2\n3\n" * 10,
        "text\n" + "a sentence of words\nanother one, with more words in it\nshort\n" * 10,
        "name: Tom\nage: none\ncity: Rome\n" * 10,
        "when\n" + "2024-01-01 12:00\n" * 30,
        "word\nother\n",
    ],
)
def test_a_file_of_one_column_is_refused(read, body):
    with pytest.raises(InvalidColumnsError, match=r"a\.csv.*one column"):
        read(body)


def test_a_file_whose_name_promises_tabs_and_has_commas_is_read_and_reported(read):
    found = read(join_lines(HEADER, *make_lines()), delimiter="\t")
    assert (found.dialect.delimiter, found.frame.width) == (",", 4)
    assert "tabs" in found.told
    assert (
        read(join_lines(HEADER.replace(",", "\t"), *make_lines(delimiter="\t")), delimiter="\t").dialect.warnings == ()
    )


# Excel's hint


@pytest.mark.parametrize(
    ("hint", "delimiter"),
    [
        ("sep=;", ";"),
        ("\ufeffsep=;", ";"),
        ('"sep=,"', ","),
        ("sep=\t", "\t"),
        ("sep=\\t", "\t"),
        ("SEP=|", "|"),
        ("sep=§", "§"),
        ("sep=;;;;", ";"),
        ("sep=!", "!"),
    ],
)
def test_the_line_that_names_the_delimiter_is_not_a_header(read, hint, delimiter):
    found = read(join_lines(hint, HEADER.replace(",", delimiter), *make_lines(delimiter=delimiter), end="\r\n"))
    assert found.dialect.delimiter == delimiter
    assert found.dialect.fields == tuple(HEADER.split(","))
    assert (found.dialect.header_line, found.frame.height) == (2, 40)
    assert "line 1" in found.told


def test_a_column_named_like_the_hint_is_a_column(read):
    assert read("sep=x,b\n" + "1,2\n3,4\n" * 5).dialect.fields == ("sep=x", "b")


# Preambles

PREAMBLES = {
    "notes": ["Station report", "Generated,2024-03-01 08:00", 'Operator,"North, unit 4"', "Unit system,metric", ""],
    "padded as Excel does": ["Report,,,", ",,,", "Operator,Tom,,", ",,,"],
    "padded, no gap": ["Monthly report,,,", "Version,5,,"],
    "one line of prose": ["These data, which were collected by us, come from the city of Rome, in 2020"],
    "prose as wide as the table": ["This file, which we made in May, holds numbers of the town, and more of it"],
    "long": [f"note {line}" for line in range(12)],
    "three cells": ["Bank,Account,123", "From,2024-01-01,x", ""],
    "a lone quote": ['"An unclosed note', "x"],
}


@pytest.mark.parametrize("preamble", PREAMBLES)
def test_lines_before_the_header_are_skipped_and_reported(read, preamble):
    lines = PREAMBLES[preamble]
    found = read(join_lines(*lines, HEADER, *make_lines()))
    assert found.dialect.fields == tuple(HEADER.split(","))
    assert found.dialect.header_line == len(lines) + 1
    assert found.frame.height == 40
    assert "line" in found.told
    assert "header" in found.told


def test_notes_as_wide_as_a_table_of_two_columns_end_at_a_blank_line(read):
    lines = ["Operator;North", "Version;5", "Unit;metric", "", "speed;load", *(f"{n};{n * 7 % 11}" for n in range(40))]
    found = read(join_lines(*lines))
    assert (found.dialect.fields, found.dialect.header_line) == (("speed", "load"), 5)


@pytest.mark.parametrize("delimiter", ["\t", "|", ";"])
def test_a_preamble_is_found_with_every_delimiter(read, delimiter):
    lines = ["Exported from: the portal, v. 2", "Rows: all of them", "", HEADER.replace(",", delimiter)]
    found = read(join_lines(*lines, *make_lines(delimiter=delimiter)))
    assert (found.dialect.header_line, found.frame.shape) == (4, (40, 4))


def test_a_preamble_above_rows_without_a_header_is_skipped(read):
    found = read(join_lines("measured in May", *make_lines()))
    assert (found.dialect.has_header, found.dialect.header_line, found.frame.height) == (False, 2, 40)


def test_blank_lines_between_all_rows_are_not_a_preamble(read):
    found = read("\n" + join_lines(HEADER, *make_lines(), end="\n\n") + "\n\n")
    assert (found.dialect.fields, found.frame.height) == (tuple(HEADER.split(",")), 40)


def test_broken_rows_near_the_header_do_not_make_it_a_preamble(read):
    rows = make_lines()
    rows[1] += ",1,2"
    rows[3] = "x"
    found = read(join_lines(HEADER, *rows))
    assert (found.dialect.header_line, found.frame.height, found.rejected.broken) == (1, 38, 2)


def test_a_header_that_fits_no_row_is_kept_so_that_the_rows_are_refused(read):
    found = read(join_lines("a,b,c", *(f"1,2,3,{n % 3}" for n in range(40))))
    assert found.dialect.fields == ("a", "b", "c")
    assert found.rejected.broken == 40


# Footers

FOOTERS = [
    ["Total,1234,,"],
    ["Total:,1234,,", "Average,12,,"],
    ["", "Source: National Bureau"],
    ["Source: National Bureau, 2024"],
    ["40 rows exported"],
    ["(40 rows)"],
    [",,,", "Summe,99,,"],
    ["Итого,5,,", "Среднее,2,,"],
    ["合計,5,,"],
    ["", "* figures are estimates", "", "Exported 2024-03-01 08:00 by Tom"],
    ["--- end of file ---"],
    [",,,", ",,,", ",,,"],
    ["Grand Total,5,,", "", "Generated on: 2024-01-01", "Page 1 of 1"],
]


@pytest.mark.parametrize("footer", FOOTERS)
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_lines_after_the_last_row_are_skipped_and_reported(read, footer, delimiter):
    footer = [line.replace(",", delimiter) for line in footer]
    found = read(join_lines(HEADER.replace(",", delimiter), *make_lines(delimiter=delimiter), *footer))
    assert found.frame.height == 40
    assert found.rejected.rows == 0
    assert "after the last row" in found.told
    assert str(41 + len(footer)) in found.told


@pytest.mark.parametrize("total", ["Total", "Gesamt", "Totals:"])
def test_a_total_below_names_is_a_footer(read, total):
    rows = [f"shop {n};{n * 37 % 101};{n * 3 % 7}" for n in range(40)]
    sales, staff = sum(n * 37 % 101 for n in range(40)), sum(n * 3 % 7 for n in range(40))
    found = read(join_lines("shop;sales;staff", *rows, f"{total};{sales};{staff}"))
    assert found.frame.height == 40


@pytest.mark.parametrize(
    "last",
    [
        "Total Wine & More,12,3",
        "Source Interlink,12,3",
        "Sumner,12,3",
        "Max,12,3",
        "Mean Bean Coffee,12,3",
        "40 rows street,12,3",
    ],
)
def test_a_data_row_that_begins_like_a_total_is_kept(read, last):
    rows = [f"shop {n},{n * 37 % 101},{n * 3 % 7}" for n in range(40)]
    assert read(join_lines("shop,sales,staff", *rows, last)).frame.rows()[-1][0] == last.split(",")[0]


def test_statistics_below_dates_are_a_footer(read):
    rows = [f"2024-0{n % 9 + 1}-01,{n * 37 % 101},{n * 3 % 7}" for n in range(40)]
    statistics = ["Total,2020,120", "Average,50,3", "Max,100,6", "Min,0,0", "Std. Dev.,9,2"]
    assert read(join_lines("day,sales,staff", *rows, *statistics)).frame.height == 40


def test_a_total_among_kinds_that_have_other_totals_is_a_row(read):
    rows = [f"{['Total', 'Part', 'Rest'][n % 3]},{n * 37 % 101},{n * 3 % 7}" for n in range(41)]
    rows.append("Total,5,6")
    assert read(join_lines("kind,sales,staff", *rows)).frame.height == 42


def test_a_row_that_is_cut_off_is_rejected_and_no_footer(read):
    found = read(join_lines(HEADER, *make_lines(), "5.1,3"))
    assert (found.frame.height, found.rejected.broken) == (40, 1)
    assert found.dialect.warnings == ()


def test_short_rows_of_a_ragged_file_are_not_a_footer(read):
    rows = [f"word{n % 7},{n},{n % 5}" if n % 4 else f"word{n % 7}" for n in range(80)]
    found = read(join_lines(*rows, "word3"))
    assert found.rejected.broken == 21


def test_quoted_newlines_that_look_like_a_footer_are_a_cell(read):
    rows = [f'{n},"note {n}",x' for n in range(40)]
    found = read(join_lines("n,note,k", *rows, '40,"first\n\nTotal\nSource: me",x'))
    assert found.frame.height == 41
    assert found.frame.rows()[-1][1].endswith("Source: me")


def test_a_footer_of_a_large_file_is_found_in_its_tail(read):
    rows = make_lines(20_000)
    found = read(join_lines(HEADER, *rows, "", "Total,5,,", "Source: us"))
    assert found.frame.height == 20_000
    assert "footer" in found.told


# Comments


def test_comment_lines_before_and_among_the_rows_are_skipped(read):
    rows = make_lines()
    for prefix in ("#", "//", "%"):
        lines = [f"{prefix} made by us", f"{prefix} v. 2, of May", HEADER, *rows[:9], f"{prefix} sensor moved"]
        found = read(join_lines(*lines, *rows[9:]))
        assert found.frame.height == 40
        assert found.dialect.fields == tuple(HEADER.split(","))
        assert "13" in found.told
        assert found.rejected.rows == 0


def test_a_row_that_was_commented_out_is_a_comment(read):
    found = read(join_lines("a,b,c", *(f"{n},{n % 3},x" for n in range(20)), "#5,5,x", *(f"{n},1,y" for n in range(9))))
    assert found.frame.height == 29


@pytest.mark.parametrize(("delimiter", "prefix"), [(" ", "# "), (",", "# "), ("\t", "# "), (";", "% ")])
def test_a_header_in_a_comment_names_the_columns(read, delimiter, prefix):
    rows = [delimiter.join([f"{n}.5", str(n * 7 % 5), f"{n * 3}"]) for n in range(30)]
    found = read(join_lines(prefix + "numpy made this", prefix + delimiter.join("abc"), *rows))
    assert (found.dialect.has_header, found.dialect.header_line) == (True, 2)
    assert [field.strip() for field in found.dialect.fields] == ["a", "b", "c"]
    assert found.frame.height == 30


def test_a_name_that_begins_with_a_hash_is_a_name(read):
    found = read(join_lines("#id,name,x", *(f"{n},n{n},{n % 5}" for n in range(30))))
    assert found.dialect.fields == ("#id", "name", "x")


def test_values_that_begin_with_a_hash_are_values(read):
    tags = join_lines("tag,count", *(f"#{'abc'[n % 3]},{n}" for n in range(30)), "plain,3", "#z,1")
    assert read(tags).frame.height == 32
    colors = join_lines("color,x", "red,1", "#ff0000,2", "blue,3", *(f"green,{n}" for n in range(20)))
    assert read(colors).frame.height == 23
