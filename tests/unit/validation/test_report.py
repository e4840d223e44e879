"""The report.json of a run, which `modeldrop check` shows too."""

from __future__ import annotations

import json

from tests.unit.validation.conftest import KEYS


def _report(validated):
    return json.loads(validated.artifacts.get(KEYS.report))


def test_a_successful_run_reports_how_its_file_was_read(drop, lines):
    body = "\n".join(["note;;", ";".join(lines[0].split(",")), *(line.replace(",", ";") for line in lines[1:])])
    validated = drop("a.csv", body.encode("utf-16"))
    report = _report(validated)
    assert (report["file"], report["encoding"], report["target"], report["task"]) == (
        "a.csv", "UTF-16 LE", "sold", "classification",
    )  # fmt: skip
    assert report["dialect"] == {"delimiter": ";", "header_line": 2}
    assert report["rows"] == len(lines) - 1
    assert report["warnings"] == list(validated.dataset.warnings)


def test_each_column_is_described_with_its_kind_or_why_it_was_dropped(drop, lines):
    body = "\n".join([f",{lines[0]}", *(f"{number},{line}" for number, line in enumerate(lines[1:]))])
    report = _report(drop("a.csv", body))
    columns = {column["name"]: column for column in report["columns"]}
    assert "row number" in columns["column_1"]["dropped"]
    assert (columns["size"]["kind"], columns["size"]["dropped"], columns["size"]["missing"]) == ("numeric", None, 0)
    assert columns["sold"]["kind"] == "categorical"
    assert len(columns["colour"]["examples"]) == 3


def test_rejected_lines_are_listed_with_their_reasons(drop, lines):
    lines[5] += ",more"
    report = _report(drop("a.csv", "\n".join(lines)))
    assert report["rejected"] == [{"line": 6, "reason": "has 4 fields"}]


def test_dropped_columns_give_a_warning_unless_train_yaml_drops_them(drop, lines):
    body = "\n".join([f"{lines[0]},empty", *(f"{line}," for line in lines[1:])])
    validated = drop("a.csv", body, spec="drop: [colour]\ntarget: sold")
    (warning,) = [warning for warning in validated.dataset.warnings if "dropped" in warning]
    assert "'empty'" in warning
    assert "colour" not in warning
