"""Every supported format gives the same data set."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from pipeline.contracts.errors import InvalidColumnsError, UnreadableDatasetError

ROOT = Path(__file__).parents[3]


def _jsonl(text: str) -> str:
    return "".join(json.dumps(row) + "\n" for row in pl.read_csv(text.encode()).to_dicts())


def _parquet(text: str) -> bytes:
    file = io.BytesIO()
    pl.read_csv(text.encode()).write_parquet(file)
    return file.getvalue()


FORMS = {
    "comma": ("a.csv", lambda text: text),
    "upper-case ending": ("A.CSV", lambda text: text),
    "semicolon": ("a.csv", lambda text: text.replace(",", ";")),
    "tab": ("a.csv", lambda text: text.replace(",", "\t")),
    "tsv": ("a.tsv", lambda text: text.replace(",", "\t")),
    "bar": ("a.txt", lambda text: text.replace(",", "|")),
    "bom": ("a.csv", lambda text: "\ufeff" + text),
    "crlf": ("a.csv", lambda text: text.replace("\n", "\r\n")),
    "old mac": ("a.csv", lambda text: text.replace("\n", "\r")),
    "no last newline": ("a.csv", lambda text: text.rstrip()),
    "blank lines": ("a.csv", lambda text: "\n" + text.replace("\n", "\n\n") + "\n\n"),
    "spaces": ("a.csv", lambda text: text.replace(",", " , ")),
    "quoted": ("a.csv", lambda text: text.replace(",a,", ',"a",')),
    "gzip": ("a.csv.gz", lambda text: gzip.compress(text.encode())),
    "jsonl": ("a.jsonl", _jsonl),
    "ndjson gzip": ("a.ndjson.gz", lambda text: gzip.compress(_jsonl(text).encode())),
    "parquet": ("a.parquet", _parquet),
}


def _plain(dataset):
    """Remove the fields that depend on the file: its checksum and the column aliases."""
    columns = tuple(column.model_copy(update={"aliases": ()}) for column in dataset.columns)
    return dataset.model_copy(update={"sha256": "", "columns": columns})


@pytest.mark.parametrize("form", FORMS)
def test_the_format_of_a_file_does_not_change_its_data_set(drop, good, form):
    file, body = FORMS[form]
    expected, validated = drop("plain.csv", good), drop(file, body(good))
    assert _plain(validated.dataset) == _plain(expected.dataset)
    assert all(validated.split(name).equals(expected.split(name)) for name in expected.splits)


def test_a_quoted_cell_may_hold_newlines_delimiters_and_quotes(drop, good):
    validated = drop("a.csv", good.replace(",a,", ',"a,\n ""b""",'))
    assert 'a,\n "b"' in validated.dataset.columns[1].vocabulary
    assert validated.dataset.set_aside == 0


def test_a_quote_inside_an_unquoted_cell_is_a_character(drop, good):
    assert '5" pipe' in drop("a.csv", good.replace(",a,", ',5" pipe,')).dataset.columns[1].vocabulary


def test_decimal_commas_are_read_if_another_delimiter_separates_the_fields(drop, good):
    expected = drop("a.csv", good).dataset.columns[0]
    validated = drop("b.csv", good.replace(",", ";").replace(".", ",")).dataset.columns[0]
    assert validated.number_format.decimal == ","
    assert validated.model_copy(update={"number_format": expected.number_format}) == expected


@pytest.mark.parametrize(
    ("file", "body", "words"),
    [
        ("a.csv", b"", ["'a.csv'", "empty"]),
        ("a.csv", b"\xef\xbb\xbf \n\n", ["empty"]),
        ("a.parquet", b"", ["empty"]),
        ("a.xlsx", b"PK\x03\x04", ["a.xlsx", "Excel"]),
        ("a.docx", b"PK\x03\x04", ["a.docx", ".csv", ".parquet", ".xlsx", ".jsonl.gz"]),
        ("a", b"x", [".csv"]),
        ("a.csv", b"PK\x03\x04", ["zip", "text is expected"]),
        ("a.csv", b"\x89PNG\r\n\x1a\n" + bytes(100), ["PNG"]),
        ("a.csv", b"%PDF-1.4\n1 0 obj", ["PDF"]),
        ("a.csv.gz", gzip.compress(b"a,b\n" + b"1,2\n" * 9999, mtime=0)[:-20], ["gzip", "truncated"]),
        ("a.csv.gz", b"a,b\n1,2\n", ["gzip"]),
        ("a.parquet", b"a,b\n1,2\n", ["not a parquet file"]),
        ("a.csv", b'"a,b\n1,2\n' * 3, ["line 1"]),
    ],
)
def test_a_file_whose_content_does_not_match_its_name_is_refused_with_the_reason(drop, file, body, words):
    with pytest.raises((UnreadableDatasetError, InvalidColumnsError)) as refused:
        drop(file, body)
    assert [word for word in words if word not in str(refused.value)] == []


@pytest.mark.parametrize("cut", [slice(None, -200), slice(None, -1)])
def test_a_truncated_parquet_file_is_refused_as_truncated(drop, good, cut):
    with pytest.raises(UnreadableDatasetError, match="truncated parquet"):
        drop("a.parquet", _parquet(good)[cut])


def test_a_parquet_file_with_missing_bytes_is_refused_as_damaged(drop, good):
    body = _parquet(good)
    with pytest.raises(UnreadableDatasetError, match="damaged parquet"):
        drop("a.parquet", body[:100] + body[300:])


def test_a_multibyte_character_may_lie_across_two_chunks(drop, lines):
    padding = "a," + "x" * ((1 << 20) - 4 - len(lines[0])) + "é"
    validated = drop("a.csv", "\n".join([lines[0], padding + ",yes", *lines[1:]]))
    assert sum(validated.dataset.rows.model_dump().values()) == 301


def test_types_of_a_parquet_file_are_kept(drop):
    frame = pl.DataFrame(
        {
            "whole": [1, 2, None] * 40,
            "truth": [True, False, None] * 40,
            "category": pl.Series(["a", "b", "a"] * 40, dtype=pl.Categorical),
            "price": pl.Series(["1.5", "2.5", "1.5"] * 40).cast(pl.Decimal(10, 2)),
            "day": pl.Series([0, 1, 2] * 40).cast(pl.Date),
            "list": [[1], [2], [3]] * 40,
            "label": [0, 1, 1] * 40,
        }
    )
    file = io.BytesIO()
    frame.write_parquet(file)
    validated = drop("a.parquet", file.getvalue())
    assert validated.kinds == {
        "whole": "numeric",
        "truth": "boolean",
        "category": "categorical",
        "price": "numeric",
        "day": "datetime",
    }
    assert set(validated.left_out) == {"list"}
    assert validated.dataset.classes == ("0", "1")
    assert validated.split("train").schema["whole"] == validated.split("train").schema["truth"] == pl.Float32


def test_values_of_many_types_in_one_json_column_are_categories(drop, good):
    body = _jsonl(good).replace('"a"', "true").replace('"b"', "3.0")
    assert set(drop("a.jsonl", body).dataset.columns[1].vocabulary) == {"true", "3", "c"}


def test_a_json_column_of_objects_is_dropped(drop, good):
    assert "objects" in drop("a.jsonl", _jsonl(good).replace('"a"', '{"x": 1}')).left_out["colour"]


def test_a_json_row_may_lack_keys(drop, good):
    body = _jsonl(good).replace('"size": 0.1', '"other": 0.1')
    assert drop("a.jsonl", body, target="sold").kinds == {
        "size": "numeric",
        "colour": "categorical",
        "other": "numeric",
    }


def test_validation_runs_without_numpy_pyarrow_and_pandas():
    script = (
        "import sys; sys.modules.update(dict.fromkeys(['numpy', 'pyarrow', 'pandas']))\n"
        "import tempfile\n"
        "from pathlib import Path\n"
        "from pipeline.contracts.spec.job_spec import JobSpec\n"
        "from pipeline.validation.prepare import prepare\n"
        "from pipeline.validation.rejected_rows import RejectedRows\n"
        "from pipeline.validation.readers.batches import rows_of_frame\n"
        "import polars as pl\n"
        "days = [f'{1_700_000_000_000 + day * 90_000_001}' for day in range(120)]\n"
        "frame = pl.DataFrame({'x': [1.5, 2.5, None] * 40, 'w': ['a', 'b', 'a'] * 40, 'time': days, 'y': range(120)})\n"
        "frame = frame.with_columns(typed=pl.from_epoch(frame['time'].cast(pl.Int64) * 7 % 1000003, time_unit='ms'))\n"
        "frame = frame.with_columns(written=frame['typed'].dt.strftime('%d.%m.%Y %H:%M:%S%.3f'))\n"
        "frame = frame.select('x', 'w', 'time', 'typed', 'written', 'y')\n"
        "folder = Path(tempfile.mkdtemp())\n"
        "prepared = prepare(rows_of_frame(frame), JobSpec(), RejectedRows(Path('unused')), folder, sha256='')\n"
        "assert prepared.dataset.task == 'regression'"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
