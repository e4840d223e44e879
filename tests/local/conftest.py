"""An embedded cloud with the small application of ``app``, for all tests of this folder that need one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from localstack_client.session import Session

from pipeline.local.deploy import CODE_BUCKET, Deployer
from pipeline.local.home import Home, Server
from pipeline.local.launch import start, terminate, wait_for
from pipeline.local.package import package

APP = Path(__file__).parent / "app"


@dataclass(frozen=True, kw_only=True)
class Local:
    """A server with the application deployed to it."""

    home: Home
    server: Server
    outputs: dict[str, str]

    def client(self, service: str) -> Any:
        return Session(localstack_host=self.server.endpoint_url.removeprefix("http://")).client(service)


def run_server(path: Path) -> Local:
    home = Home(path)
    server = wait_for(home, start(home))
    outputs = Deployer(server.endpoint_url).deploy(
        "app", package(APP / "template.yaml", bucket=CODE_BUCKET, digest="1")
    )
    return Local(home=home, server=server, outputs=outputs)


def until(condition: Callable[[], Any], seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, "the condition did not hold in time"
        time.sleep(0.02)
    return result


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    running = run_server(tmp_path_factory.mktemp("local"))
    yield running
    terminate(running.home, running.server)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Local]:
    """A server that a test may end or kill."""
    running = run_server(tmp_path)
    yield running
    server = running.home.server()
    if server is not None:
        terminate(running.home, server)
