"""`sam build` finds a strip for x86_64 Linux on every machine, or says how to get one."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def _program(folder: Path, name: str, body: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/bash\n{body}\n")
    path.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A PATH with the programs that the script needs, and a recorded `sam`."""
    for name in ("bash", "dirname", "env", "strip"):
        (tmp_path / name).symlink_to(f"/usr/bin/{name}")
    _program(tmp_path, "sam", 'echo "sam $* with $STRIP after ${PATH%%:*}"')
    python = f'if [ "$1" = -m ]; then echo pip; else echo {tmp_path}/home; fi'
    (tmp_path / "home" / "bin").mkdir(parents=True)
    for folder in (tmp_path, tmp_path / "home" / "bin"):
        _program(folder, "python3.12", python)
    return tmp_path


def _build(machine: Path, system: str, **environment: str) -> subprocess.CompletedProcess[str]:
    name, processor = system.split("-")
    _program(machine, "uname", f'if [ "$1" = -s ]; then echo {name}; else echo {processor}; fi')
    variables = {"PATH": str(machine), "HOME": str(machine), "PYTHON312": str(machine / "python3.12"), **environment}
    command = ["/bin/bash", str(ROOT / "tools" / "sam_build.sh")]
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=False)


def test_x86_linux_uses_the_installed_strip_and_a_real_python_comes_first(machine: Path) -> None:
    done = _build(machine, "Linux-x86_64")
    assert done.stdout == f"sam build with strip after {machine / 'home' / 'bin'}\n", done.stderr


@pytest.mark.parametrize("system", ["Linux-aarch64", "Darwin-arm64"])
def test_other_machines_use_a_strip_for_x86_linux(machine: Path, system: str) -> None:
    _program(machine, "x86_64-linux-gnu-strip", "")
    assert "with x86_64-linux-gnu-strip" in _build(machine, system).stdout


def test_the_build_fails_before_sam_runs_without_a_strip(machine: Path) -> None:
    done = _build(machine, "Linux-aarch64")
    assert done.returncode == 1
    assert "binutils" in done.stderr
    assert "STRIP" in done.stderr
    assert done.stdout == ""


def test_the_strip_variable_selects_the_program(machine: Path) -> None:
    assert "with strip" in _build(machine, "Darwin-arm64", STRIP="strip").stdout
    assert _build(machine, "Darwin-arm64", STRIP="no-such-strip").returncode == 1
