"""Every command, flag, make target, link and field that the pages name exists."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from typer.main import get_command

from pipeline.cli.main import app
from pipeline.cli.views.leaderboard import leaderboard_columns
from pipeline.contracts.spec.job_spec import JobSpec, parse_job_spec
from pipeline.planning.estimates import PRICE_SOURCE

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
RECORDS = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
MAX_RECORD_WORDS = 800  # about 700, and the numbers of a table
PROGRAM = get_command(app)
COMMANDS = PROGRAM.commands  # type: ignore[attr-defined]  # it is a group


def _blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), flags=re.DOTALL)


def _shell_lines(page: Path) -> list[str]:
    """Return the lines of all shell blocks: those that tests run (``sh``), and those for AWS (``sh aws``) or other."""
    return "\n".join(_blocks(page, "sh(?: [a-z]+)?")).splitlines()


def _anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_local_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for path, _, anchor in (
        target.partition("#") for target in re.findall(r"\]\((?!https?:)([^)]+)\)", page.read_text())
    ):
        linked = page.parent / path if path else page
        assert linked.exists(), path
        assert not anchor or anchor in _anchors(linked), f"{path}#{anchor}"


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=lambda p: p.name)
def test_prose_has_at_most_120_characters_a_line(page: Path) -> None:
    prose = re.sub(r"^ *```.*?^ *```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"\(https?:[^)]*\)", "()", prose)  # an address has no place to break
    lines = [line for line in text.splitlines() if not line.lstrip().startswith(("|", "#"))]
    assert [line for line in lines if len(line) > 120] == []


def _options(command: object) -> set[str]:
    parameters = command.params  # type: ignore[attr-defined]  # it is a command
    return {option for parameter in parameters for option in (*parameter.opts, *parameter.secondary_opts)}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_modeldrop_command_and_flag_exists(page: Path) -> None:
    for arguments in re.findall(r"modeldrop ((?:--[a-z]|[a-z]).*)", "\n".join(_shell_lines(page))):
        words = re.split(r"\s#|[|)]", arguments)[0].split()
        while words and words[0].startswith("--"):
            assert words[0] in _options(PROGRAM) | {"--help"}, arguments
            words = words[2:]  # an option of the program and its value
        if not words:
            continue
        command = COMMANDS[words[0]]
        if hasattr(command, "commands"):
            command = command.commands[words[1]]
        flags = {word.split("=")[0] for word in words if re.match("--[a-z]", word)}
        assert flags <= _options(command) | {"--help"}, arguments


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_make_target_exists(page: Path) -> None:
    for target in re.findall(r"^make ([a-z-]+)", "\n".join(_shell_lines(page)), flags=re.MULTILINE):
        done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_every_field_of_train_yaml_is_on_its_page_and_the_example_is_valid() -> None:
    page = (ROOT / "docs" / "train_yaml.md").read_text()
    for name, field in JobSpec.model_fields.items():
        nested = getattr(field.annotation, "model_fields", None)
        for word in nested or [name]:
            assert f".{word}`" in page or f"`{word}`" in page, f"{name}: {word}"
    for example in _blocks(ROOT / "docs" / "train_yaml.md", "yaml"):
        parse_job_spec(example.encode())


def test_make_bench_runs_every_benchmark_that_ends_in_a_json_line() -> None:
    done = subprocess.run(["make", "-n", "bench"], cwd=ROOT, capture_output=True, text=True, check=True)
    (loop,) = re.findall(r"for script in (.*?);", done.stdout)
    reporting = {
        script.stem
        for script in (ROOT / "benchmarks").glob("*.py")
        if re.search(r"^    report\(", script.read_text(), re.MULTILINE)
    }
    assert set(loop.split()) == reporting


def test_the_leaderboard_of_the_guide_has_the_printed_columns() -> None:
    printed = " ".join(column.name for column in leaderboard_columns("rmse"))
    (heading,) = re.findall("^ candidate .*$", (ROOT / "docs" / "guide.md").read_text(), flags=re.MULTILINE)
    assert heading.split() == printed.split()


def test_the_prices_of_the_page_are_of_the_month_that_runs_report() -> None:
    (source,) = re.findall(r"list prices, (us-east-1, \w+ \d+)", (ROOT / "docs" / "costs.md").read_text())
    assert f"list prices of {source}" == PRICE_SOURCE


def test_every_test_that_a_page_names_exists() -> None:
    """``file::test`` names a test; ``::test`` after it is in the same file."""
    named = 0
    for page in PAGES:
        file = ""
        for path, test in re.findall(r"`(tests/[\w/]+\.py)?::(\w+)`", page.read_text()):
            file, named = path or file, named + 1
            assert f"def {test}(" in (ROOT / file).read_text(), f"{page.name}: {file}::{test}"
    assert named > 20


def test_every_decision_is_in_the_index() -> None:
    index = ROOT / "docs" / "decisions" / "README.md"
    assert set(re.findall(r"\]\(([0-9][\w-]+\.md)\)", index.read_text())) == {record.name for record in RECORDS}


@pytest.mark.parametrize("record", RECORDS, ids=lambda p: p.name)
def test_a_decision_record_has_four_parts_and_is_short(record: Path) -> None:
    text = record.read_text()
    parts = re.findall(r"^## (.*)$", text, flags=re.MULTILINE)
    assert parts == ["Decision", "Why", "Measured", "Alternatives and limits"]
    assert len(re.findall(r"[^\s|]*\w[^\s|]*", text)) <= MAX_RECORD_WORDS


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_project_file_that_a_page_names_exists(page: Path) -> None:
    """The rubric (decision 27) names files of other projects, too."""
    named = re.findall(r"`((?:[\w-]+/)+[\w-]+\.(?:py|json|sh|yaml))`", page.read_text())
    folders = [ROOT, *(ROOT / part for part in ("pipeline", "docs", "pipeline/serving", "pipeline/server"))]
    missing = {file for file in named if not any((folder / file).exists() for folder in folders)}
    assert page.name.startswith("0027") or missing == set()


def test_every_module_in_the_question_table_of_the_readme_exists() -> None:
    _, _, questions = (ROOT / "README.md").read_text().partition("| question | where |")
    paths = re.findall(r"`(pipeline/[\w/.]+)`", questions.partition("## Read on\n")[0])
    assert len(paths) >= 6
    assert [path for path in paths if not (ROOT / path).exists()] == []
