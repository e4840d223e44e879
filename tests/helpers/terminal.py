"""The command in a real pseudo-terminal: each call of ``run_in_terminal`` is a process and a session of its own.

The processes are forked from one that has imported the command, which takes longer than to run it.
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
    """Start ``serve`` in a process; return the streams of its requests and of its replies."""
    command = [sys.executable, "-m", "tests.helpers.terminal"]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, bufsize=1, cwd=ROOT, start_new_session=True)
    atexit.register(process.communicate)  # ends its requests, and waits for it
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
            except OSError:  # Linux: the last one on the terminal has gone
                break
            if not more:
                break
            received += more
        if not typed and after.encode() in received and _sleeps(process):
            os.write(master, keys.encode())
            typed = True
    return received.decode()


def _sleeps(process: int) -> bool:
    """Return whether the process waits, as for a key.

    Python checks for signals before a read() and when one interrupts it: a Ctrl-C between the two ends nothing before
    the next key. Without /proc, as on macOS, the process counts as waiting.
    """
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(")")[2].split()[0] == "S"


def start(arguments: list[str]) -> None:
    """Run the command over the fakes of the scene that comes first."""
    from pipeline.cli.main import app
    from tests.helpers import cli_scenes

    prepare: Callable[[], cli_scenes.Stage] = getattr(cli_scenes, arguments[0])
    app(arguments[1:], obj=prepare().session, prog_name="modeldrop")


def serve() -> None:
    """Fork a process for each request: a terminal, the environment and arguments of ``start``.

    Replies with a line for its id, and one for its exit code.
    """
    from typer.testing import CliRunner

    from pipeline.cli.main import app
    from tests.helpers import cli_scenes

    for arguments in (["--help"], ["card", "houses"]):  # what a command imports when it needs it
        assert CliRunner().invoke(app, arguments, obj=cli_scenes.with_card().session).exit_code == 0
    gc.freeze()  # a collection would copy the memory that the processes share
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
    """Give this process a session, and the terminal as its standard streams; Ctrl-C is for it."""
    os.setsid()
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
    for stream in range(3):
        os.dup2(terminal, stream)
    os.close(terminal)
    sys.stdin, sys.stdout, sys.stderr = (open(stream, mode, closefd=False) for stream, mode in enumerate("rww"))  # noqa: SIM115


if __name__ == "__main__":
    serve()
