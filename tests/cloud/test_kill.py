"""The embedded cloud is killed while a run is active."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from localstack_client.session import Session

from pipeline.contracts.stack import StackStatus
from pipeline.local import control
from pipeline.local.home import Home
from tests.helpers.cloud_driver import Cloud
from tests.helpers.real_data import as_csv, wine

pytestmark = pytest.mark.cloud


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Path]:
    """A folder of an embedded cloud that the test may kill."""
    yield tmp_path / "home"
    control.down(home=tmp_path / "home")


def cloud_at(status: StackStatus) -> Cloud:
    assert status.endpoint_url is not None
    return Cloud(Session(localstack_host=status.endpoint_url.removeprefix("http://")))


def kill(home: Path) -> None:
    server = Home(home).server()
    assert server is not None
    os.kill(server.pid, signal.SIGKILL)
    assert Home(home).wait_until_free(10)


def test_after_a_kill_the_active_run_fails_and_a_pending_upload_starts_a_run(own: Path) -> None:
    cloud = cloud_at(control.up(home=own))
    cut = cloud.drop("demo/cut/train.csv", as_csv(wine()), target="cultivar")
    cloud.until(cut, lambda run: any(stage.name == "train" for stage in run.stages))
    late = cloud.drop("demo/late/train.csv", as_csv(wine()), target="cultivar")
    kill(own)  # right after the answer
    cloud = cloud_at(control.up(home=own))
    ended = cloud.ended(cut)
    assert ended.status == "FAILED"
    assert f"modeldrop retry {cut}" in str(ended.error)
    late_run = cloud.ended(late)
    assert late_run.status == "SUCCEEDED" or "interrupted" in str(late_run.error)
    assert cloud.drop_and_end("demo/cut/train.csv", as_csv(wine()), target="cultivar").status == "SUCCEEDED"
