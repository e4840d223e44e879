"""Headers of delimited text: header or first row, unit rows and repeated headers."""

from __future__ import annotations

import pytest

from pipeline.contracts.errors import UnreadableDatasetError
from tests.helpers.dialect_tables import HEADER, join_lines, make_lines

# Header or no header


def _rows(header, rows):
    return join_lines(*([header] if header else []), *rows)


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
    result = read(join_lines(*rows))
    assert not result.dialect.has_header
    assert result.frame.height == len(rows)
    assert result.dialect.fields == tuple(f"column_{position}" for position in range(1, result.frame.width + 1))
    assert "no header" in result.told


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
def test_a_header_is_recognized_by_the_values_below_it(read, file):
    header, rows = HEADERS[file]
    result = read(join_lines(header, *rows))
    assert result.dialect.has_header
    assert result.frame.height == len(rows)
    assert result.dialect.fields == tuple(header.split(";" if ";" in header else ","))
    assert result.dialect.warnings == ()


def test_years_are_column_names_even_if_some_columns_are_empty(read):
    rows = [f'"Land {n}","L{n:02}","{n * 7 % 11}.5","","{n * 3 % 13}.25",' for n in range(40)]
    lines = ['"Data Source","Indicators",', "", '"Last Updated Date","2024-06-28",', ""]
    result = read(join_lines(*lines, '"Name","Code","1960","1961","1962",', *rows))
    assert (result.dialect.fields, result.dialect.header_line) == (("Name", "Code", "1960", "1961", "1962", ""), 5)


def test_no_header_can_be_requested(read):
    result = read(join_lines(*[f"w{n},v{n * n}" for n in range(30)]), header="none")
    assert (result.dialect.has_header, result.frame.height) == (False, 30)
    assert read(join_lines(*[f"w{n},v{n * n}" for n in range(30)])).frame.height in (29, 30)
    result = read(join_lines("a,b", *[f"{n},2" for n in range(30)]), header="none")
    assert result.frame.rows()[0] == ("a", "b")


def test_the_line_with_the_column_names_of_the_model_is_the_header(read):
    rows = [f"w{n},v{n % 3}" for n in range(30)]
    result = read(join_lines("w1,v1", "note,note", "town,kind", *rows), names=["town", "kind", "y"])
    assert (result.dialect.fields, result.dialect.header_line) == (("town", "kind"), 3)
    numbers = read(join_lines("7,5", *(f"{n},{n}" for n in range(30))), names=["5", "7"])
    assert (numbers.dialect.has_header, numbers.frame.height) == (True, 30)


def test_a_model_without_column_names_reads_later_files_by_position(read):
    names = ["column_1", "column_2", "column_3"]
    unseen = read("kiwi,fig,new\n" + "plum,pear,old\n" * 20, names=names)
    assert (unseen.dialect.has_header, unseen.frame.height) == (False, 21)
    header = read(join_lines("a,b,c", *(f"{n},{n % 3},x" for n in range(30))), names=names)
    assert (header.dialect.fields, header.frame.height) == (tuple(names), 30)
    assert "line 1" in header.told


def test_a_file_with_only_a_header_has_no_rows(read):
    for body in ("a,b,c\n", "a,b,c", "a;b;c\r\n\r\n"):
        result = read(body)
        assert (result.dialect.has_header, result.frame.shape) == (True, (0, 3))


def test_a_header_with_an_unclosed_quote_is_refused_with_its_line(read):
    with pytest.raises(UnreadableDatasetError, match="line 1"):
        read('"a,b\n1,2\n' * 3)


# Unit rows and repeated headers


@pytest.mark.parametrize(
    "units",
    ["[°C],[1],,[d]", "°C,-,,", "(deg),(n),(text),(iso)", "float,int,str,date", "K,counts,name,yyyy-mm-dd"],
)
def test_a_unit_row_is_skipped_and_reported(read, units):
    result = read(join_lines(HEADER, units, *make_lines()))
    assert result.dialect.units == tuple(units.split(","))
    assert result.frame.height == 40
    assert "line 2" in result.told


@pytest.mark.parametrize("rule", ["---+----+----+----", "---|---|---|---", "=================="])
def test_a_ruler_line_under_the_header_is_skipped(read, rule):
    result = read(join_lines(HEADER.replace(",", "|"), rule, *make_lines(delimiter="|"), "(40 rows)"))
    assert (result.frame.height, result.rejected.rows) == (40, 0)


@pytest.mark.parametrize("first", ["unknown,5,north,2024-01-01", "?,?,north,?", ",,south,", "5.5,err,north,2024-01-01"])
def test_a_first_row_with_missing_numbers_is_not_a_unit_row(read, first):
    result = read(join_lines(HEADER, first, *make_lines()))
    assert (result.dialect.units, result.frame.height) == ((), 41)


@pytest.mark.parametrize("spread", [7, 20])
@pytest.mark.parametrize("units", [(), ("[C],[n],,[d]",)])
def test_a_repeated_header_is_skipped_and_reported(read, spread, units):
    rows = make_lines()
    lines = [HEADER, *units, *rows[:spread], HEADER, *units, *rows[spread:], HEADER]
    result = read(join_lines(*lines), numbers=("c0", "c1"))
    assert result.dialect.repeats_header
    assert result.frame.height == 40
    assert result.rejected.rows == 0
    assert f"{spread + 2 + len(units)}" in result.told


def test_a_repeated_header_far_into_the_file_is_rejected_with_its_line(read):
    rows = make_lines(30_000)
    rows.insert(20_000, HEADER)
    result = read(join_lines(HEADER, *rows))
    assert (result.frame.height, result.rejected.broken) == (30_000, 1)
    assert "20,002" in result.rejected.warnings[0]
