"""The command in a real pseudo-terminal: ``run_in_terminal`` starts this module as a process on one."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_CODES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
MAX_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Screen:
    """What a terminal received: ``text`` without its control sequences."""

    text: str
    exit_code: int

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.text.splitlines()]


def run_in_terminal(scene: str, *arguments: str, columns: int = 80, keys: str = "", after: str = "") -> Screen:
    """Run ``modeldrop ARGUMENTS`` over the fakes of ``scene``; type ``keys`` as soon as ``after`` is on the screen."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.helpers.terminal", scene, *arguments],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        cwd=ROOT,
        env={**environment, "TERM": "xterm-256color"},
        start_new_session=True,
    )
    os.close(slave)
    try:
        raw = _read(master, process, keys, after)
    finally:
        process.kill()
        os.close(master)
    return Screen(text=_CODES.sub("", raw).replace("\r\n", "\n"), exit_code=process.wait())


def _read(master: int, process: subprocess.Popen[bytes], keys: str, after: str) -> str:
    received, typed, end = b"", not keys, time.monotonic() + MAX_SECONDS
    while time.monotonic() < end:
        ready, _, _ = select.select([master], [], [], 0.1)
        if ready:
            try:
                more = os.read(master, 65536)
            except OSError:  # Linux: the last one on the terminal has gone
                break
            if not more:
                break
            received += more
        elif process.poll() is not None:
            break
        if not typed and after.encode() in received:
            os.write(master, keys.encode())
            typed = True
    process.wait(timeout=10)
    return received.decode()


def start(arguments: list[str]) -> None:
    """Run the command over the fakes of the scene that comes first."""
    from pipeline.cli.main import app
    from tests.helpers import cli_scenes

    prepare: Callable[[], cli_scenes.Stage] = getattr(cli_scenes, arguments[0])
    app(arguments[1:], obj=prepare().session, prog_name="modeldrop")


if __name__ == "__main__":
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # Ctrl-C is for the process on its terminal
    start(sys.argv[1:])
