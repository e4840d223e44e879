"""Lines that are quoted as a whole are unquoted, and ``::`` may separate fields."""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from pipeline.contracts.errors import InvalidColumnsError
from pipeline.validation.readers.batches import open_rows
from pipeline.validation.readers.formats import find_format
from pipeline.validation.readers.options import ReadOptions
from pipeline.validation.readers.source import File, Source
from pipeline.validation.rejected_rows import RejectedRows


@pytest.fixture
def read(tmp_path):
    def read(lines, name="a.csv", names=(), *, is_large=False):
        path = tmp_path / "upload"
        path.write_text("\n".join(lines) + "\n")
        source = Source(name=name, files=(File(name=name, path=path, form=find_format(name)),), digest=Future())
        rejected = RejectedRows(tmp_path / "aside")
        options = ReadOptions(names=names)
        return open_rows(source, tmp_path, options, rejected, is_large=is_large, max_bytes=1 << 30, block_bytes=1_000)

    return read


@pytest.mark.parametrize("header", ['"id,name,kind"', "id,name,kind"])
@pytest.mark.parametrize("is_large", [False, True])
def test_lines_that_are_quoted_as_a_whole_are_unquoted_and_reported(read, header, is_large):
    rows = read([header, *(f'"t{n},{n},a{n % 3}"' for n in range(60))], is_large=is_large)
    assert rows.sample.columns == ["id", "name", "kind"]
    assert rows.sample.rows()[1] == ("t1", "1", "a1")
    assert "quoted as a whole" in rows.warnings[0]


def test_doubled_quotes_inside_a_quoted_line_enclose_a_cell(read):
    rows = read(['"id;text;y"', *(f'"{n};""one; two {n}"";{n % 2}"' for n in range(60))])
    assert rows.sample.rows()[5] == ("5", "one; two 5", "1")


def test_a_later_file_may_have_quoted_lines(read):
    rows = read(['"x,y"', *(f'"{n},{n % 2}"' for n in range(3))], names=("x", "y"))
    assert rows.sample.rows() == [("0", "0"), ("1", "1"), ("2", "0")]


def test_one_column_of_quoted_texts_is_not_split(read):
    texts = [f"hello, {n} friends" for n in range(40)]
    lines = ['"text"', *(f'"{text}"' for text in texts)]
    assert read(lines, names=("text", "y")).sample["text"].to_list() == texts
    with pytest.raises(InvalidColumnsError):
        read(lines)


@pytest.mark.parametrize("row", ['"{0}","b, {0}"', '"{0}",""', '"","a{0}"', '"a ""{0}""",x'])
def test_lines_of_quoted_cells_are_not_unquoted_as_a_whole(read, row):
    rows = read(['"k","text"', *(row.format(n) for n in range(40))])
    assert rows.sample.columns == ["k", "text"]
    assert not any("as a whole" in warning for warning in rows.warnings)


@pytest.mark.parametrize("is_large", [False, True])
@pytest.mark.parametrize("header", [[], ["user::movie::rating::time"]])
def test_double_colons_separate_ratings(read, header, is_large):
    lines = [f"{n % 7}::{n * 13}::{n % 5 + 1}::{978300000 + n}" for n in range(100)]
    rows = read([*header, *lines], "a.dat", is_large=is_large)
    assert rows.sample.width == 4
    assert rows.sample.rows()[1] == ("1", "13", "2", "978300001")
    assert (rows.sample.columns[0] == "user") == bool(header)


def test_double_colons_separate_titles_that_hold_other_delimiters(read):
    lines = [f"{n}::Toy Story {n}, The (19{n}): part 2::{'Comedy|' * (n % 2)}Drama" for n in range(10, 90)]
    assert read(lines, "movies.dat").sample.rows()[1] == ("11", "Toy Story 11, The (1911): part 2", "Comedy|Drama")


def test_double_colons_separate_quoted_cells(read):
    lines = ["k::text::y", *(f'a{n % 3}::"one::{n}"::{n % 2}' for n in range(60))]
    assert read(lines).sample.rows()[1] == ("a1", "one::1", "1")


@pytest.mark.parametrize("row", ["std::vector::a{0};{1};x", "fe80::{0}:a;{1};x", "a::{0};b::{1};c"])
def test_double_colons_in_values_are_characters(read, row):
    rows = read(["a;b;c", *(row.format(n, n % 2) for n in range(60))])
    assert rows.sample.columns == ["a", "b", "c"]
