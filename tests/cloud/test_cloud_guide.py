"""The guide's commands, run literally and in their order, by a shell on an embedded cloud of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.cloud, pytest.mark.slow]
ROOT = Path(__file__).parents[2]
MAX_SECONDS = 900


def _shell_blocks(page: Path) -> list[str]:
    """Those that a reader pastes; what installs (`sh setup`) was done for the tests."""
    return re.findall(r"```sh\n(.*?)```", page.read_text(), flags=re.DOTALL)


def test_every_command_of_the_guide_succeeds_in_its_order(tmp_path: Path) -> None:
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    blocks = [block for block in _shell_blocks(ROOT / "docs" / "guide.md") if "pipeline.training.recipes" not in block]
    command = f"{sys.executable} -c 'from pipeline.cli.main import app; app(prog_name=\"modeldrop\")'"
    script = "\n".join(
        ["set -e", f'modeldrop() {{ {command} "$@"; }}', f'python() {{ {sys.executable} "$@"; }}', *blocks]
    )
    environment = {**os.environ, "MODELDROP_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)}
    try:
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=MAX_SECONDS,
        )
        assert done.returncode == 0, done.stderr[-3000:]
    finally:
        subprocess.run(["bash", "-c", f"{command} down --wipe"], env=environment, check=False, timeout=60)
    assert (tmp_path / "predictions.csv").read_text().startswith("row,prediction")
    assert (tmp_path / "houses-1.onnx").stat().st_size > 1000
    assert "houses version 1 is live" in done.stderr
    assert "houses version 2 is live" in done.stderr
