"""Names of columns: unique, stripped, and otherwise letter for letter those of the file."""

from __future__ import annotations

import unicodedata

import pytest

from pipeline.contracts.errors import InvalidColumnsError
from pipeline.validation.columns.names import name_columns


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
        ("*", "*"),
        ("^a.*$", "^a.*$"),
        ("🙂", "🙂"),
        ("دما\u200cسنج", "دما\u200cسنج"),
    ],
)
def test_only_the_ends_of_a_name_are_stripped(written, name):
    named = name_columns([written, "other"])
    assert named.names == (name, "other")
    assert named.aliases == ({} if written == name else {name: (written,)})
    assert named.warnings == ()


def test_accents_are_composed_and_the_files_own_spelling_is_an_alias():
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
def test_duplicates_get_a_number_that_is_free(fields, names):
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


def test_unnamed_columns_are_named_by_position_and_told():
    named = name_columns(["", "a", " ", "\u200b"])
    assert named.names == ("column_1", "a", "column_3", "column_4")
    assert named.unnamed == {"column_1", "column_3", "column_4"}
    assert "3 columns" in named.warnings[0]
    assert "column_3" in named.warnings[0]


def test_a_position_name_that_is_taken_gets_a_number():
    named = name_columns(["column_2", "", "b"])
    assert named.names == ("column_2", "column_2_2", "b")
    assert named.unnamed == {"column_2_2"}


@pytest.mark.parametrize("written", ["Unnamed: 0", "Unnamed: 0.1", "Unnamed: 0.1.1", "Unnamed: 12_level_0"])
def test_what_pandas_calls_unnamed_keeps_its_name_and_counts_as_unnamed(written):
    named = name_columns([written, "a"])
    assert (named.names, named.unnamed) == ((written, "a"), {written})


@pytest.mark.parametrize("written", ["index", "Unnamed", "Unnamed: x", "id"])
def test_other_names_are_names(written):
    assert name_columns([written, "a"]).unnamed == frozenset()


def test_two_spellings_of_one_name_are_not_taken_for_each_other():
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
