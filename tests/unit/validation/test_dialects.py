"""Dialects of delimited text: what surrounds a table is skipped and told, and no data row is lost."""

from __future__ import annotations

import codecs
import random
from dataclasses import dataclass

import polars as pl
import pytest

from pipeline.contracts.errors import InvalidColumnsError, UnreadableDatasetError
from pipeline.validation.readers.dialects import Dialect, detect_dialect
from pipeline.validation.readers.options import ReadOptions
from pipeline.validation.readers.text.chunks import Block, Lines
from pipeline.validation.readers.text.delimited_rows import read_rows
from pipeline.validation.rejected_rows import RejectedRows


@dataclass
class Read:
    dialect: Dialect
    frame: pl.DataFrame
    rejected: RejectedRows

    @property
    def told(self):
        return " | ".join(self.dialect.warnings)

    @property
    def rows(self):
        return self.frame.rows()


@pytest.fixture
def read(tmp_path):
    def read(body, *, delimiter=None, numbers=(), columns=None, **options):
        path = tmp_path / "a.csv"
        data = body if isinstance(body, bytes) else body.encode()
        path.write_bytes(data)
        start = len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0
        dialect = detect_dialect("a.csv", path, start, delimiter=delimiter, options=ReadOptions(**options))
        rejected = RejectedRows(tmp_path / "aside")
        names = columns or [f"c{position}" for position in range(dialect.width)]
        lines = Lines(path, dialect.start, data[: dialect.start].count(b"\n") + 1)
        block = Block(dialect.start, data[dialect.start : dialect.end], lines)
        frame = read_rows(block, dialect, names, numbers, rejected, tmp_path)
        return Read(dialect, frame, rejected)

    return read


def _table(rows=40, delimiter=",", decimal=".", seed=1):
    """Lines of a table of a number, a number, a word and a date, without a header."""
    rng = random.Random(seed)
    return [
        delimiter.join(
            [
                f"{rng.uniform(-9, 99):.2f}".replace(".", decimal),
                str(rng.randrange(900)),
                rng.choice(["north", "south", "west side"]),
                f"2024-0{rng.randrange(1, 9)}-1{rng.randrange(9)}",
            ]
        )
        for _ in range(rows)
    ]


HEADER = "temp,count,place,day"


def _join(*lines, end="\n"):
    return end.join(lines) + end


# Delimiters


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "^", "~"])
def test_the_delimiter_is_the_one_that_cuts_all_rows_alike(read, delimiter):
    found = read(_join(HEADER.replace(",", delimiter), *_table(delimiter=delimiter)))
    assert found.dialect.delimiter == delimiter
    assert found.frame.shape == (40, 4)
    assert found.dialect.warnings == ()


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_decimal_commas_do_not_separate_fields(read, delimiter):
    found = read(_join(HEADER.replace(",", delimiter), *_table(delimiter=delimiter, decimal=",")))
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


def test_a_file_whose_name_promises_tabs_and_has_commas_is_read_and_told(read):
    found = read(_join(HEADER, *_table()), delimiter="\t")
    assert (found.dialect.delimiter, found.frame.width) == (",", 4)
    assert "tabs" in found.told
    assert read(_join(HEADER.replace(",", "\t"), *_table(delimiter="\t")), delimiter="\t").dialect.warnings == ()


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
def test_the_line_that_names_the_delimiter_is_no_header(read, hint, delimiter):
    found = read(_join(hint, HEADER.replace(",", delimiter), *_table(delimiter=delimiter), end="\r\n"))
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
def test_lines_before_the_header_are_skipped_and_told(read, preamble):
    lines = PREAMBLES[preamble]
    found = read(_join(*lines, HEADER, *_table()))
    assert found.dialect.fields == tuple(HEADER.split(","))
    assert found.dialect.header_line == len(lines) + 1
    assert found.frame.height == 40
    assert "line" in found.told
    assert "header" in found.told


def test_notes_as_wide_as_a_table_of_two_columns_end_at_a_blank_line(read):
    lines = ["Operator;North", "Version;5", "Unit;metric", "", "speed;load", *(f"{n};{n * 7 % 11}" for n in range(40))]
    found = read(_join(*lines))
    assert (found.dialect.fields, found.dialect.header_line) == (("speed", "load"), 5)


@pytest.mark.parametrize("delimiter", ["\t", "|", ";"])
def test_a_preamble_is_found_with_every_delimiter(read, delimiter):
    lines = ["Exported from: the portal, v. 2", "Rows: all of them", "", HEADER.replace(",", delimiter)]
    found = read(_join(*lines, *_table(delimiter=delimiter)))
    assert (found.dialect.header_line, found.frame.shape) == (4, (40, 4))


def test_a_preamble_above_rows_without_a_header_is_skipped(read):
    found = read(_join("measured in May", *_table()))
    assert (found.dialect.has_header, found.dialect.header_line, found.frame.height) == (False, 2, 40)


def test_blank_lines_between_all_rows_are_no_preamble(read):
    found = read("\n" + _join(HEADER, *_table(), end="\n\n") + "\n\n")
    assert (found.dialect.fields, found.frame.height) == (tuple(HEADER.split(",")), 40)


def test_broken_rows_near_the_header_do_not_make_it_a_preamble(read):
    rows = _table()
    rows[1] += ",1,2"
    rows[3] = "x"
    found = read(_join(HEADER, *rows))
    assert (found.dialect.header_line, found.frame.height, found.rejected.broken) == (1, 38, 2)


def test_a_header_that_fits_no_row_is_kept_so_that_the_rows_are_refused(read):
    found = read(_join("a,b,c", *(f"1,2,3,{n % 3}" for n in range(40))))
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
def test_lines_after_the_last_row_are_skipped_and_told(read, footer, delimiter):
    footer = [line.replace(",", delimiter) for line in footer]
    found = read(_join(HEADER.replace(",", delimiter), *_table(delimiter=delimiter), *footer))
    assert found.frame.height == 40
    assert found.rejected.rows == 0
    assert "after the last row" in found.told
    assert str(41 + len(footer)) in found.told


@pytest.mark.parametrize("total", ["Total", "Gesamt", "Totals:"])
def test_a_total_below_names_is_a_footer(read, total):
    rows = [f"shop {n};{n * 37 % 101};{n * 3 % 7}" for n in range(40)]
    sales, staff = sum(n * 37 % 101 for n in range(40)), sum(n * 3 % 7 for n in range(40))
    found = read(_join("shop;sales;staff", *rows, f"{total};{sales};{staff}"))
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
    assert read(_join("shop,sales,staff", *rows, last)).frame.rows()[-1][0] == last.split(",")[0]


def test_statistics_below_dates_are_a_footer(read):
    rows = [f"2024-0{n % 9 + 1}-01,{n * 37 % 101},{n * 3 % 7}" for n in range(40)]
    statistics = ["Total,2020,120", "Average,50,3", "Max,100,6", "Min,0,0", "Std. Dev.,9,2"]
    assert read(_join("day,sales,staff", *rows, *statistics)).frame.height == 40


def test_a_total_among_kinds_that_have_other_totals_is_a_row(read):
    rows = [f"{['Total', 'Part', 'Rest'][n % 3]},{n * 37 % 101},{n * 3 % 7}" for n in range(41)]
    rows.append("Total,5,6")
    assert read(_join("kind,sales,staff", *rows)).frame.height == 42


def test_a_row_that_is_cut_off_is_rejected_and_no_footer(read):
    found = read(_join(HEADER, *_table(), "5.1,3"))
    assert (found.frame.height, found.rejected.broken) == (40, 1)
    assert found.dialect.warnings == ()


def test_short_rows_of_a_ragged_file_are_no_footer(read):
    rows = [f"word{n % 7},{n},{n % 5}" if n % 4 else f"word{n % 7}" for n in range(80)]
    found = read(_join(*rows, "word3"))
    assert found.rejected.broken == 21


def test_quoted_newlines_that_look_like_a_footer_are_a_cell(read):
    rows = [f'{n},"note {n}",x' for n in range(40)]
    found = read(_join("n,note,k", *rows, '40,"first\n\nTotal\nSource: me",x'))
    assert found.frame.height == 41
    assert found.frame.rows()[-1][1].endswith("Source: me")


def test_a_footer_of_a_large_file_is_found_in_its_tail(read):
    rows = _table(20_000)
    found = read(_join(HEADER, *rows, "", "Total,5,,", "Source: us"))
    assert found.frame.height == 20_000
    assert "footer" in found.told


# Comments


def test_comment_lines_before_and_among_the_rows_are_skipped(read):
    rows = _table()
    for prefix in ("#", "//", "%"):
        lines = [f"{prefix} made by us", f"{prefix} v. 2, of May", HEADER, *rows[:9], f"{prefix} sensor moved"]
        found = read(_join(*lines, *rows[9:]))
        assert found.frame.height == 40
        assert found.dialect.fields == tuple(HEADER.split(","))
        assert "13" in found.told
        assert found.rejected.rows == 0


def test_a_row_that_was_commented_out_is_a_comment(read):
    found = read(_join("a,b,c", *(f"{n},{n % 3},x" for n in range(20)), "#5,5,x", *(f"{n},1,y" for n in range(9))))
    assert found.frame.height == 29


@pytest.mark.parametrize(("delimiter", "prefix"), [(" ", "# "), (",", "# "), ("\t", "# "), (";", "% ")])
def test_a_header_in_a_comment_names_the_columns(read, delimiter, prefix):
    rows = [delimiter.join([f"{n}.5", str(n * 7 % 5), f"{n * 3}"]) for n in range(30)]
    found = read(_join(prefix + "numpy made this", prefix + delimiter.join("abc"), *rows))
    assert (found.dialect.has_header, found.dialect.header_line) == (True, 2)
    assert [field.strip() for field in found.dialect.fields] == ["a", "b", "c"]
    assert found.frame.height == 30


def test_a_name_that_begins_with_a_hash_is_a_name(read):
    found = read(_join("#id,name,x", *(f"{n},n{n},{n % 5}" for n in range(30))))
    assert found.dialect.fields == ("#id", "name", "x")


def test_values_that_begin_with_a_hash_are_values(read):
    tags = _join("tag,count", *(f"#{'abc'[n % 3]},{n}" for n in range(30)), "plain,3", "#z,1")
    assert read(tags).frame.height == 32
    colors = _join("color,x", "red,1", "#ff0000,2", "blue,3", *(f"green,{n}" for n in range(20)))
    assert read(colors).frame.height == 23


# Header or none


def _rows(header, rows):
    return _join(*([header] if header else []), *rows)


NO_HEADER = {
    "flowers": [f"{5 + n % 7 / 10},{3 - n % 5 / 10},{['setosa', 'versi'][n % 2]}" for n in range(40)],
    "messages": [f"{['ham', 'spam'][n % 3 == 0]}\tsome words of message {n} here" for n in range(40)],
    "letters": [",".join("pes"[(n * k) % 3] + "" for k in (1, 2, 5, 7)) for n in range(60)],
    "dates": [f"2024-01-{n % 28 + 1:02};{n * 7 % 13},5;ok" for n in range(40)],
    "adult": [
        f"{20 + n}, {'State-gov' if n % 2 else 'Private'}, {n * 77}, {'>50K' if n % 3 else '<=50K'}" for n in range(60)
    ],
    "a missing value first": ["?,3,a", *(f"{n},{n % 4},{'ab'[n % 2]}" for n in range(40))],
    "small numbers": [f"{n % 4 + 1},{n % 13 + 1},{n % 3 + 1},{n % 11 + 1}" for n in range(60)],
    "blanks": [f"  {n}.5   {n % 3}  {n % 7}.25" for n in range(30)],
}


@pytest.mark.parametrize("file", NO_HEADER)
def test_a_file_without_a_header_keeps_its_first_row(read, file):
    rows = NO_HEADER[file]
    found = read(_join(*rows))
    assert not found.dialect.has_header
    assert found.frame.height == len(rows)
    assert found.dialect.fields == tuple(f"column_{position}" for position in range(1, found.frame.width + 1))
    assert "no header" in found.told


HEADERS = {
    "names": ("a,b,c", NO_HEADER["flowers"]),
    "years": ("city,2019,2020,2021", [f"town{n},{n * 5},{n * 7 % 90},{n * 3}" for n in range(30)]),
    "two years": ("city,2019,2020", [f"town{n},{n * 5 % 83},{n * 7 % 90}" for n in range(30)]),
    "months": ("city,2024-01,2024-02", [f"town{n},{n * 5},{n * 7 % 90}" for n in range(30)]),
    "pandas' numbers": ("0,1,2,3", [f"{n / 7:.3f},{n % 5}.5,{n * 2},{n % 3}" for n in range(30)]),
    "pandas' index": (",0", [f"{n},{n * 7 % 13}.5" for n in range(30)]),
    "wavelengths": (
        "400.5,402.4,404.5,406.6,408.5,y",
        [",".join(f"{(n + 3) * (n + k) * 31 % 97 / 97:.3f}" for k in range(2, 7)) + ",a" for n in range(30)],
    ),
    "text alone": ("text,label", [f"some words here {n},{'pos' if n % 2 else 'neg'}" for n in range(30)]),
    "all words": ("name,town", [f"n{'abcdefg'[n % 7] * (n % 9)}x,t{'hij'[n % 3] * n}" for n in range(30)]),
    "names with digits": ("x1,x2,x3", [f"{n},{n % 5},{n % 3}" for n in range(30)]),
    "percent and money": ("price,share", [f"${n}.50,{n} %" for n in range(30)]),
    "units": ("ram,weight", [f"{n % 8}GB,{n % 5}.37kg" for n in range(30)]),
    "questions": ("How old are you?;Where do you live now?;ok", [f"{n};in the town of {n};ja" for n in range(30)]),
}


@pytest.mark.parametrize("file", HEADERS)
def test_a_header_is_known_by_the_values_below_it(read, file):
    header, rows = HEADERS[file]
    found = read(_join(header, *rows))
    assert found.dialect.has_header
    assert found.frame.height == len(rows)
    assert found.dialect.fields == tuple(header.split(";" if ";" in header else ","))
    assert found.dialect.warnings == ()


def test_years_are_names_though_some_have_no_values(read):
    rows = [f'"Land {n}","L{n:02}","{n * 7 % 11}.5","","{n * 3 % 13}.25",' for n in range(40)]
    lines = ['"Data Source","Indicators",', "", '"Last Updated Date","2024-06-28",', ""]
    found = read(_join(*lines, '"Name","Code","1960","1961","1962",', *rows))
    assert (found.dialect.fields, found.dialect.header_line) == (("Name", "Code", "1960", "1961", "1962", ""), 5)


def test_no_header_can_be_asked_for(read):
    found = read(_join(*[f"w{n},v{n * n}" for n in range(30)]), header="none")
    assert (found.dialect.has_header, found.frame.height) == (False, 30)
    assert read(_join(*[f"w{n},v{n * n}" for n in range(30)])).frame.height in (29, 30)
    found = read(_join("a,b", *[f"{n},2" for n in range(30)]), header="none")
    assert found.frame.rows()[0] == ("a", "b")


def test_the_line_with_the_names_of_a_known_model_is_the_header(read):
    rows = [f"w{n},v{n % 3}" for n in range(30)]
    found = read(_join("w1,v1", "note,note", "town,kind", *rows), names=["town", "kind", "y"])
    assert (found.dialect.fields, found.dialect.header_line) == (("town", "kind"), 3)
    numbers = read(_join("7,5", *(f"{n},{n}" for n in range(30))), names=["5", "7"])
    assert (numbers.dialect.has_header, numbers.frame.height) == (True, 30)


def test_a_later_file_of_a_model_without_names_has_none(read):
    names = ["column_1", "column_2", "column_3"]
    unseen = read("kiwi,fig,new\n" + "plum,pear,old\n" * 20, names=names)
    assert (unseen.dialect.has_header, unseen.frame.height) == (False, 21)
    header = read(_join("a,b,c", *(f"{n},{n % 3},x" for n in range(30))), names=names)
    assert (header.dialect.fields, header.frame.height) == (tuple(names), 30)
    assert "line 1" in header.told


def test_a_header_alone_is_read_as_no_rows(read):
    for body in ("a,b,c\n", "a,b,c", "a;b;c\r\n\r\n"):
        found = read(body)
        assert (found.dialect.has_header, found.frame.shape) == (True, (0, 3))


def test_a_header_that_is_not_well_quoted_is_refused_with_its_line(read):
    with pytest.raises(UnreadableDatasetError, match="line 1"):
        read('"a,b\n1,2\n' * 3)


# Unit rows and repeated headers


@pytest.mark.parametrize(
    "units",
    ["[°C],[1],,[d]", "°C,-,,", "(deg),(n),(text),(iso)", "float,int,str,date", "K,counts,name,yyyy-mm-dd"],
)
def test_a_unit_row_is_skipped_and_told(read, units):
    found = read(_join(HEADER, units, *_table()))
    assert found.dialect.units == tuple(units.split(","))
    assert found.frame.height == 40
    assert "line 2" in found.told


@pytest.mark.parametrize("rule", ["---+----+----+----", "---|---|---|---", "=================="])
def test_a_line_drawn_under_the_header_is_skipped(read, rule):
    found = read(_join(HEADER.replace(",", "|"), rule, *_table(delimiter="|"), "(40 rows)"))
    assert (found.frame.height, found.rejected.rows) == (40, 0)


@pytest.mark.parametrize("first", ["unknown,5,north,2024-01-01", "?,?,north,?", ",,south,", "5.5,err,north,2024-01-01"])
def test_a_first_row_that_lacks_numbers_is_no_unit_row(read, first):
    found = read(_join(HEADER, first, *_table()))
    assert (found.dialect.units, found.frame.height) == ((), 41)


@pytest.mark.parametrize("spread", [7, 20])
@pytest.mark.parametrize("units", [(), ("[C],[n],,[d]",)])
def test_a_header_that_comes_again_is_skipped_and_told(read, spread, units):
    rows = _table()
    lines = [HEADER, *units, *rows[:spread], HEADER, *units, *rows[spread:], HEADER]
    found = read(_join(*lines), numbers=("c0", "c1"))
    assert found.dialect.repeats_header
    assert found.frame.height == 40
    assert found.rejected.rows == 0
    assert f"{spread + 2 + len(units)}" in found.told


def test_a_header_that_comes_again_far_into_the_file_is_rejected_with_its_line(read):
    rows = _table(30_000)
    rows.insert(20_000, HEADER)
    found = read(_join(HEADER, *rows))
    assert (found.frame.height, found.rejected.broken) == (30_000, 1)
    assert "20,002" in found.rejected.warnings[0]


# Widths


@pytest.mark.parametrize("extra", [1, 2, 3])
@pytest.mark.parametrize("delimiter", [",", ";", "|", "\t"])
def test_empty_fields_that_the_header_lacks_are_ignored_and_told(read, extra, delimiter):
    rows = [row + delimiter * extra for row in _table(delimiter=delimiter)]
    found = read(_join(HEADER.replace(",", delimiter), *rows), numbers=("c0", "c1"))
    assert found.dialect.extra_fields == extra
    assert found.frame.shape == (40, 4)
    assert found.frame.dtypes[:2] == [pl.Float64, pl.Float64]
    assert "empty field" in found.told


def test_a_trailing_delimiter_of_the_header_too_is_an_unnamed_column(read):
    found = read(_join(HEADER + ",", *(row + "," for row in _table())))
    assert found.dialect.fields == (*HEADER.split(","), "")
    assert found.frame.get_column("c4").null_count() == 40


def test_a_trailing_delimiter_of_the_header_alone_is_ignored(read):
    assert read(_join(HEADER + ",", *_table())).dialect.fields == tuple(HEADER.split(","))


def test_a_value_beyond_the_header_is_a_broken_row(read):
    rows = [row + "," for row in _table()]
    rows[20] += "7"
    found = read(_join(HEADER, *rows))
    assert (found.frame.height, found.rejected.broken) == (39, 1)


@pytest.mark.parametrize("quote", ['"', ""])
@pytest.mark.parametrize("delimiter", [" ", ",", "\t"])
def test_row_names_without_a_header_are_a_first_column(read, delimiter, quote):
    header = delimiter.join(f"{quote}{name}{quote}" for name in ("len", "wid", "kind"))
    rows = [
        delimiter.join([f"{quote}{n}{quote}", f"{n % 7}.5", f"{n % 3}", f"{quote}k{n % 2}{quote}"])
        for n in range(1, 31)
    ]
    found = read(_join(header, *rows))
    assert found.dialect.index_field
    assert found.dialect.fields == ("len", "wid", "kind")
    assert found.frame.row(0) == ("1", "1.5", "1", "k1")
    assert "first" in found.told


@pytest.mark.parametrize("name", ["Smith, Tom", "'Smith, Tom'"])
def test_a_text_that_a_comma_cuts_is_no_row_name(read, name):
    found = read(_join("id,name,y", *(f"{n},{name},{n % 2}" for n in range(40))))
    assert not found.dialect.index_field
    assert found.rejected.broken == 40


# Rows


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_may_end_in_every_way(read, end):
    found = read(_join("Notes of us", "", HEADER, *_table(), end=end), numbers=("c1",))
    assert (found.frame.shape, found.dialect.header_line) == ((40, 4), 3)
    assert found.frame.row(0)[3] == _table()[0].split(",")[3]


def test_mixed_line_ends_are_read(read):
    rows = _table()
    body = HEADER + "\r\n" + "\n".join(rows[:20]) + "\r" + "\r".join(rows[20:]) + "\r\n"
    found = read(body)
    assert (found.frame.height, found.rejected.rows) == (40, 0)


def test_padded_quoted_fields_are_quoted_fields(read):
    rows = [f'{n}, "town, {n % 3}", "x"' for n in range(30)]
    found = read(_join('n, "place, of it", k', *rows))
    assert found.dialect.fields == ("n", "place, of it", "k")
    assert found.frame.row(1)[1:] == ("town, 1", "x")
    assert found.rejected.rows == 0


def test_a_first_cell_may_be_very_long(read):
    found = read(_join("text,label", f'"{"long words, " * 9_000}",a', *(f"w {n},b" for n in range(40))))
    assert (found.frame.height, found.dialect.fields) == (41, ("text", "label"))


def test_a_quoted_cell_may_hold_lines_that_look_like_anything(read):
    rows = [f'{n},"line\n# {n}\na,b\nTotal",x' for n in range(30)]
    found = read(_join("n,text,k", *rows))
    assert (found.frame.height, found.rejected.rows) == (30, 0)


def test_numbers_are_read_column_by_column(read):
    rows = [f"{n},{n % 5},{'NA' if n == 3 else n},x" for n in range(30)]
    found = read(_join("a,b,c,d", *rows), numbers=("c0", "c1", "c2"))
    assert found.frame.dtypes == [pl.Float64, pl.Float64, pl.String, pl.String]


def test_broken_rows_are_rejected_with_their_lines(read):
    rows = _table()
    rows[4] += ",1"
    rows[9] = '0.5,"a"b,c,d,e'
    rows[14] = "x"
    found = read(_join("a note", HEADER, *rows))
    assert (found.frame.height, found.rejected.broken) == (37, 3)
    assert "line 7 has 5 fields; line 12 is not well quoted; line 17 has 1 field" in found.rejected.warnings[0]


def test_bytes_that_are_not_utf8_cost_their_row(read):
    body = _join(HEADER, *_table()).encode()
    found = read(body.replace(b"\nwest", b"\nwest") + b"1,2,caf\xe9,2024-01-01\n")
    assert (found.frame.height, found.rejected.broken) == (40, 1)
    assert "UTF-8" in found.rejected.warnings[0]


def test_names_that_a_library_takes_for_patterns_are_names(read):
    body = _join("*,^a.*$,a1", *(f"{n},{n % 3},x" for n in range(30)))
    found = read(body, columns=["*", "^a.*$", "a1"], numbers=("*",))
    assert found.frame.columns == ["*", "^a.*$", "a1"]
    assert read(body + "1\n", columns=["*", "^a.*$", "a1"]).frame.columns == ["*", "^a.*$", "a1"]
