"""Folder of an embedded cloud: its state, its logs, and its running server.

server.lock    held by the running server, whose address it contains
server.log     log of the emulator
stack.json     what was deployed; the API key is in api_key, mode 0600
parameters     the template's parameters that were given, for the next deployment; mode 0600
state/         the emulator's resources
records.db     their contents: records of objects, items, messages, executions, jobs, log lines
contents/      contents of objects (s3/: of an earlier version)
running        exists while a server runs, and after one that was killed
run/           handlers' code and output, while the server runs
tmp/           temporary files of the server and of jobs, while it runs
logs/          functions/<name>.log, jobs/<job>.log
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from pipeline.contracts.errors import ConfigurationError
from pipeline.local.atomic_files import write_atomically

__all__ = ["Home", "LocalDeployment", "Server"]

_MAX_LOCK_ATTEMPTS = 10
_PROBE_BYTES = 100_000
_Document = TypeVar("_Document")


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """Running server.

    Attributes:
        pid: Process id.
        port: Port of ``endpoint_url``.
        endpoint_url: Endpoint of all services.
        started: Seconds since the epoch.
        root: Folder of the code that the server runs; empty if an earlier version started it.
    """

    pid: int
    port: int
    endpoint_url: str
    started: float
    root: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalDeployment:
    """Stack that is deployed to a server.

    Attributes:
        digest: Hash of the deployed code and template.
        uploads_bucket: Name of the uploads bucket.
        artifacts_bucket: Name of the artifacts bucket.
        api_path: Path of the REST API under the server's endpoint.
        functions: Names of the functions in the order of the template, which is the order in which a run needs them.
    """

    digest: str
    uploads_bucket: str
    artifacts_bucket: str
    api_path: str
    functions: Sequence[str] = ()


class Home:
    """Paths and small documents of one embedded cloud. Creates nothing before ``make``.

    Methods that write raise ConfigurationError if the folder is not writable.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().resolve()
        self.server_log = self.path / "server.log"
        self.state = self.path / "state"
        self.objects = self.path / "s3"
        self.records = self.path / "records.db"
        self.contents = self.path / "contents"
        self.run = self.path / "run"
        self.temporary = self.path / "tmp"
        self.logs = self.path / "logs"
        self.function_logs = self.logs / "functions"
        self.job_logs = self.logs / "jobs"
        self._lock = self.path / "server.lock"
        self._starting = self.path / "starting.lock"
        self._stack = self.path / "stack.json"
        self._api_key = self.path / "api_key"
        self._parameters = self.path / "parameters"
        self._running = self.path / "running"

    def make(self) -> None:
        """Create the folders, readable only by this user: they contain objects and keys.

        Raises:
            ConfigurationError: The folders cannot be created.
        """
        with self._writable():
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            for folder in (self.state, self.contents, self.function_logs, self.job_logs):
                folder.mkdir(parents=True, exist_ok=True)

    def check_room(self) -> None:
        """Check that a small file can be written: a server could not report a full disk, since its log is here.

        Raises:
            ConfigurationError: The file cannot be written.
        """
        probe = self.path / "probe"
        with self._writable():
            try:
                probe.write_bytes(bytes(_PROBE_BYTES))
            finally:
                probe.unlink(missing_ok=True)

    def server(self) -> Server | None:
        """Return the running server; None if there is none. The kernel releases the lock of a killed server."""
        try:
            with self._lock.open("rb") as file:
                if _try_lock(file.fileno(), fcntl.LOCK_SH):
                    return None
                return Server(**json.loads(file.read() or b"null"))
        except (FileNotFoundError, TypeError):  # TypeError: the lock was just taken, the address is not written yet
            return None

    def last_port(self) -> int | None:
        """Return the port of the last server, so that a restart keeps addresses; None if there was none."""
        try:
            return int(json.loads(self._lock.read_bytes())["port"])
        except (FileNotFoundError, json.JSONDecodeError):
            return None

    @contextmanager
    def claim(self, server: Server) -> Iterator[None]:
        """Hold the lock of the running server, and publish its address.

        Raises:
            BlockingIOError: Another server is running.
        """
        with self._writable():
            descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock_with_retries(descriptor)
            with self._writable():
                os.ftruncate(descriptor, 0)
                os.write(descriptor, json.dumps(asdict(server)).encode())
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def starting(self) -> Iterator[None]:
        """Let one caller at a time start, deploy to or end the server; others wait."""
        self.make()
        with self._writable():
            file = self._starting.open("w")
        with file:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX)
            yield

    def wait_until_free(self, seconds: float) -> bool:
        """Wait until no server is running.

        Returns:
            False if a server still runs after ``seconds``.
        """
        end = time.monotonic() + seconds
        while self.server() is not None:
            if time.monotonic() > end:
                return False
            time.sleep(0.05)
        return True

    def deployed(self) -> LocalDeployment | None:
        """Return the stored deployment; None if nothing is deployed.

        Raises:
            ConfigurationError: stack.json is damaged.
        """
        advice = "delete it and run 'modeldrop up' again"
        return _read_json(self._stack, lambda document: LocalDeployment(**document), advice)

    def deployed_at(self) -> float:
        """Return the time of the last ``save_deployment`` in seconds since the epoch; 0 if there was none."""
        return self._stack.stat().st_mtime if self._stack.exists() else 0.0

    def save_deployment(self, deployed: LocalDeployment) -> None:
        """Store the deployment."""
        with self._writable():
            write_atomically(self._stack, json.dumps(asdict(deployed)).encode())

    def parameters(self) -> dict[str, str]:
        """Return the template's parameters that were given to earlier deployments.

        Raises:
            ConfigurationError: The file is damaged.
        """
        advice = "delete it, and give the parameters to 'modeldrop up' again"
        return _read_json(self._parameters, dict, advice) or {}

    def save_parameters(self, parameters: Mapping[str, str]) -> None:
        """Store the template's parameters, readable only by this user: a webhook's secret may be among them."""
        with self._writable():
            write_atomically(self._parameters, json.dumps(dict(parameters)).encode())

    def api_key(self) -> str | None:
        """Return the stored API key; None if there is none."""
        return self._api_key.read_text() if self._api_key.exists() else None

    def save_api_key(self, key: str) -> None:
        """Store the API key, readable only by this user."""
        with self._writable():
            write_atomically(self._api_key, key.encode())

    @contextmanager
    def _writable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ConfigurationError(  # ENOSPC has no file name
                f"{error.filename or self.path} cannot be written: {error.strerror}; choose another folder with"
                " --home or MODELDROP_HOME"
            ) from error

    def mark_running(self) -> bool:
        """Note that a server is running, and return whether the last one was killed."""
        killed = self._running.exists()
        with self._writable():
            self._running.touch()
        return killed

    def mark_ended(self) -> None:
        """Note that the server has written everything and ends."""
        self._running.unlink(missing_ok=True)

    def clear_temporary(self) -> None:
        """Delete the temporary files of a server and its jobs, which stay behind if they are killed."""
        for folder in (self.run, self.temporary):
            shutil.rmtree(folder, ignore_errors=True)

    def wipe(self) -> None:
        """Delete all files of the embedded cloud; other files in the folder stay."""
        for folder in (self.state, self.objects, self.contents, self.run, self.logs):
            shutil.rmtree(folder, ignore_errors=True)
        for file in (self.server_log, self._stack, self._parameters, self._api_key, self._lock, self._running):
            file.unlink(missing_ok=True)
        for file in self.path.glob(f"{self.records.name}*"):  # and SQLite's files next to it
            file.unlink(missing_ok=True)


def _lock_with_retries(descriptor: int) -> None:
    """Take the lock; a status request holds it for a moment, a server permanently."""
    for _ in range(_MAX_LOCK_ATTEMPTS):
        if _try_lock(descriptor, fcntl.LOCK_EX):
            return
        time.sleep(0.05)
    raise BlockingIOError("another server is running in this folder")


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read_json(path: Path, make: Callable[[Any], _Document], advice: str) -> _Document | None:
    """Return what ``make`` makes of the JSON in a file; None if there is no file.

    Raises:
        ConfigurationError: The file is damaged; the message ends with ``advice``.
    """
    try:
        return make(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"{path} is damaged ({error}): {advice}") from error
