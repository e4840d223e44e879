"""Dialects of delimited text: lines around a table are skipped and reported, and no data row is lost."""

from __future__ import annotations

import pytest

from pipeline.contracts.errors import InvalidColumnsError
from tests.helpers.dialect_tables import HEADER, join_lines, make_lines

# Delimiters


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "^", "~"])
def test_the_delimiter_splits_all_rows_into_the_same_number_of_fields(read, delimiter):
    result = read(join_lines(HEADER.replace(",", delimiter), *make_lines(delimiter=delimiter)))
    assert result.dialect.delimiter == delimiter
    assert result.frame.shape == (40, 4)
    assert result.dialect.warnings == ()


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_decimal_commas_do_not_separate_fields(read, delimiter):
    result = read(join_lines(HEADER.replace(",", delimiter), *make_lines(delimiter=delimiter, decimal=",")))
    assert (result.dialect.delimiter, result.frame.width) == (delimiter, 4)


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
def test_other_delimiters_inside_cells_do_not_change_the_delimiter(read, body, delimiter):
    result = read(body)
    assert result.dialect.delimiter == delimiter
    assert result.rejected.rows == 0
    assert result.frame.height == body.count("\n") - 1


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


def test_a_tsv_file_with_commas_is_read_and_reported(read):
    result = read(join_lines(HEADER, *make_lines()), delimiter="\t")
    assert (result.dialect.delimiter, result.frame.width) == (",", 4)
    assert "tabs" in result.told
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
def test_the_sep_line_of_excel_sets_the_delimiter_and_is_not_a_header(read, hint, delimiter):
    result = read(join_lines(hint, HEADER.replace(",", delimiter), *make_lines(delimiter=delimiter), end="\r\n"))
    assert result.dialect.delimiter == delimiter
    assert result.dialect.fields == tuple(HEADER.split(","))
    assert (result.dialect.header_line, result.frame.height) == (2, 40)
    assert "line 1" in result.told


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
    result = read(join_lines(*lines, HEADER, *make_lines()))
    assert result.dialect.fields == tuple(HEADER.split(","))
    assert result.dialect.header_line == len(lines) + 1
    assert result.frame.height == 40
    assert "line" in result.told
    assert "header" in result.told


def test_two_column_notes_above_a_two_column_table_end_at_a_blank_line(read):
    lines = ["Operator;North", "Version;5", "Unit;metric", "", "speed;load", *(f"{n};{n * 7 % 11}" for n in range(40))]
    result = read(join_lines(*lines))
    assert (result.dialect.fields, result.dialect.header_line) == (("speed", "load"), 5)


@pytest.mark.parametrize("delimiter", ["\t", "|", ";"])
def test_a_preamble_is_found_with_every_delimiter(read, delimiter):
    lines = ["Exported from: the portal, v. 2", "Rows: all of them", "", HEADER.replace(",", delimiter)]
    result = read(join_lines(*lines, *make_lines(delimiter=delimiter)))
    assert (result.dialect.header_line, result.frame.shape) == (4, (40, 4))


def test_a_preamble_above_rows_without_a_header_is_skipped(read):
    result = read(join_lines("measured in May", *make_lines()))
    assert (result.dialect.has_header, result.dialect.header_line, result.frame.height) == (False, 2, 40)


def test_blank_lines_between_all_rows_are_not_a_preamble(read):
    result = read("\n" + join_lines(HEADER, *make_lines(), end="\n\n") + "\n\n")
    assert (result.dialect.fields, result.frame.height) == (tuple(HEADER.split(",")), 40)


def test_broken_rows_near_the_header_do_not_make_the_header_a_preamble(read):
    rows = make_lines()
    rows[1] += ",1,2"
    rows[3] = "x"
    result = read(join_lines(HEADER, *rows))
    assert (result.dialect.header_line, result.frame.height, result.rejected.broken) == (1, 38, 2)


def test_rows_that_do_not_fit_the_header_are_rejected(read):
    result = read(join_lines("a,b,c", *(f"1,2,3,{n % 3}" for n in range(40))))
    assert result.dialect.fields == ("a", "b", "c")
    assert result.rejected.broken == 40


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
    result = read(join_lines(HEADER.replace(",", delimiter), *make_lines(delimiter=delimiter), *footer))
    assert result.frame.height == 40
    assert result.rejected.rows == 0
    assert "after the last row" in result.told
    assert str(41 + len(footer)) in result.told


@pytest.mark.parametrize("total", ["Total", "Gesamt", "Totals:"])
def test_a_total_row_below_names_is_a_footer(read, total):
    rows = [f"shop {n};{n * 37 % 101};{n * 3 % 7}" for n in range(40)]
    sales, staff = sum(n * 37 % 101 for n in range(40)), sum(n * 3 % 7 for n in range(40))
    result = read(join_lines("shop;sales;staff", *rows, f"{total};{sales};{staff}"))
    assert result.frame.height == 40


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
def test_a_data_row_that_starts_like_a_total_is_kept(read, last):
    rows = [f"shop {n},{n * 37 % 101},{n * 3 % 7}" for n in range(40)]
    assert read(join_lines("shop,sales,staff", *rows, last)).frame.rows()[-1][0] == last.split(",")[0]


def test_statistics_below_dates_are_a_footer(read):
    rows = [f"2024-0{n % 9 + 1}-01,{n * 37 % 101},{n * 3 % 7}" for n in range(40)]
    statistics = ["Total,2020,120", "Average,50,3", "Max,100,6", "Min,0,0", "Std. Dev.,9,2"]
    assert read(join_lines("day,sales,staff", *rows, *statistics)).frame.height == 40


def test_a_total_is_a_data_row_if_other_rows_have_the_same_label(read):
    rows = [f"{['Total', 'Part', 'Rest'][n % 3]},{n * 37 % 101},{n * 3 % 7}" for n in range(41)]
    rows.append("Total,5,6")
    assert read(join_lines("kind,sales,staff", *rows)).frame.height == 42


def test_a_truncated_last_row_is_rejected_and_not_a_footer(read):
    result = read(join_lines(HEADER, *make_lines(), "5.1,3"))
    assert (result.frame.height, result.rejected.broken) == (40, 1)
    assert result.dialect.warnings == ()


def test_short_rows_of_a_ragged_file_are_not_a_footer(read):
    rows = [f"word{n % 7},{n},{n % 5}" if n % 4 else f"word{n % 7}" for n in range(80)]
    result = read(join_lines(*rows, "word3"))
    assert result.rejected.broken == 21


def test_a_quoted_cell_with_lines_like_a_footer_is_a_cell(read):
    rows = [f'{n},"note {n}",x' for n in range(40)]
    result = read(join_lines("n,note,k", *rows, '40,"first\n\nTotal\nSource: me",x'))
    assert result.frame.height == 41
    assert result.frame.rows()[-1][1].endswith("Source: me")


def test_the_footer_of_a_large_file_is_skipped(read):
    rows = make_lines(20_000)
    result = read(join_lines(HEADER, *rows, "", "Total,5,,", "Source: us"))
    assert result.frame.height == 20_000
    assert "footer" in result.told


# Comments


def test_comment_lines_before_and_among_the_rows_are_skipped(read):
    rows = make_lines()
    for prefix in ("#", "//", "%"):
        lines = [f"{prefix} made by us", f"{prefix} v. 2, of May", HEADER, *rows[:9], f"{prefix} sensor moved"]
        result = read(join_lines(*lines, *rows[9:]))
        assert result.frame.height == 40
        assert result.dialect.fields == tuple(HEADER.split(","))
        assert "13" in result.told
        assert result.rejected.rows == 0


def test_a_commented_out_row_is_skipped(read):
    result = read(
        join_lines("a,b,c", *(f"{n},{n % 3},x" for n in range(20)), "#5,5,x", *(f"{n},1,y" for n in range(9)))
    )
    assert result.frame.height == 29


@pytest.mark.parametrize(("delimiter", "prefix"), [(" ", "# "), (",", "# "), ("\t", "# "), (";", "% ")])
def test_a_header_in_a_comment_names_the_columns(read, delimiter, prefix):
    rows = [delimiter.join([f"{n}.5", str(n * 7 % 5), f"{n * 3}"]) for n in range(30)]
    result = read(join_lines(prefix + "numpy made this", prefix + delimiter.join("abc"), *rows))
    assert (result.dialect.has_header, result.dialect.header_line) == (True, 2)
    assert [field.strip() for field in result.dialect.fields] == ["a", "b", "c"]
    assert result.frame.height == 30


def test_a_column_name_may_start_with_a_hash(read):
    result = read(join_lines("#id,name,x", *(f"{n},n{n},{n % 5}" for n in range(30))))
    assert result.dialect.fields == ("#id", "name", "x")


def test_values_may_start_with_a_hash(read):
    tags = join_lines("tag,count", *(f"#{'abc'[n % 3]},{n}" for n in range(30)), "plain,3", "#z,1")
    assert read(tags).frame.height == 32
    colors = join_lines("color,x", "red,1", "#ff0000,2", "blue,3", *(f"green,{n}" for n in range(20)))
    assert read(colors).frame.height == 23
