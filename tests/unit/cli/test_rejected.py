"""runs lists uploads that started no run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.unit.cli.conftest import Stage


def _reject(stage: Stage, key: str, minutes: int = 0) -> None:
    stage.runs.reject("uploads", key, "expected TENANT/MODEL/FILE", at=datetime.now(UTC) + timedelta(minutes=minutes))


def test_runs_lists_rejected_uploads_with_the_reason(stage: Stage) -> None:
    _reject(stage, "churn.csv")
    _reject(stage, "churn/churn.csv")
    output = stage.run("runs").stdout
    assert "s3://uploads/churn.csv: expected TENANT/MODEL/FILE" in output
    assert "s3://uploads/churn/churn.csv: expected TENANT/MODEL/FILE" in output


def test_rejected_uploads_are_records_with_the_status_rejected(stage: Stage) -> None:
    run = stage.begin()
    _reject(stage, "demo/churn.csv", 1)
    rejected, started = stage.json("runs", "--json")
    assert (rejected["status"], rejected["run"], rejected["tenant"]) == ("REJECTED", None, "demo")
    assert rejected["file"] == "s3://uploads/demo/churn.csv"
    assert rejected["error"] == {"type": "InvalidUploadError", "message": "expected TENANT/MODEL/FILE"}
    assert started["run"] == run
    assert set(rejected) == set(started)


def test_runs_of_a_tenant_lists_only_rejected_uploads_of_that_tenant(stage: Stage) -> None:
    for key in ("demo/churn.csv", "acme/churn.csv", "churn.csv"):
        _reject(stage, key)
    assert [run["file"] for run in stage.json("runs", "--tenant", "acme", "--json")] == ["s3://uploads/acme/churn.csv"]


def test_runs_with_a_limit_drops_older_rejected_uploads_before_newer_runs(stage: Stage) -> None:
    _reject(stage, "churn.csv", -60)
    stage.begin("demo_m_1")
    stage.begin("demo_m_2")
    assert "rejected" not in stage.run("runs", "--limit", "2").stdout
    assert "rejected" in stage.run("runs", "--limit", "3").stdout


def test_without_rejected_uploads_nothing_is_printed_about_them(stage: Stage) -> None:
    stage.begin()
    assert "rejected" not in stage.run("runs").stdout
