"""Stray quotes in a text lose no row, and quotes around cells keep their meaning."""

from __future__ import annotations

import random
from concurrent.futures import Future

import polars as pl
import pytest

from pipeline.validation.readers.batches import open_rows
from pipeline.validation.readers.formats import find_format
from pipeline.validation.readers.options import ReadOptions
from pipeline.validation.readers.source import File, Source
from pipeline.validation.rejected_rows import RejectedRows

ROWS = 300


@pytest.fixture(params=["in memory", "streamed"])
def read(request, tmp_path):
    def read(name, lines):
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n", newline="")
        source = Source(name=name, files=(File(name=name, path=path, form=find_format(name)),), digest=Future())
        streamed = request.param == "streamed"
        rejected = RejectedRows(tmp_path / "aside")
        first = RejectedRows(tmp_path / "first") if streamed else rejected
        rows = open_rows(
            source, tmp_path, ReadOptions(), first, is_large=streamed, max_bytes=1 << 30, block_bytes=2_000
        )
        if not streamed:
            return rows.sample, rejected
        return pl.concat([batch.read((), rejected) for batch in rows.batches()]), rejected

    return read


def _messages(delimiter="\t", columns=2):
    rng = random.Random(3)
    words = ["see you", "oh no", "call me", "free prize", "at home", "good night"]
    rows = []
    for number in range(ROWS):
        cells = [rng.choice(["ham", "spam"]), f"{rng.choice(words)} {number}", str(rng.randrange(9))]
        rows.append(delimiter.join(cells[:columns]))
    header = delimiter.join(["label", "text", "count"][:columns])
    return [header, *rows]


@pytest.mark.parametrize("distance", [1, 2, 40])
def test_two_stray_quotes_are_characters_of_two_rows(read, distance):
    lines = _messages()
    lines[100] = 'ham\t"Oh no, not'
    lines[100 + distance] = 'ham\tokay then"'
    frame, rejected = read("a.tsv", lines)
    assert (frame.height, rejected.rows) == (ROWS, 0)
    assert frame["text"][99] == '"Oh no, not'
    assert frame["text"][99 + distance] == 'okay then"'
    assert any("line 101 holds a stray quote" in warning for warning in rejected.warnings)


def test_two_stray_quotes_in_a_middle_column_are_characters(read):
    lines = _messages(",", 3)
    lines[20] = 'ham,"Oh no,5'
    lines[23] = 'spam,bye now",3'
    frame, rejected = read("a.csv", lines)
    assert (frame.height, rejected.rows) == (ROWS, 0)
    assert (frame["text"][19], frame["text"][22]) == ('"Oh no', 'bye now"')


def test_one_stray_quote_loses_no_row(read):
    lines = _messages(",", 3)
    lines[100] = 'ham,"Oh message 100 here,2'
    frame, rejected = read("a.csv", lines)
    assert (frame.height, rejected.rows, rejected.repaired) == (ROWS, 0, 1)
    assert frame["text"][99] == '"Oh message 100 here'


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ('"rod 5" long', '"rod 5" long'),
        ('"a 5" rod, long"', 'a 5" rod, long'),
        ('he said "hi" to 5" men', 'he said "hi" to 5" men'),
    ],
)
def test_quotes_inside_a_field_lose_no_row(read, field, text):
    lines = _messages(",", 3)
    for line in (50, 60, 70, 80):
        lines[line] = f"ham,{field},4"
    frame, rejected = read("a.csv", lines)
    assert (frame.height, rejected.rows) == (ROWS, 0)
    assert frame["text"][49] == text


def test_a_stray_quote_does_not_change_quoted_cells(read):
    lines = _messages(";", 3)
    lines[10:40] = [f'spam;"one; ""two""{number}";3' for number in range(30)]
    lines[45] = 'ham;"never closed;1'
    frame, rejected = read("a.csv", lines)
    assert (frame.height, rejected.rows) == (ROWS, 0)
    assert frame["text"][9] == 'one; "two"0'


def test_a_quoted_poem_with_commas_stays_one_cell(read):
    poem = "Roses are red, dear\nViolets, blue\nSugar, sweet\nAnd so, are you"
    rows = [f'{label},"{poem} {number}"' for number, label in enumerate(["ode", "song"] * 75)]
    plain = [f"{label},no poem {number}" for number, label in enumerate(["ode", "song"] * 75)]
    frame, rejected = read("a.csv", ["kind,text", *rows, *plain])
    assert (frame.height, rejected.rows, rejected.repaired) == (300, 0, 0)
    assert frame["text"][0] == f"{poem} 0"


def test_a_quoted_address_of_several_lines_stays_one_cell(read):
    rows = [
        f'{number},"{number} Main Street\nSpringfield, IL, 627{number % 90 + 10}",{number % 7}' if number % 3 else
        f"{number},somewhere,{number % 7}"
        for number in range(ROWS)
    ]  # fmt: skip
    frame, rejected = read("a.csv", ["id,address,size", *rows])
    assert (frame.height, rejected.rows, rejected.repaired) == (ROWS, 0, 0)
    assert frame["address"][1] == "1 Main Street\nSpringfield, IL, 62711"
