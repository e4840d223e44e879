"""A Run: the processing of one upload by the pipeline."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pipeline.contracts.record import Record
from pipeline.contracts.records.estimate import Estimate
from pipeline.contracts.signature import Task

__all__ = [
    "STAGES", "Learning", "Part", "Run", "RunError", "RunEvent", "RunStatus", "Stage", "StageName", "StageStatus",
    "Upload",
]  # fmt: skip

StageName = Literal[
    "validate", "plan", "train", "ensemble", "compress", "select", "evaluate", "register", "smoke_test", "promote"
]
STAGES: tuple[StageName, ...] = (
    "validate", "plan", "train", "ensemble", "compress", "select", "evaluate", "register", "smoke_test", "promote",
)  # fmt: skip
RunStatus = Literal["RUNNING", "SUCCEEDED", "FAILED", "NEEDS_DECISION"]
StageStatus = Literal["PENDING", "RUNNING", "SUCCEEDED", "FAILED"]


class Part(Record):
    """One file of a set of part files, as it was when the run started."""

    key: str
    version_id: str
    bytes: int


class Upload(Record):
    """The object that started a run.

    Attributes:
        bucket: Uploads bucket.
        key: Key of the object.
        version_id: Version of the object.
        bytes: Size in bytes; for part files, the sum of their sizes.
        etag: ETag of the object.
        metadata: User metadata (x-amz-meta-*), keys in lower case.
        parts: Part files, sorted by key, if the object represents a set of part files (UploadKey.dataset).
        modified_at: LastModified of the object, in whole seconds on S3.
        started_at: Start of the run.
    """

    bucket: str
    key: str
    version_id: str
    bytes: int
    etag: str
    metadata: dict[str, str] = {}
    parts: tuple[Part, ...] = ()
    modified_at: datetime | None = None
    started_at: datetime | None = None


class RunError(Record):
    """The error of a run or job; ``type`` is the name of a class in contracts.errors."""

    type: str
    message: str


class Stage(Record):
    """One stage as a user sees it; ``progress`` is a short text from a running job (``mlp: epoch 3 of 20``)."""

    name: StageName
    status: StageStatus
    seconds: float | None = None
    progress: str | None = None


class RunEvent(Record):
    """An event of a run that is not the end of a stage: a Spot interruption, another attempt."""

    at: datetime
    text: str


class Learning(Record):
    """Target and task of a run, as validation inferred them from the file."""

    target: str  # empty for clustering
    task: Task
    default_target: bool = False  # whether the target is the last column because none was named
    likely_target: str = ""  # column that is more likely the target than the default one; empty: there is none
    hints: tuple[str, ...] = ()  # the same as Dataset.hints


class RejectedUpload(Record):
    """An uploaded object that started no run: its key is invalid, or its tenant is suspended or deleted."""

    tenant: str  # tenant at the beginning of the key; empty if there is none, or if it was deleted
    bucket: str
    key: str
    reason: str
    at: datetime


class Run(Record):
    """A run with its status and stages, as ``modeldrop runs`` lists it."""

    run: str
    tenant: str
    model: str
    file: str
    status: RunStatus
    version: int | None = None
    error: RunError | None = None
    reason: str | None = None  # why a decision is needed, or why the version was not promoted
    learning: Learning | None = None  # None until the file is validated
    estimate: Estimate | None = None  # None until the run is planned
    started_at: datetime
    ended_at: datetime | None = None
    stages: tuple[Stage, ...]
    events: tuple[RunEvent, ...] = ()
