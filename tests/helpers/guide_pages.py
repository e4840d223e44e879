"""Run the shell blocks of a documentation page, like a reader who pastes them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

__all__ = ["ROOT", "environment_of", "paste", "shell_blocks"]

ROOT = Path(__file__).parents[2]
MAX_SECONDS = 900
ROWS = 400  # rows of houses.csv instead of 4,000, to take less time
_COMMAND = f"{sys.executable} -c 'from pipeline.cli.main import app; app(prog_name=\"modeldrop\")'"
_PRELUDE = (
    "set -e",
    f'modeldrop() {{ {_COMMAND} "$@"; }}',
    f'python() {{ case "$1" in */make_houses.py) set -- "$@" {ROWS};; esac; {sys.executable} "$@"; }}',
)


def shell_blocks(page: str) -> list[str]:
    """Return the shell blocks of a page, without installation (``sh setup``), which the tests have done."""
    return re.findall(r"```sh\n(.*?)```", (ROOT / page).read_text(), flags=re.DOTALL)


def environment_of(home: Path) -> dict[str, str]:
    """Return the environment variables of a shell whose embedded cloud is in ``home``."""
    return {**os.environ, "MODELDROP_HOME": str(home), "PYTHONPATH": str(ROOT)}


def paste(blocks: list[str], folder: Path, home: Path) -> subprocess.CompletedProcess[str]:
    """Run the blocks in one shell, in a folder that looks like a clone of the repository.

    Args:
        blocks: Shell commands; they end at the first failure.
        folder: The working directory.
        home: The embedded cloud's folder.

    Returns:
        The output of the shell.

    Raises:
        AssertionError: A command failed.
    """
    if not (folder / "docs").exists():
        (folder / "docs").symlink_to(ROOT / "docs")
    activate = folder / ".venv" / "bin" / "activate"
    activate.parent.mkdir(parents=True, exist_ok=True)
    activate.touch()  # the environment of the tests is active already
    done = subprocess.run(
        ["bash", "-c", "\n".join([*_PRELUDE, *blocks])],
        cwd=folder,
        env=environment_of(home),
        capture_output=True,
        text=True,
        check=False,
        timeout=MAX_SECONDS,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done
