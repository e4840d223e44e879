"""Empty arguments, closed streams, other encodings and Ctrl-C."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.cli.terminal.faults import describe_fault
from tests.unit.cli.conftest import Stage

RUN = "import sys; sys.argv[0] = 'modeldrop'; from pipeline.cli.entry import main; sys.exit(main())"
ROWS = "größe,art\n" + "".join(f"{number % 17},{'ä' if number % 2 else 'ö'}\n" for number in range(120))
INTERRUPT = """
import sys
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == 'pipeline.cli.main':
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupting())
from pipeline.cli.entry import main
sys.exit(main())
"""


def _run(redirections: str, *arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    command = f'exec "$0" -c "$CODE" "$@" {redirections}'
    return subprocess.run(
        ["sh", "-c", command, sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, "CODE": RUN, "PYTHONPATH": str(Path(__file__).parents[3]), **environment},
        capture_output=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["drop", ""], "'drop'"),
        (["drop", "--no-watch", "", "--model", "m"], "'--no-watch'"),
        (["check", ""], "'check'"),
        (["check", "--json", ""], "'--json'"),
        (["check", "a.csv", "--spec", ""], "'--spec'"),
        (["check", "a.csv", "--target="], "--target"),
        (["predict", "m", ""], "'m'"),
        (["--home", "", "status"], "'--home'"),
        (["--home=", "status"], "--home"),
        (["promote", "", "1"], "'promote'"),
    ],
)
def test_an_empty_argument_is_a_usage_error(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], named: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_text(ROWS)
    stage.serve()
    result = stage.run(*arguments)
    assert result.exit_code == 2
    words = " ".join(result.stderr.replace("│", " ").split())
    assert named in words
    assert "is empty" in words
    assert list(stage.uploads.keys("")) == []
    assert stage.requests == []


def test_a_dot_means_the_current_folder(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_text("width,colour\n1,red\n2,blue\n")
    stage.serve()
    assert stage.run("predict", "m", ".").exit_code == 0
    assert stage.run("drop", ".", "--model", "m", "--no-watch", "--no-check").exit_code == 0


def test_a_cell_may_be_empty(stage: Stage) -> None:
    stage.serve()
    assert stage.run("predict", "m", json.dumps({"width": 1, "colour": ""})).exit_code == 0


@pytest.mark.parametrize("redirections", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_check_succeeds_with_closed_streams(tmp_path: Path, redirections: str) -> None:
    (tmp_path / "rows.csv").write_text(ROWS, encoding="utf-8")
    done = _run(redirections, "check", "rows.csv", cwd=tmp_path)
    assert done.returncode == 0
    assert b"error" not in done.stderr


def test_reading_rows_from_a_closed_stdin_raises_invalid_request(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.cli.input.rows import find_source
    from pipeline.contracts.errors import InvalidRequestError
    from tests.unit.cli.conftest import SIGNATURE

    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(InvalidRequestError, match="stdin is closed"):
        find_source("-").read(SIGNATURE)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_letters_missing_in_the_output_encoding_are_escaped(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "rows.csv").write_text(ROWS.replace("größe", "größe €"), encoding="utf-8")
    table = _run("", "check", "rows.csv", cwd=tmp_path, PYTHONIOENCODING=encoding)
    assert table.returncode == 0, table.stderr
    assert "120" in table.stdout.decode(encoding)
    document = _run("", "check", "rows.csv", "--json", cwd=tmp_path, PYTHONIOENCODING=encoding)
    assert json.loads(document.stdout.decode(encoding))["columns"][0]["name"] == "größe €"


def test_an_encode_error_is_not_reported_as_a_read_error() -> None:
    assert "read" not in describe_fault(UnicodeEncodeError("ascii", "ä", 0, 1, "ordinal not in range"))
    assert "what was read" in describe_fault(UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"))


def test_ctrl_c_while_modules_are_loaded_prints_one_line(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", INTERRUPT], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "interrupted\n")


def test_ctrl_c_in_a_command_prints_one_line(stage: Stage) -> None:
    def interrupt(*_: object, **__: object) -> object:
        raise KeyboardInterrupt

    stage.registry.models_page = interrupt  # type: ignore[assignment, method-assign]
    result = stage.run("models")
    assert (result.exit_code, result.stderr) == (130, "interrupted\n")
