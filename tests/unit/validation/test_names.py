"""Column names are unique and stripped, and otherwise exactly those of the file."""

from __future__ import annotations

import io
import random
import unicodedata
from concurrent.futures import Future

import openpyxl
import polars as pl
import pytest

from pipeline.contracts.errors import InvalidColumnsError
from pipeline.contracts.signature import Column, Signature
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.serving.names import ColumnNames
from pipeline.validation.columns.names import check_names, name_columns
from pipeline.validation.known_rows import read_known_rows
from pipeline.validation.prepare import prepare
from pipeline.validation.readers.batches import open_rows
from pipeline.validation.readers.formats import find_format
from pipeline.validation.readers.options import ReadOptions
from pipeline.validation.readers.source import File, Source
from pipeline.validation.rejected_rows import RejectedRows


@pytest.mark.parametrize(
    ("written", "name"),
    [
        (" age", "age"),
        ("\u00a0income\u202f", "income"),
        ("\ufeffid\u200b", "id"),
        ("\u200b \u200btown \ufeff", "town"),
        ("home  town", "home  town"),
        ("two\nlines\n", "two\nlines"),
        ('say "hi"', 'say "hi"'),
        ("**", "**"),
        ("a*", "a*"),
        ("^a", "^a"),
        ("5$", "5$"),
        ("🙂", "🙂"),
        ("دما\u200cسنج", "دما\u200cسنج"),
    ],
)
def test_only_the_ends_of_a_name_are_stripped(written, name):
    named = name_columns([written, "other"])
    assert named.names == (name, "other")
    assert named.aliases == ({} if written == name else {name: (written,)})
    assert named.warnings == ()


def test_accents_are_composed_and_the_original_spelling_is_an_alias():
    written = unicodedata.normalize("NFD", "Größe é")
    named = name_columns([written, "b"])
    assert named.names == ("Größe é", "b")
    assert named.aliases == {"Größe é": (written,)}


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        (["score", "age", "score"], ("score", "age", "score_2")),
        (["a", "a", "a"], ("a", "a_2", "a_3")),
        (["a", "a", "a_2"], ("a", "a_3", "a_2")),
        (["a_2", "a", "a"], ("a_2", "a", "a_3")),
        (["x ", " x", "x"], ("x", "x_2", "x_3")),
    ],
)
def test_duplicate_names_get_a_free_number(fields, names):
    named = name_columns(fields)
    assert named.names == names
    (warning,) = named.warnings
    assert f"'{fields[-1].strip() if fields[-1] != 'a_2' else 'a'}'" in warning


def test_a_warning_names_the_positions_of_duplicates():
    (warning,) = name_columns(["score", "age", "score", "b", "score"]).warnings
    assert "1, 3 and 5" in warning
    assert "'score_2'" in warning
    assert "'score_3'" in warning


def test_names_that_differ_in_case_or_inner_blanks_stay_distinct():
    fields = ["Age", "age", "AGE", "home town", "home  town"]
    assert name_columns(fields).names == tuple(fields)
    assert name_columns(fields).warnings == ()


def test_unnamed_columns_are_named_by_position_and_reported():
    named = name_columns(["", "a", " ", "\u200b"])
    assert named.names == ("column_1", "a", "column_3", "column_4")
    assert named.unnamed == {"column_1", "column_3", "column_4"}
    assert "3 columns" in named.warnings[0]
    assert "column_3" in named.warnings[0]


def test_a_position_name_that_is_already_used_gets_a_number():
    named = name_columns(["column_2", "", "b"])
    assert named.names == ("column_2", "column_2_2", "b")
    assert named.unnamed == {"column_2_2"}


@pytest.mark.parametrize("written", ["Unnamed: 0", "Unnamed: 0.1", "Unnamed: 0.1.1", "Unnamed: 12_level_0"])
def test_unnamed_columns_of_pandas_keep_their_names_and_count_as_unnamed(written):
    named = name_columns([written, "a"])
    assert (named.names, named.unnamed) == ((written, "a"), {written})


@pytest.mark.parametrize("written", ["index", "Unnamed", "Unnamed: x", "id"])
def test_other_names_do_not_count_as_unnamed(written):
    assert name_columns([written, "a"]).unnamed == frozenset()


def test_two_spellings_of_a_name_get_different_names():
    named = name_columns(["x", " x", "x_2"])
    assert named.names == ("x", "x_3", "x_2")
    assert named.aliases == {"x_3": (" x",)}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (["a", "b" * 201], ["column 2", "201", "200"]),
        ([f"c{n}" for n in range(10_001)], ["10,001", "10,000"]),
    ],
)
def test_too_many_and_too_long_names_are_refused(fields, words):
    with pytest.raises(InvalidColumnsError) as refused:
        name_columns(fields)
    assert [word for word in words if word not in str(refused.value)] == []


@pytest.mark.parametrize(("written", "name"), [("*", "(*)"), ("^x$", "(^x$)"), (" ^a.*b$", "(^a.*b$)")])
def test_a_name_that_polars_takes_for_a_pattern_is_changed_and_reported(written, name):
    named = name_columns(["a", written])
    assert named.names == ("a", name)
    assert named.aliases == {name: (written,)}
    assert name in named.warnings[0]


def _pattern_rows():
    rng = random.Random(5)
    return [
        {"*": rng.random(), "**": rng.choice("abc"), "^x$": f"{rng.random():.3f}", "y": rng.choice(["no", "yes"])}
        for _ in range(300)
    ]


def _body(rows, name):
    file = io.BytesIO()
    frame = pl.DataFrame(rows)
    if name.endswith("csv"):
        frame.write_csv(file)
    elif name.endswith("jsonl"):
        frame.write_ndjson(file)
    elif name.endswith("parquet"):
        frame.write_parquet(file)
    else:
        workbook = openpyxl.Workbook()
        for row in [frame.columns, *frame.rows()]:
            workbook.active.append(row)
        workbook.save(file)
    return file.getvalue()


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet", "a.xlsx"])
@pytest.mark.parametrize("is_large", [False, True])
@pytest.mark.parametrize(
    ("spec", "target", "columns"),
    [
        ({}, "y", {"(*)": "numeric", "**": "categorical", "(^x$)": "numeric"}),
        ({"target": "*"}, "(*)", {"**": "categorical", "(^x$)": "numeric", "y": "boolean"}),
        ({"drop": ("^x$",)}, "y", {"(*)": "numeric", "**": "categorical"}),
    ],
)
def test_columns_named_as_patterns_are_learned_from(  # noqa: PLR0917 - three parameters and their outcome
    name, is_large, spec, target, columns, tmp_path
):
    (tmp_path / "upload").write_bytes(_body(_pattern_rows(), name))
    digest = Future()
    digest.set_result("0")
    source = Source(
        name=name, files=(File(name=name, path=tmp_path / "upload", form=find_format(name)),), digest=digest
    )
    rejected = RejectedRows(tmp_path / "aside")
    is_large = is_large and name != "a.xlsx"
    rows = open_rows(source, tmp_path, ReadOptions(), rejected, is_large=is_large, max_bytes=1 << 30, block_bytes=2_000)
    dataset = prepare(rows, JobSpec(**spec), rejected, tmp_path, sha256="0", test=None).dataset
    assert dataset.target == target
    assert {column.name: column.kind for column in dataset.columns} == columns
    assert dataset.columns[0].aliases == (() if target == "(*)" else ("*",))


def test_a_later_file_with_columns_named_as_patterns_is_read_in_any_order(tmp_path):
    columns = (Column(name="(*)", kind="numeric", aliases=("*",)), Column(name="(^x$)", kind="numeric"))
    (tmp_path / "later.csv").write_text("^x$,*\n1.5,2\n2.5,3\n")
    signature = Signature(task="regression", target="y", columns=columns)
    known_rows = read_known_rows("later.csv", tmp_path / "later.csv", signature, tmp_path)
    assert known_rows.frame.rows() == [(2.0, 1.5), (3.0, 2.5)]


def test_a_request_may_spell_a_pattern_as_the_training_file_does():
    columns = (Column(name="(*)", kind="numeric", aliases=("*",)), Column(name="b", kind="numeric"))
    names = ColumnNames(Signature(task="regression", target="y", columns=columns))
    assert names.rename({"*": 1, "b": 2}, "row 1") == {"(*)": 1, "b": 2}


def test_names_with_too_many_bytes_in_total_are_refused():
    check_names([f"{number:05d}".ljust(150, "c") for number in range(10_000)])
    with pytest.raises(InvalidColumnsError, match="at most 2,000,000"):
        check_names([f"{number:05d}".ljust(198, "\u00e9") for number in range(10_000)])
