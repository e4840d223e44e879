"""A server of the models in a module's ``folder``, and a channel to it; some modules define other servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from pipeline.server.limits import ServerLimits
from tests.helpers.running_server import RunningServer, run_folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[RunningServer]:
    with run_folder(folder, limits=ServerLimits(max_body_bytes=100_000)) as running:
        yield running


@pytest.fixture(scope="module")
def channel(server: RunningServer) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server.grpc) as channel:
        yield channel
