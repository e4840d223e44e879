"""Run one container: a process with everything that it starts."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

__all__ = ["Container"]


class Container:
    """Running container.

    The container's temporary files are deleted when it ends.

    Args:
        command: Program and arguments.
        environment: All environment variables.
        stream: Name of the log stream for the container's output.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], *, stream: str) -> None:
        self.stream = stream
        self._lock = threading.Lock()
        self._has_ended = False
        self._temporary = tempfile.mkdtemp(prefix="job-")  # in the server's folder of temporary files
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pipeline.local.supervise", str(os.getpid()), *command],
            env={**environment, "TMPDIR": self._temporary},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )

    def wait(self, write_line: Callable[[str, str], None]) -> int:
        """Pass the container's lines to ``write_line`` until it ends, and return the exit code.

        Args:
            write_line: Called with the log stream and each line.
        """
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                write_line(self.stream, line.rstrip("\n"))
        code = self._process.wait()
        shutil.rmtree(self._temporary, ignore_errors=True)
        with self._lock:
            self._has_ended = True  # the process id may be reused: send no more signals
        return code if code >= 0 else 128 - code  # a signal killed the supervisor too

    def stop(self) -> None:
        """Send SIGTERM."""
        self._signal(self._process.send_signal, signal.SIGTERM)

    def kill(self) -> None:
        """Kill the container and everything that it started."""
        self._signal(lambda number: os.killpg(self._process.pid, number), signal.SIGKILL)

    def _signal(self, send: Callable[[int], None], number: int) -> None:
        with self._lock, suppress(ProcessLookupError):  # the process has ended
            if not self._has_ended:
                send(number)
