"""Process of the server: start it in the background, wait for it, end it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pipeline.contracts.errors import ConfigurationError
from pipeline.local.home import Home, Server
from pipeline.local.processes import server_environment

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["start", "terminate", "wait_for", "wait_until_ended"]

_START_SECONDS = 60.0
_END_SECONDS = 10.0
_POLL_SECONDS = 0.05
_HEALTH = "/_ministack/health"

_started: list[subprocess.Popen[bytes]] = []  # referenced: a garbage-collected Popen warns that its process still runs


def start(home: Home, bind: str = "127.0.0.1") -> subprocess.Popen[bytes]:
    """Start a server in a home that has none; the server outlives this process."""
    home.make()
    home.check_room()
    command = [sys.executable, "-m", "pipeline.local.server", "--home", str(home.path), "--bind", bind]
    with home.server_log.open("ab") as log:
        process = subprocess.Popen(
            [*command, "--port", str(_choose_port(bind, home.last_port()))],
            cwd=home.path,
            env=server_environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    _started.append(process)
    return process


def _choose_port(bind: str, last: int | None) -> int:
    """Return the last port, so that addresses stay the same; 0 (any free one) if there is none or it is in use."""
    if last is None:
        return 0
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((bind, last))
        except OSError:
            return 0
    return last


def wait_for(home: Home, process: subprocess.Popen[bytes] | None) -> Server:
    """Wait until the server responds.

    Args:
        home: Folder of the server.
        process: Process of the server; None if another process started it.

    Raises:
        ConfigurationError: The server ended or does not respond; the message has the log's last line or path.
    """
    deadline = time.monotonic() + _START_SECONDS
    while process is None or process.poll() is None:
        server = home.server()
        if server is not None and _is_healthy(server):
            return server
        if time.monotonic() > deadline:
            raise ConfigurationError(f"the embedded cloud does not answer: see {home.server_log}")
        time.sleep(_POLL_SECONDS)
    log_lines = home.server_log.read_text(errors="replace").splitlines() or ["its log is empty"]
    raise ConfigurationError(f"the embedded cloud could not start: {log_lines[-1]}")


def _is_healthy(server: Server) -> bool:
    address = urlsplit(server.endpoint_url).netloc
    with contextlib.closing(HTTPConnection(address, timeout=_POLL_SECONDS * 50)) as connection:
        try:
            connection.request("GET", _HEALTH)
            return connection.getresponse().status == HTTPStatus.OK
        except (OSError, HTTPException):
            return False


def wait_until_ended(home: Home, server: Server) -> None:
    """Wait until the server has ended; Ctrl-C and SIGTERM end it."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        while home.server() is not None:
            time.sleep(_POLL_SECONDS)
    except KeyboardInterrupt:
        terminate(home, server)
    finally:
        signal.signal(signal.SIGTERM, before)


def terminate(home: Home, server: Server) -> None:
    """End the server, which writes its state and ends its child processes; if it hangs, kill it, and they exit."""
    for number, seconds in ((signal.SIGTERM, _END_SECONDS), (signal.SIGKILL, _END_SECONDS)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(server.pid, number)
        if home.wait_until_free(seconds):
            break
    home.clear_temporary()
    for process in _started:
        process.poll()
