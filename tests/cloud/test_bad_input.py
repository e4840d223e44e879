"""Invalid input on the embedded cloud: the run fails with a message, the file is quarantined, nothing is retried."""

from __future__ import annotations

import io
import json
import random

import polars as pl
import pytest

from pipeline.contracts.object_keys import RunKeys
from tests.helpers.cloud_driver import Cloud
from tests.helpers.real_data import as_csv, breast_cancer

pytestmark = pytest.mark.cloud

_ROWS = breast_cancer()[:120]
_GOOD = as_csv(_ROWS)


def _parquet() -> bytes:
    file = io.BytesIO()
    pl.DataFrame(_ROWS).write_parquet(file)
    return file.getvalue()


def _with(column: str, values: list[object]) -> bytes:
    return as_csv([{**row, column: value} for row, value in zip(_ROWS, values, strict=True)])


def _ragged() -> bytes:
    lines = _GOOD.splitlines()
    return b"\n".join(
        [lines[0], *(line + b",1,2" if number % 3 == 0 else line for number, line in enumerate(lines[1:]))]
    )


_MANY = random.Random(0)
# file, bytes, metadata, train.yaml, error type, a word that the sentence must hold
CASES: dict[str, tuple[str, bytes, dict[str, str], str | None, str, str]] = {
    "empty": ("a.csv", b"", {}, None, "UnreadableDatasetError", "empty"),
    "header": ("a.csv", _GOOD.split(b"\n")[0] + b"\n", {}, None, "TooFewRowsError", "row"),
    "one-row": ("a.csv", b"\n".join(_GOOD.splitlines()[:2]), {}, None, "TooFewRowsError", "row"),
    "no-target": ("a.csv", _GOOD, {"target": "diagnosys"}, None, "InvalidTargetError", "'diagnosis'"),
    "constant": ("a.csv", _with("diagnosis", ["same"] * 120), {}, None, "InvalidTargetError", "constant"),
    "classes": (
        "a.csv",
        b"x,y,label\n" + b"".join(b"%d,%f,c%d\n" % (i, _MANY.random(), i % 5000) for i in range(20000)),
        {},
        None,
        "InvalidTargetError",
        "5,000",
    ),
    "ragged": ("a.csv", _ragged(), {}, None, "MalformedRowsError", "line"),
    "one-column": ("a.csv", b"x\n" + b"1\n2\n" * 60, {}, None, "InvalidColumnsError", "one column"),
    "bytes": ("a.csv", bytes(range(256)) * 40, {}, None, "UnreadableDatasetError", "binary"),
    "cut": ("a.parquet", _parquet()[:-200], {}, None, "UnreadableDatasetError", "parquet"),
    "xlsx": ("a.xlsx", b"PK\x03\x04", {}, None, "UnreadableDatasetError", "Excel"),
    "spec": ("a.csv", _GOOD, {}, "algoritms: [mlp]", "InvalidJobSpecError", "'algorithms'"),
    "nan": ("a.csv", _with("diagnosis", [""] * 120), {}, None, "InvalidTargetError", "diagnosis"),
    "missing": ("a.csv", b"a,b,y\n" + b",,1\n,,0\n" * 60, {}, None, "InvalidColumnsError", "missing"),
}


@pytest.fixture(scope="module")
def dropped(cloud: Cloud) -> dict[str, str]:
    """Drop all files at once."""
    runs = {}
    for name, (file, body, metadata, spec, _, _) in CASES.items():
        if spec is not None:
            cloud.s3.put_object(Bucket=cloud.uploads, Key=f"demo/bad-{name}/train.yaml", Body=spec.encode())
        runs[name] = cloud.drop(f"demo/bad-{name}/{file}", body, **metadata)
    return runs


@pytest.mark.parametrize("name", CASES)
def test_an_invalid_file_fails_its_run_with_a_message_and_is_quarantined(
    cloud: Cloud, dropped: dict[str, str], name: str
) -> None:
    file, body, _, _, error_type, word = CASES[name]
    run = cloud.ended(dropped[name], 90)
    assert run.status == "FAILED"
    assert run.error is not None
    assert (run.error.type, word in run.error.message) == (error_type, True), run.error
    assert [stage.status for stage in run.stages if stage.name == "validate"] == ["FAILED"]
    keys = RunKeys(run.run)
    quarantined = cloud.s3.get_object(Bucket=cloud.artifacts, Key=keys.quarantine(file))["Body"].read()
    report = json.loads(cloud.s3.get_object(Bucket=cloud.artifacts, Key=keys.quarantine("report.json"))["Body"].read())
    assert quarantined == body
    assert report["error"]["type"] == error_type
    assert report["error"]["message"] == run.error.message


def test_a_failed_validation_is_not_retried(cloud: Cloud, dropped: dict[str, str]) -> None:
    for run in dropped.values():
        cloud.ended(run)
        history = cloud.sfn.get_execution_history(
            executionArn=cloud.state_machine.replace(":stateMachine:", ":execution:") + f":{run}"
        )["events"]
        assert sum(event["type"] == "TaskStateEntered" for event in history) == 2  # validate, record the failure


def test_an_invalid_key_starts_no_run_and_does_not_block_later_uploads(cloud: Cloud) -> None:
    cloud.s3.put_object(Bucket=cloud.uploads, Key="Bad Tenant/m/a.csv", Body=_GOOD)
    cloud.s3.put_object(Bucket=cloud.uploads, Key="lonely.csv", Body=_GOOD)
    run = cloud.drop("demo/after-bad-names/a.csv", b"")
    assert cloud.ended(run, 60).status == "FAILED"
