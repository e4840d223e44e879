"""The example files of the pages give the results that the pages show."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console

from pipeline.bootstrap import token_verifier
from pipeline.cli.upload.check import check_path
from pipeline.cli.upload.check_report import check_view
from pipeline.registry.sign_in.issuer import TokenIssuer

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "docs" / "examples" / "wohnungen.csv"


def test_the_check_of_the_german_file_prints_what_the_readme_shows() -> None:
    console = Console(width=120, no_color=True)
    with console.capture() as captured:
        console.print(check_view(check_path(EXAMPLE, target=None, spec=None)))
    printed = [line.rstrip() for line in captured.get().splitlines()]
    (block,) = re.findall(r"```check\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    assert [line for line in block.splitlines() if line not in printed] == []


def test_the_german_file_has_the_format_of_a_german_excel_export() -> None:
    body = EXAMPLE.read_bytes()
    assert "Wohnfläche (m²)" in body.decode("cp1252")
    assert b"\r\n" in body
    assert b";1.468,08" in body


def test_tokens_of_the_local_issuer_are_accepted() -> None:
    command = [sys.executable, str(ROOT / "docs" / "examples" / "local_issuer.py"), "--port", "0", "--tenant", "acme"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as issuer:
        try:
            assert issuer.stdout is not None
            printed = json.loads(issuer.stdout.readline())
            accepted = TokenIssuer(issuer=printed["issuer"], audiences=("modeldrop",))
            assert token_verifier(accepted).resolve(printed["token"]).tenant == "acme"
        finally:
            issuer.terminate()
