"""The example files of the pages are read as the pages show."""

from __future__ import annotations

import re
from pathlib import Path

from rich.console import Console

from pipeline.cli.upload.check import check_path
from pipeline.cli.upload.check_report import check_view

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "docs" / "examples" / "wohnungen.csv"


def test_the_german_file_of_the_readme_is_read_as_it_shows() -> None:
    console = Console(width=120, no_color=True)
    with console.capture() as captured:
        console.print(check_view(check_path(EXAMPLE, target=None, spec=None)))
    printed = [line.rstrip() for line in captured.get().splitlines()]
    (block,) = re.findall(r"```check\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    assert [line for line in block.splitlines() if line not in printed] == []


def test_the_german_file_is_what_a_german_excel_exports() -> None:
    body = EXAMPLE.read_bytes()
    assert "Wohnfläche (m²)" in body.decode("cp1252")
    assert b"\r\n" in body
    assert b";1.468,08" in body
