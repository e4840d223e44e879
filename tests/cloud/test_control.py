"""Canceled and retried runs, expiring keys, and uploads of a tenant that was suspended."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from pipeline.cli.main import app
from pipeline.registry.api_keys import ApiKeys
from tests.helpers.cloud_driver import Cloud
from tests.helpers.real_data import as_csv, wine

pytestmark = pytest.mark.cloud

MAX_CACHED_SECONDS = 30  # of an authorizer's answer


def _until(condition: Callable[[], bool], seconds: float) -> float:
    """Wait until a condition holds; return the seconds that it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() < began + seconds, "the condition did not hold in time"
        time.sleep(0.2)
    return time.monotonic() - began


def _is_training(cloud: Cloud, run: str) -> bool:
    """Return whether a run is in the stage ``train``."""
    names = [listed.run for listed in cloud.runs.list(tenant="demo")]
    return run in names and any(
        stage.name == "train" and stage.status == "RUNNING" for stage in cloud.runs.get(run).stages
    )


def _is_stopped(cloud: Cloud, run: str) -> bool:
    """Return whether a run's execution, which its jobs belong to, has been aborted."""
    executions = cloud.sfn.list_executions(stateMachineArn=cloud.state_machine, statusFilter="ABORTED")["executions"]
    return run in [execution["name"] for execution in executions]


def _status(cloud: Cloud, key: str) -> int:
    return httpx.get(f"{cloud.api_url}/registry/models", headers={"x-api-key": key}, timeout=30).status_code


def test_a_canceled_run_is_aborted_and_retried_from_a_stage(cloud: Cloud, home: Path) -> None:
    spec = "demo/control/train.yaml"
    cloud.s3.put_object(
        Bucket=cloud.uploads, Key=spec, Body=b"algorithms: [mlp]\ntraining: {epochs: 1000, early_stopping: 1000}\n"
    )
    run = cloud.drop("demo/control/wine.csv", as_csv(wine()))
    _until(lambda: _is_training(cloud, run), 120)
    headers = {"x-api-key": cloud.key_of("demo", role="publisher")}
    canceled = httpx.post(f"{cloud.api_url}/registry/runs/{run}/cancel", headers=headers, timeout=30)
    assert (canceled.status_code, canceled.json()["error"]["type"]) == (200, "RunCanceledError")
    _until(lambda: _is_stopped(cloud, run), 60)
    assert cloud.runs.get(run).status == "FAILED"
    cloud.s3.put_object(Bucket=cloud.uploads, Key=spec, Body=b"algorithms: [linear]\n")
    called = CliRunner().invoke(app, ["--home", str(home), "retry", run, "--from", "validate"])
    assert called.exit_code == 0, called.output
    again = cloud.ended(called.stdout.strip())
    assert (again.status, again.version) == ("SUCCEEDED", 1), again.error  # the canceled one has made no version
    later = CliRunner().invoke(app, ["--home", str(home), "retry", again.run, "--from", "evaluate"])
    assert later.exit_code == 0, later.output
    assert cloud.ended(later.stdout.strip()).status == "SUCCEEDED"


def test_a_key_expires_overlaps_with_its_rotation_and_is_revoked_in_time(cloud: Cloud) -> None:
    keys = ApiKeys(cloud.table)
    expired = keys.create("demo", valid_for=timedelta(0))
    response = httpx.get(f"{cloud.api_url}/registry/models", headers={"x-api-key": expired}, timeout=30)
    assert (response.status_code, list(response.json())) == (401, ["error"])
    assert "expired" in response.json()["error"]
    old = keys.create("demo")
    new = keys.rotate(old[:11], overlap=timedelta(hours=1))
    assert [_status(cloud, key) for key in (old, new)] == [200, 200]
    keys.revoke(old[:11])
    assert _until(lambda: _status(cloud, old) == 401, MAX_CACHED_SECONDS + 5) <= MAX_CACHED_SECONDS + 1
    assert _status(cloud, new) == 200


def test_an_upload_form_signed_before_the_tenant_was_suspended_starts_no_run(cloud: Cloud, home: Path) -> None:
    for command in (("tenants", "create", "late"), ("tenants", "suspend", "late")):
        if command[1] == "suspend":
            key = cloud.key_of("late", role="publisher")
            body = as_csv(wine())
            announced = {"model": "wine", "file": "wine.csv", "bytes": len(body)}
            signed = httpx.post(
                f"{cloud.api_url}/registry/uploads", headers={"x-api-key": key}, json=announced, timeout=30
            ).json()
        assert CliRunner().invoke(app, ["--home", str(home), *command]).exit_code == 0
    stored = httpx.post(signed["url"], data=signed["fields"], files={"file": body}, timeout=30)
    assert stored.status_code == 204
    _until(lambda: bool(cloud.runs.rejected_page(tenant="late").entries), 60)
    (rejected,) = cloud.runs.rejected_page(tenant="late").entries
    assert (rejected.key, "suspended" in rejected.reason) == (signed["key"], True)
    assert cloud.runs.list(tenant="late") == []
