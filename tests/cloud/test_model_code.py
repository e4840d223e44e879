"""A model.py beside the data on the embedded cloud runs in a separate job, and only where code is allowed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from localstack_client.session import Session

from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.records.outcome import JobOutcome
from pipeline.local import control
from pipeline.planning.rules import CODE_REFUSED
from tests.helpers.cloud_driver import Cloud
from tests.helpers.real_data import as_csv, breast_cancer

pytestmark = pytest.mark.cloud

_CODE = b"""
import torch

class Line(torch.nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.layer = torch.nn.Linear(shape.numbers, shape.outputs)

    def forward(self, num):
        return self.layer(num)

def build(shape, settings):
    return Line(shape)
"""
_SPEC = b"algorithms: [linear, model_py]\nblend: false\ntraining: {epochs: 3}\ncompression: {precisions: [fp32]}\n"


@pytest.fixture(scope="module")
def open_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    home: Path = tmp_path_factory.mktemp("open")
    status = control.up(home=home, parameters={"ModelCode": "none"})
    assert status.endpoint_url is not None
    try:
        yield Cloud(Session(localstack_host=status.endpoint_url.removeprefix("http://")))
    finally:
        control.down(home=home)


def _drop(cloud: Cloud, model: str, code: bytes, spec: bytes = _SPEC) -> tuple[str, JobOutcome | None]:
    for name, body in (("train.yaml", spec), ("model.py", code)):
        cloud.s3.put_object(Bucket=cloud.uploads, Key=f"demo/{model}/{name}", Body=body)
    run = cloud.drop_and_end(f"demo/{model}/rows.csv", as_csv(breast_cancer()))
    if run.error is not None and run.error.type == "InvalidModelCodeError":
        return run.error.message, None
    assert run.status == "SUCCEEDED", run.error
    key = RunKeys(run.run).outcome("code")
    return run.run, JobOutcome.from_bytes(cloud.s3.get_object(Bucket=cloud.artifacts, Key=key)["Body"].read())


def test_an_allowed_model_py_is_a_candidate(open_cloud: Cloud) -> None:
    run, outcome = _drop(open_cloud, "brought", _CODE)
    assert outcome is not None
    assert [one.status for one in outcome.candidates] == ["trained"], outcome
    board = {row["variant"]["candidate"] for row in open_cloud.document(run, "selection")["leaderboard"]}
    assert board == {"linear", "model_py"}


def test_code_that_raises_fails_its_candidate_with_the_line(open_cloud: Cloud) -> None:
    _, outcome = _drop(open_cloud, "raises", b"def build(shape, settings):\n    return shape.layers\n")
    assert outcome is not None
    (candidate,) = outcome.candidates
    assert candidate.error is not None
    assert candidate.error.message.startswith("model.py (line 2) raised AttributeError")


def test_a_model_py_is_skipped_with_a_reason_when_code_is_not_allowed(cloud: Cloud) -> None:
    for name, body in (("train.yaml", _SPEC), ("model.py", _CODE)):
        cloud.s3.put_object(Bucket=cloud.uploads, Key=f"demo/refused/{name}", Body=body)
    run = cloud.drop_and_end("demo/refused/rows.csv", as_csv(breast_cancer()))
    assert run.status == "SUCCEEDED", run.error
    (skipped,) = cloud.document(run.run, "plan")["skipped"]
    assert skipped == {"algorithm": "model_py", "reason": CODE_REFUSED}


def test_an_invalid_model_py_fails_the_run_before_a_job_starts(cloud: Cloud) -> None:
    message, _ = _drop(cloud, "broken", b"def build(:\n")
    assert message.startswith("model.py is not Python (line 1)")
