"""Types of the registry's responses. The OpenAPI document's schemas are generated from them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict  # pydantic accepts only this one before Python 3.12

from pipeline.contracts.promotion.rollout import Rollout
from pipeline.contracts.records.alias_move import AliasMove
from pipeline.contracts.records.estimate import Estimate
from pipeline.contracts.records.model_version import Lineage
from pipeline.contracts.records.run import Learning, Run, RunError, RunStatus, Stage
from pipeline.contracts.records.variant import Artifact

__all__ = [
    "AbortedUpload",
    "CanceledRun",
    "CompletedUpload",
    "DeletedVersion",
    "Form",
    "GrantList",
    "ListedModel",
    "ListedRun",
    "ListedUpload",
    "ListedVersion",
    "ModelGrant",
    "ModelPage",
    "Move",
    "MovePage",
    "Parts",
    "RejectedPage",
    "Run",
    "RunPage",
    "SignedPart",
    "VersionDocument",
    "VersionPage",
    "VersionStatus",
]

VersionStatus = Literal["REGISTERED", "READY", "ARCHIVED", "DELETED"]


class ListedModel(TypedDict):
    """A model in a list."""

    model: str
    latest_version: int
    live_version: int | None
    aliases: dict[str, int]
    tags: dict[str, str]
    task: str | None
    rollout: Rollout | None


class ModelPage(TypedDict):
    """A page of models."""

    models: list[ListedModel]
    next: NotRequired[str]


class ListedVersion(TypedDict):
    """A version in a list."""

    version: int
    status: VersionStatus
    algorithm: str
    precision: str
    metric: str
    quality: dict[str, float | None]
    created_at: datetime


class VersionPage(TypedDict):
    """A model with a page of its versions."""

    model: str
    live_version: int | None
    aliases: dict[str, int]
    tags: dict[str, str]
    versions: list[ListedVersion]
    next: NotRequired[str]


class VersionDocument(ListedVersion):
    """A version with its signature and card."""

    tenant: str
    model: str
    variant: str
    artifact: Artifact
    lineage: Lineage
    card_key: str
    tags: dict[str, str]
    signature: dict[str, Any]
    card: dict[str, Any]


class DeletedVersion(TypedDict):
    """A deleted version. Its files leave the bucket after ``restorable_until``."""

    model: str
    version: int
    status: VersionStatus
    restorable_until: datetime


class MovePage(TypedDict):
    """A page of moves."""

    model: str
    moves: list[AliasMove]
    next: NotRequired[str]


Move = TypedDict(  # noqa: UP013 - names of fields are the API's. ``at`` is null if the alias pointed to the version already
    "Move",
    {
        "model": str,
        "alias": str,
        "version": int,
        "previous": int | None,
        "at": datetime | None,
        "by": NotRequired[str],
        "reason": NotRequired[str],
    },
)


class ModelGrant(TypedDict):
    """Role of another tenant on a model; null if the grant was revoked."""

    model: str
    tenant: str
    role: str | None


class GrantList(TypedDict):
    """A page of the tenants that a model is shared with."""

    grants: list[ModelGrant]
    next: NotRequired[str]


class ListedRun(TypedDict):
    """A run in a list."""

    run: str
    tenant: str
    model: str
    file: str
    status: RunStatus
    version: int | None
    error: RunError | None
    reason: str | None
    learning: Learning | None
    estimate: Estimate | None
    started_at: datetime
    ended_at: datetime | None
    stages: list[Stage]


class RunPage(TypedDict):
    """A page of runs."""

    runs: list[ListedRun]
    next: NotRequired[str]


class CanceledRun(TypedDict):
    """A run that was canceled."""

    run: str
    status: RunStatus
    error: RunError | None


ListedUpload = TypedDict(  # noqa: UP013 - as ``Move``
    "ListedUpload", {"key": str, "reason": str, "at": datetime}
)


class RejectedPage(TypedDict):
    """A page of uploads that started no run."""

    rejected: list[ListedUpload]
    next: NotRequired[str]


class Form(TypedDict):
    """A signed form: ``fields`` come before the file in the POST to ``url``."""

    key: str
    bucket: str
    expires_at: datetime
    url: str
    fields: dict[str, str]


class SignedPart(TypedDict):
    """A part that the caller must PUT to ``url``."""

    number: int
    bytes: int
    url: str


Parts = TypedDict(  # noqa: UP013 - as ``Move``. ``parts``: the first 100 missing ones; ``done``: numbers of others
    "Parts",
    {
        "upload_id": str,
        "part_bytes": int,
        "parts": list[SignedPart],
        "done": list[int],
        "key": str,
        "bucket": str,
        "expires_at": datetime,
    },
)


class CompletedUpload(TypedDict):
    """The object of a completed upload, and the run that it starts."""

    key: str
    bucket: str
    version_id: str
    run: str | None


class AbortedUpload(TypedDict):
    """An aborted multipart upload."""

    key: str
    upload_id: str
    status: Literal["ABORTED"]
