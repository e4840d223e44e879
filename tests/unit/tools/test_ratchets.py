"""The style ratchets: counting, exceeded ceilings, and lowering of ceilings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools.code_lines import count_code_lines
from tools.ratchets import CEILINGS, MAX_LINES, MAX_MODULES, SourceFile, find_excess, lower, main, measure

DOCUMENTED = '"""Module."""\n'


def count(name: str, *texts: str, folder: str = "pipeline/serving") -> int:
    sources = [SourceFile(Path(folder) / f"module_{number}.py", text) for number, text in enumerate(texts)]
    measures = measure(sources, [])
    return sum(map(len, measures[name].values()))


@pytest.mark.parametrize(
    "text",
    [
        "found = 1",
        "def f(given): ...",
        "lambda one: one",
        "for told in []: pass",
        "class C:\n    part: int",
        "_kept = 1",
    ],
)
def test_a_binding_with_a_vague_name_is_counted(text: str) -> None:
    assert count("vague names", text) == 1


def test_a_use_of_a_vague_name_and_a_longer_name_are_not_counted() -> None:
    assert count("vague names", "print(found)\nfound_columns = 1\nitem.part = 2") == 0


def test_a_bound_is_named_max_or_min() -> None:
    assert count("bounds not named MAX_ or MIN_", "_MOST_ROWS = 1\nLEAST_ROWS = 1\nMAX_ROWS = 1\n_MIN_ROWS = 1") == 2


def test_public_functions_classes_and_methods_need_a_docstring() -> None:
    text = "def f(): ...\ndef _g(): ...\nclass C:\n    def m(self): ...\n    def __init__(self): ...\nclass _D: ..."
    assert count("public names without a docstring", text) == 3
    assert count("public names without a docstring", 'def f():\n    """Do it."""') == 0


def test_a_public_function_that_raises_needs_a_raises_section() -> None:
    name = "public functions that raise without Raises"
    body = "    raise ValueError\n"
    assert count(name, f'def f():\n    """Do it."""\n{body}def _g():\n{body}') == 1
    assert (
        count(name, f'class C:\n    def m(self):\n        """Do it.\n\n        Raises:\n        """\n    {body}') == 0
    )
    assert count(name, f'def f():\n    """Do it."""\n    def g():\n    {body}') == 0


@pytest.mark.parametrize(("text", "number"), [("# the colour", 1), ("'Normalised'", 1), ("# color of a catalog", 0)])
def test_a_british_spelling_is_counted_in_code_and_comments(text: str, number: int) -> None:
    assert count("British spellings", text) == number


def test_a_class_name_of_two_modules_is_counted_once() -> None:
    name = "class names with several meanings"
    assert count(name, "class Job: ...", "class Job: ...", "class _Job: ...", "class Other: ...") == 1


def test_a_crowded_folder_and_a_long_file_are_counted() -> None:
    assert count(f"folders of more than {MAX_MODULES} modules", *[DOCUMENTED] * MAX_MODULES) == 0
    assert count(f"folders of more than {MAX_MODULES} modules", *[DOCUMENTED] * (MAX_MODULES + 1)) == 1
    assert count(f"files of more than {MAX_LINES} lines", "\n" * MAX_LINES) == 0
    assert count(f"files of more than {MAX_LINES} lines", "\n" * (MAX_LINES + 1)) == 1


def test_lines_of_code_are_neither_blank_nor_comments_nor_docstrings() -> None:
    text = (
        '"""A module."""\n\n# why\nvalues = [  # numbers\n    1,\n]\n\n\n'
        'def f():\n    """Do\n    it."""\n    return """a\n\nb"""\n'
    )
    assert count_code_lines(text) == len(["values = [", "1,", "]", "def f():", "return a", "", "b"])


def test_lines_of_code_have_one_ceiling_for_the_library() -> None:
    sources = [SourceFile(Path("pipeline", folder, "module.py"), "a = 1\nb = 2\n") for folder in ("cli", "jobs")]
    measures = measure(sources, [])
    assert find_excess(measures, {"lines of code": {"pipeline": 4}}) == []
    assert find_excess(measures, {"lines of code": {"pipeline": 3}}) == [
        "pipeline: 4 lines of code, at most 3 are expected"
    ]


def test_a_long_commit_subject_is_counted() -> None:
    measures = measure([], ["short", "x" * 72, "x" * 73])
    assert measures["commit subjects of more than 72 characters"]["all"] == ["x" * 73]


def test_a_measure_above_its_ceiling_is_reported_with_its_locations() -> None:
    measures = {"vague names": {"pipeline/cli": ["a.py:1 found", "b.py:2 one"], "pipeline/jobs": ["c.py:3 told"]}}
    assert find_excess(measures, {"vague names": {"pipeline/cli": 2, "pipeline/jobs": 1}}) == []
    message, *locations = find_excess(measures, {"vague names": {"pipeline/cli": 1, "pipeline/jobs": 1}})
    assert "pipeline/cli: 2 vague names" in message
    assert [location.strip() for location in locations] == ["a.py:1 found", "b.py:2 one"]


def test_a_folder_without_a_ceiling_may_have_none() -> None:
    assert find_excess({"vague names": {"pipeline/new": ["a.py:1 found"]}}, {})


def test_ceilings_fall_and_never_rise() -> None:
    measures = {"vague names": {"pipeline/cli": ["a.py:1 found"], "pipeline/jobs": ["c.py:3 told"], "tools": []}}
    ceilings = {"vague names": {"pipeline/cli": 5, "pipeline/jobs": 0, "tools": 3}}
    assert lower(measures, ceilings) == {"vague names": {"pipeline/cli": 1}}


def test_the_command_fails_above_a_ceiling_and_lowers_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "module.py").write_text("found = 1\n")
    ceilings = tmp_path / "ceilings.json"
    ceilings.write_text("{}")
    assert main([], root=tmp_path, ceilings_file=ceilings) == 1
    assert "tools/module.py:1 found" in capsys.readouterr().out
    ceilings.write_text(json.dumps({"vague names": {"tools": 7}, "lines of code": {"tools": 1}}))
    assert main(["--lower"], root=tmp_path, ceilings_file=ceilings) == 0
    assert json.loads(ceilings.read_text())["vague names"] == {"tools": 1}
    assert main([], root=tmp_path, ceilings_file=ceilings) == 0


def test_every_ceiling_belongs_to_a_measure() -> None:
    measures = measure([SourceFile(Path("tools/module.py"), DOCUMENTED)], [])
    ceilings = json.loads(CEILINGS.read_text())
    assert ceilings.keys() <= measures.keys()
    assert all(number > 0 for folders in ceilings.values() for number in folders.values())
