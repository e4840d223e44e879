"""Run the command in a real pseudo-terminal; each call of ``run_in_terminal`` has its own process and session.

The processes are forked from one that has imported the command, since importing takes longer than running it.
"""

from __future__ import annotations

import atexit
import fcntl
import gc
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[2]
_CODES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
MAX_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Screen:
    """The output of a terminal: ``text`` without control sequences."""

    text: str
    exit_code: int

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.text.splitlines()]


def run_in_terminal(scene: str, *arguments: str, columns: int = 80, keys: str = "", after: str = "") -> Screen:
    """Run ``modeldrop ARGUMENTS`` with the fakes of ``scene``; type ``keys`` once ``after`` is on the screen."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    environment["TERM"] = "xterm-256color"
    requests, replies = _fork_server()
    requests.write(json.dumps([os.ttyname(slave), environment, [scene, *arguments]]) + "\n")
    process = int(replies.readline())
    os.close(slave)
    try:
        raw = _read(master, process, keys, after)
    finally:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        exit_code = int(replies.readline())
        os.close(master)
    return Screen(text=_CODES.sub("", raw).replace("\r\n", "\n"), exit_code=exit_code)


@cache
def _fork_server() -> tuple[IO[str], IO[str]]:
    """Start ``serve`` in a process; return the streams for its requests and its replies."""
    command = [sys.executable, "-m", "tests.helpers.terminal"]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, bufsize=1, cwd=ROOT, start_new_session=True)
    atexit.register(process.communicate)  # closes its stdin, and waits for its end
    assert process.stdin is not None
    assert process.stdout is not None
    return process.stdin, process.stdout


def _read(master: int, process: int, keys: str, after: str) -> str:
    received, typed, end = b"", not keys, time.monotonic() + MAX_SECONDS
    while time.monotonic() < end:
        ready, _, _ = select.select([master], [], [], 0.1)
        if ready:
            try:
                more = os.read(master, 65536)
            except OSError:  # on Linux: no process has the terminal open any more
                break
            if not more:
                break
            received += more
        if not typed and after.encode() in received and _sleeps(process):
            os.write(master, keys.encode())
            typed = True
    return received.decode()


def _sleeps(process: int) -> bool:
    """Return whether the process sleeps, for example while it waits for a key.

    Python checks for signals before read() and when a signal interrupts read(): a Ctrl-C between the two has no effect
    until the next key. Without /proc, as on macOS, every process counts as sleeping.
    """
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(")")[2].split()[0] == "S"


def start(arguments: list[str]) -> None:
    """Run the command with the fakes of a scene, whose name is the first argument."""
    from pipeline.cli.main import app
    from tests.helpers import cli_scenes

    prepare: Callable[[], cli_scenes.Stage] = getattr(cli_scenes, arguments[0])
    app(arguments[1:], obj=prepare().session, prog_name="modeldrop")


def serve() -> None:
    """Fork a process for each request, which has a terminal, environment variables, and the arguments of ``start``.

    Replies with a line for the process id, and a line for the exit code.
    """
    from typer.testing import CliRunner

    from pipeline.cli.main import app
    from tests.helpers import cli_scenes

    for arguments in (["--help"], ["card", "houses"]):  # loads what commands import lazily
        assert CliRunner().invoke(app, arguments, obj=cli_scenes.with_card().session).exit_code == 0
    gc.freeze()  # garbage collection in a child would copy memory that it shares with this process
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    for line in sys.stdin:
        terminal, environment, arguments = json.loads(line)
        opened = os.open(terminal, os.O_RDWR | os.O_NOCTTY)
        process = os.fork()
        if process == 0:
            os.environ.clear()
            os.environ.update(environment)
            _move_to(opened)
            start(arguments)
            return
        os.close(opened)
        replies.write(f"{process}\n")
        replies.write(f"{os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])}\n")


def _move_to(terminal: int) -> None:
    """Give this process its own session, with the terminal as its standard streams and source of Ctrl-C."""
    os.setsid()
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
    for stream in range(3):
        os.dup2(terminal, stream)
    os.close(terminal)
    sys.stdin, sys.stdout, sys.stderr = (open(stream, mode, closefd=False) for stream, mode in enumerate("rww"))  # noqa: SIM115


if __name__ == "__main__":
    serve()
