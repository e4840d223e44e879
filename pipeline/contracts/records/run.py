"""A Run: the way of an uploaded file through the pipeline."""

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
        bytes: Size; of part files, of all together.
        etag: ETag of the object.
        metadata: User metadata (x-amz-meta-*), keys in lower case.
        parts: Part files, sorted by key, if the object stands for these (UploadKey.dataset).
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
    """``type`` is the name of a class in contracts.errors."""

    type: str
    message: str


class Stage(Record):
    """One stage as a user sees it; ``progress`` is a short word from a running job (``mlp: epoch 3 of 20``)."""

    name: StageName
    status: StageStatus
    seconds: float | None = None
    progress: str | None = None


class RunEvent(Record):
    """An event of a run besides its stages: a Spot interruption, another attempt."""

    at: datetime
    text: str


class Learning(Record):
    """What a run learns, as its validation understood the file."""

    target: str  # empty for clustering
    task: Task
    default_target: bool = False  # no target was named: it is the last column
    likely_target: str = ""  # the column that is more likely meant than the default one
    hints: tuple[str, ...] = ()  # as Dataset has them


class RejectedUpload(Record):
    """An object whose key names no tenant, model and file: no run was started for it."""

    tenant: str  # that the key begins with; empty where it begins with none
    bucket: str
    key: str
    reason: str
    at: datetime


class Run(Record):
    """What ``modeldrop runs`` lists."""

    run: str
    tenant: str
    model: str
    file: str
    status: RunStatus
    version: int | None = None
    error: RunError | None = None
    reason: str | None = None  # why a decision is needed, or why the version was not promoted
    learning: Learning | None = None  # None until the file is validated
    estimate: Estimate | None = None  # None until it is planned
    started_at: datetime
    ended_at: datetime | None = None
    stages: tuple[Stage, ...]
    events: tuple[RunEvent, ...] = ()
