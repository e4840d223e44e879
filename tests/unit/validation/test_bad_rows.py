"""A few unusable rows are rejected and reported; many unusable rows fail the run."""

from __future__ import annotations

import json
import re

import pytest

from pipeline.contracts.errors import InvalidTargetError, MalformedRowsError, TooFewRowsError


def _changed(lines, change, *numbers):
    return "\n".join(change(line) if number in numbers else line for number, line in enumerate(lines, 1)) + "\n"


def test_a_few_ragged_rows_are_rejected_with_their_lines(drop, lines):
    body = _changed(_changed(lines, lambda line: line + ",1", 6, 18).splitlines(), lambda _: "zz", 101)
    validated = drop("a.csv", body)
    assert validated.dataset.set_aside == 3
    assert [(row["line"], row["reason"]) for row in validated.set_aside] == [
        (6, "has 4 fields"),
        (18, "has 4 fields"),
        (101, "has 1 field"),
    ]
    assert validated.set_aside[0]["text"] == lines[5] + ",1\n"
    assert "line 18" in validated.dataset.warnings[0]
    assert sum(validated.dataset.rows.model_dump().values()) == 297


def test_line_numbers_count_quoted_newlines_as_an_editor_does(drop, lines):
    body = "\n".join([lines[0], '1,"x\ny\nz",yes', "broken", *lines[1:]])
    assert drop("a.csv", body).set_aside[0]["line"] == 5


def test_many_ragged_rows_are_refused_with_the_first_lines_and_the_expected_fields(drop, lines):
    with pytest.raises(MalformedRowsError) as refused:
        drop("a.csv", _changed(lines, lambda line: line + ",1,2", *range(2, 302, 3)))
    assert re.search(r"100 of 300 rows.* line 2 has 5 fields; line 5 has 5 fields.* 3 fields", str(refused.value))


def test_a_row_without_its_last_cell_is_rejected_and_a_row_with_an_empty_last_cell_is_kept(drop, lines):
    short = drop("a.csv", _changed(lines, lambda line: line.rsplit(",", 1)[0], 7), target="size")
    empty = drop("a.csv", _changed(lines, lambda line: line.rsplit(",", 1)[0] + ",", 7), target="size")
    assert (short.dataset.set_aside, empty.dataset.set_aside) == (1, 0)


@pytest.mark.parametrize("line", [201, 300, 301])
def test_an_unclosed_quote_is_read_as_a_character_of_its_line(drop, lines, line):
    validated = drop("a.csv", _changed(lines, lambda _: '0.5,"a,yes', line))
    assert (sum(split.height for split in validated.splits.values()), validated.dataset.set_aside) == (300, 0)
    assert any(f"line {line} holds a stray quote" in warning for warning in validated.dataset.warnings)


def test_lines_that_are_not_json_objects_are_rejected(drop, lines):
    good = [json.dumps(dict(zip(lines[0].split(","), line.split(","), strict=True))) for line in lines[1:]]
    validated = drop("a.jsonl", "\n".join([good[0], "[1]", '{"size": 1', *good[1:]]))
    assert [row["line"] for row in validated.set_aside] == [2, 3]
    with pytest.raises(MalformedRowsError, match="line 1 is not a JSON object"):
        drop("a.jsonl", "\n".join(line[:-1] for line in good))


def test_a_line_with_half_a_surrogate_pair_is_rejected(drop, lines):
    good = [json.dumps(dict(zip(lines[0].split(","), line.split(","), strict=True))) for line in lines[1:]]
    assert drop("a.jsonl", "\n".join([*good, '{"size": "\\ud800"}'])).set_aside[0]["line"] == 301


@pytest.mark.parametrize("empty", ["", "?", "NA", "NaN", '""'])
def test_rows_without_a_target_are_rejected(drop, lines, empty):
    validated = drop("a.csv", _changed(lines, lambda line: line.rsplit(",", 1)[0] + "," + empty, 3, 4))
    assert validated.dataset.set_aside == 2
    assert [row["row"] for row in validated.set_aside] == [2, 3]
    assert "2 of 300 rows" in validated.dataset.warnings[0]


def test_a_class_with_one_or_two_rows_is_rejected(drop, lines):
    validated = drop("a.csv", _changed(lines, lambda line: line.rsplit(",", 1)[0] + ",perhaps", 3, 4))
    assert (validated.dataset.classes, validated.dataset.set_aside) == (("no", "yes"), 2)


def test_a_target_with_only_rare_classes_is_refused(drop):
    with pytest.raises(InvalidTargetError, match="100 of the 100 classes of the target 'y' have fewer than 3 rows"):
        drop("a.csv", "x,y\n" + "".join(f"{row % 7},c{row // 2}\n" for row in range(200)))


@pytest.mark.parametrize(("rows", "count"), [(0, "0 rows"), (1, "1 row "), (29, "29 rows")])
def test_too_few_rows_are_refused_with_their_number_and_the_minimum(drop, lines, rows, count):
    with pytest.raises(TooFewRowsError, match=f"{count}.*at least 30"):
        drop("a.csv", "\n".join(lines[: rows + 1]))


def test_a_long_file_with_too_few_usable_rows_is_refused(drop, lines):
    with pytest.raises(TooFewRowsError, match=r"20 rows .*280 more are rejected"):
        drop("a.csv", _changed(lines, lambda line: line.rsplit(",", 1)[0] + ",", *range(2, 282)))


def test_a_split_that_would_be_empty_is_refused(drop, good):
    with pytest.raises(TooFewRowsError, match="none for validation"):
        drop("a.csv", good, spec="split: {validation: 0.001}")
