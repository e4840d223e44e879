"""One cloud for all tests of this folder: the endpoint in LOCALSTACK_HOST or AWS_ENDPOINT_URL, or an embedded cloud.

Clients come from ``localstack-client`` sessions, as in any other program.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from localstack_client.session import Session

from pipeline.local import control
from tests.helpers.cloud_driver import Cloud


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cloud")


@pytest.fixture(scope="session")
def cloud(home: Path) -> Iterator[Cloud]:
    if os.environ.get("LOCALSTACK_HOST") or os.environ.get("AWS_ENDPOINT_URL"):
        session = Session()
        if not Cloud.is_deployed(session):
            pytest.skip("the endpoint in LOCALSTACK_HOST / AWS_ENDPOINT_URL has no stack named modeldrop")
        yield Cloud(session)
        return
    status = control.up(home=home, bind="127.0.0.1", foreground=False, report=print)
    assert status.endpoint_url is not None
    try:
        yield Cloud(Session(localstack_host=status.endpoint_url.removeprefix("http://")))
    finally:
        control.down(home=home, wipe=False)
