"""The help pages on a real terminal of 80 columns."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

from pipeline.cli.main import app
from tests.helpers.terminal import run_in_terminal


def _commands(group: Any, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, group
    for name, command in getattr(group, "commands", {}).items():
        yield from _commands(command, *path, name)


PAGES = dict(_commands(get_command(app)))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: " ".join(path) or "modeldrop")
def test_a_help_page_fits_80_columns_and_breaks_no_example(path: tuple[str, ...]) -> None:
    screen = run_in_terminal("succeeded", *path, "--help")
    shown = {line.strip() for line in screen.lines}
    examples = [line.strip() for line in (PAGES[path].epilog or "").splitlines() if line.startswith("  ")]
    assert screen.exit_code == 0
    assert max(map(len, screen.lines)) <= 80
    assert [example for example in examples if example not in shown] == []
    assert not re.search(r"<\w+>|<list", screen.text), "names of Python's types say nothing to a user"


@pytest.mark.parametrize(
    ("command", "usage"),
    [
        ("drop", "modeldrop drop [OPTIONS] FILE"),
        ("card", "modeldrop card [OPTIONS] MODEL [VERSION]"),
        ("runs", "modeldrop runs [OPTIONS] [RUN]"),
    ],
)
def test_a_usage_line_shows_options_and_arguments(command: str, usage: str) -> None:
    assert f"Usage: {usage}" in (line.strip() for line in run_in_terminal("succeeded", command, "-h").lines)
