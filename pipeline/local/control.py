"""The switches of the embedded cloud: up, down, status."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pipeline.bootstrap import operator
from pipeline.contracts.errors import ConfigurationError, UnauthenticatedError
from pipeline.local.home import Deployed, Home, Server
from pipeline.local.processes import CREDENTIALS, REGION, ROOT, environment_of_server

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["DEFAULT_HOME", "Status", "down", "status", "up"]

DEFAULT_HOME = Path("~/.modeldrop")
STACK = "modeldrop"
TENANT = "demo"
TEMPLATE = ROOT / "template.yaml"

_START_SECONDS = 60.0
_END_SECONDS = 10.0
_POLL_SECONDS = 0.05
_HEALTH = "/_ministack/health"

_started: list[subprocess.Popen[bytes]] = []  # kept: a forgotten one warns that it still runs, which is its purpose

Report = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Status:
    """Where the embedded cloud is; when it does not run, only ``home`` and ``logs`` are told."""

    running: bool
    home: Path
    logs: Path
    endpoint_url: str | None = None
    region: str | None = None
    uploads_bucket: str | None = None
    artifacts_bucket: str | None = None
    api_url: str | None = None
    tenant: str | None = None
    api_key: str | None = None


def up(
    *, home: Path | None = None, bind: str = "127.0.0.1", foreground: bool = False, report: Report = lambda text: None
) -> Status:
    """Start the server, or find the one that runs; deploy what has changed; return when it answers.

    With ``foreground`` it returns when the server has ended, which Ctrl-C does. Raises ConfigurationError when the
    server cannot start or the template cannot be deployed.
    """
    place = Home(home or DEFAULT_HOME)
    with place.starting():
        process = _start(place, bind, report) if place.server() is None else None
        server = _answering(place, process)
        try:
            _deploy(place, server, report)
        except BaseException:
            if process is not None:  # half a stack is of no use; one that ran before is let run
                _end(place, server)
            raise
    ready = status(home=place.path)
    if foreground:
        report(f"{ready.endpoint_url} answers; Ctrl-C ends it")
        _stay(place, server)
    return ready


def down(*, home: Path | None = None, wipe: bool = False) -> bool:
    """End the server; its data stays unless ``wipe``. False when none ran."""
    place = Home(home or DEFAULT_HOME)
    if not place.path.exists():
        return False
    with place.starting():
        server = place.server()
        if server is not None:
            _end(place, server)
        if wipe:
            place.wipe()
    return server is not None


def status(*, home: Path | None = None) -> Status:
    """Whether the server runs and its stack is deployed, and where."""
    place = Home(home or DEFAULT_HOME)
    server, deployed = place.server(), place.deployed()
    if server is None or deployed is None:
        return Status(running=False, home=place.path, logs=place.logs)
    return Status(
        running=True,
        home=place.path,
        logs=place.logs,
        endpoint_url=server.endpoint_url,
        region=REGION,
        uploads_bucket=deployed.uploads_bucket,
        artifacts_bucket=deployed.artifacts_bucket,
        api_url=server.endpoint_url + deployed.api_path,
        tenant=TENANT,
        api_key=place.api_key(),
    )


def _start(place: Home, bind: str, report: Report) -> subprocess.Popen[bytes]:
    report("starting the embedded cloud")
    command = [sys.executable, "-m", "pipeline.local.server", "--home", str(place.path), "--bind", bind]
    with place.server_log.open("ab") as log:
        process = subprocess.Popen(
            [*command, "--port", str(_port(bind, place.last_port()))],
            cwd=place.path,
            env=environment_of_server(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    _started.append(process)
    return process


def _port(bind: str, last: int | None) -> int:
    """The last one, so that addresses stay; 0, any free one, when there is none or another program has it."""
    if last is None:
        return 0
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((bind, last))
        except OSError:
            return 0
    return last


def _answering(place: Home, process: subprocess.Popen[bytes] | None) -> Server:
    """Wait until the server answers; raise ConfigurationError with what it said last when it does not."""
    end = time.monotonic() + _START_SECONDS
    while process is None or process.poll() is None:
        server = place.server()
        if server is not None and _answers(server):
            return server
        if time.monotonic() > end:
            raise ConfigurationError(f"the embedded cloud does not answer: {place.server_log} says more")
        time.sleep(_POLL_SECONDS)
    said = place.server_log.read_text(errors="replace").splitlines() or ["it said nothing"]
    raise ConfigurationError(f"the embedded cloud could not start: {said[-1]}")


def _answers(server: Server) -> bool:
    address = urlsplit(server.endpoint_url).netloc
    with contextlib.closing(HTTPConnection(address, timeout=_POLL_SECONDS * 50)) as connection:
        try:
            connection.request("GET", _HEALTH)
            return connection.getresponse().status == HTTPStatus.OK
        except (OSError, HTTPException):
            return False


def _deploy(place: Home, server: Server, report: Report) -> None:
    """Deploy when code or template are others than what is deployed, or the state was lost; keep a key that works."""
    from pipeline.local.deploy import CODE_BUCKET, Deployer  # botocore takes longer to import than the server to start
    from pipeline.local.package import digest_of, package

    deployer = Deployer(server.endpoint_url)
    digest, deployed = digest_of(ROOT, TEMPLATE), place.deployed()
    if deployed is None or deployed.digest != digest or not deployer.is_deployed(STACK):
        report("deploying template.yaml")
        deployer.deploy(STACK, package(TEMPLATE, bucket=CODE_BUCKET, digest=digest))
    outputs = _with_api_key(place, server)
    place.remember(
        Deployed(
            digest=digest,
            uploads_bucket=outputs["UploadsBucket"],
            artifacts_bucket=outputs["ArtifactsBucket"],
            api_path=_api_path(outputs["ApiUrl"]),
        )
    )


def _with_api_key(place: Home, server: Server) -> Mapping[str, str]:
    """The stack's outputs; the demo tenant has a key that is known to it."""
    stack = operator(stack=STACK, endpoint_url=server.endpoint_url, region=REGION, credentials=CREDENTIALS)
    try:
        stack.keys.resolve(place.api_key() or "")
    except UnauthenticatedError:
        place.remember_api_key(stack.keys.create(TENANT, "laptop"))
    return stack.outputs


def _api_path(url: str) -> str:
    """https://ID.execute-api.REGION.amazonaws.com/STAGE -> where the emulator serves it, under its own address."""
    parts = urlsplit(url)
    return f"/restapis/{parts.netloc.split('.')[0]}{parts.path.rstrip('/')}/_user_request_"


def _stay(place: Home, server: Server) -> None:
    """Return when the server has ended; Ctrl-C and SIGTERM end it."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        while place.server() is not None:
            time.sleep(_POLL_SECONDS)
    except KeyboardInterrupt:
        _end(place, server)
    finally:
        signal.signal(signal.SIGTERM, before)


def _end(place: Home, server: Server) -> None:
    """It writes its state and ends its children; one that hangs is killed, and its children see that."""
    for number, seconds in ((signal.SIGTERM, _END_SECONDS), (signal.SIGKILL, _END_SECONDS)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(server.pid, number)
        if place.wait_until_free(seconds):
            break
    for process in _started:
        process.poll()
