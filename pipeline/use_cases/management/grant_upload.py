"""Use case: sign an upload to the caller's tenant; the caller needs only an API key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Annotated, Any

from pydantic import Field

from pipeline.contracts.clock import Clock, utc_now
from pipeline.contracts.errors import ConflictError, NotFoundError, ObjectNotFoundError
from pipeline.contracts.object_keys import UploadKey, check_file, check_model, run_name
from pipeline.contracts.ports import UploadedPart, UploadGrants
from pipeline.contracts.record import Record
from pipeline.contracts.upload_metadata import Announced, announce, make_metadata
from pipeline.registry.audit import AuditLog
from pipeline.serving.api.messages import Caller
from pipeline.use_cases.management.audited_calls import RegistryCall, audited

__all__ = ["GrantUpload", "MultipartEnd", "MultipartRequest", "UploadRequest"]

Document = dict[str, Any]
MIN_PART_BYTES = 16 << 20
MAX_PARTS = 1_000  # per upload; S3 allows 10,000
MAX_URLS = 100  # per response: a URL is about 1 kB and expires after minutes
VALID_SECONDS = 900  # a signature is valid this long, and the signer's credentials at least as long
_MAX_NAMED = 5
_MIB = 1 << 20

FormBytes = Annotated[int, Field(ge=1, le=5 << 30, strict=True)]  # 5 GiB: S3's limit per request
FileBytes = Annotated[int, Field(ge=1, le=40 << 30, strict=True)]  # 40 GiB: validation's limit
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Target = Annotated[str, Field(min_length=1, max_length=500)]
UploadId = Annotated[str, Field(min_length=1, max_length=1024, pattern=r"^[\x21-\x7e]+$")]


class UploadRequest(Record):
    """Body of ``POST /registry/uploads``.

    Attributes:
        model: Model that the file is for.
        file: Name of the file, without a folder.
        bytes: Exact size of the file.
        sha256: SHA-256 of the file, in hexadecimal.
        target: Column to predict; several are joined by commas.
    """

    model: str
    file: str
    bytes: FormBytes
    sha256: Sha256 | None = None
    target: Target | None = None


class MultipartRequest(UploadRequest):
    """Body of ``POST /registry/uploads/multipart``.

    Attributes:
        upload_id: Upload to continue; None begins a new one.
    """

    bytes: FileBytes
    upload_id: UploadId | None = None


class MultipartEnd(Record):
    """Body of ``POST /registry/uploads/multipart/complete`` and ``.../abort``.

    Attributes:
        model: Model that the file is for.
        file: Name of the file.
        upload_id: The upload.
        bytes: Exact size of the file; the upload is not completed unless its parts add up to it.
    """

    model: str
    file: str
    upload_id: UploadId
    bytes: FileBytes | None = None


@dataclass(frozen=True, kw_only=True)
class GrantUpload:
    """Sign uploads to the folder of the caller's tenant; each grant and each denied call is in the audit log.

    Size and sha256 are conditions of the signature. They are also stored in the object's metadata, and validation
    compares them with the object: this detects a store that ignores the conditions, and a missing part.

    Every method raises ForbiddenError without the permission ``publish``, NotFoundError for a model that the caller may
    not see, and InvalidUploadError for a model or a file that has no valid name.

    Attributes:
        grants: Signs uploads, with the rights of the caller's tenant.
        audit: Audit log.
        now: Returns the current time, UTC.
    """

    grants: UploadGrants
    audit: AuditLog
    now: Clock = utc_now

    def form(self, caller: Caller, request: UploadRequest) -> Document:
        """Sign the form of one file: ``url``, ``fields``, ``key``, ``bucket`` and ``expires_at``."""
        with self._authorized(caller, request, "upload"):
            key = _key(caller, request)
            form = self.grants.form(
                key.sibling(key.file),
                content_bytes=request.bytes,
                sha256=request.sha256,
                metadata=_metadata(request),
                seconds=VALID_SECONDS,
            )
        return {"url": form.url, "fields": dict(form.fields), **self._where(key)}

    def parts(self, caller: Caller, request: MultipartRequest) -> Document:
        """Begin or continue a multipart upload, and sign the first 100 parts that the bucket lacks.

        Returns:
            ``upload_id``, ``part_bytes``, ``parts`` with ``number``, ``bytes`` and ``url``, ``done`` (numbers of
            uploaded parts), ``key``, ``bucket`` and ``expires_at``.

        Raises:
            NotFoundError: There is no such upload.
        """
        with self._authorized(caller, request, "upload"):
            key = _key(caller, request)
            where = key.sibling(key.file)
            if request.upload_id is None:
                upload_id, numbers = self.grants.begin(where, metadata=_metadata(request)), set[int]()
            else:
                upload_id = request.upload_id
                numbers = {entry.number for entry in self._uploaded(where, upload_id)}
            missing = (entry for entry in _part_sizes(request.bytes) if entry[0] not in numbers)
            signed = [self._sign(where, upload_id, number, size) for number, size in islice(missing, MAX_URLS)]
        return {
            "upload_id": upload_id,
            "part_bytes": _part_bytes(request.bytes),
            "parts": signed,
            "done": sorted(numbers),
            **self._where(key),
        }

    def complete(self, caller: Caller, request: MultipartEnd) -> Document:
        """Complete an upload; return ``key``, ``bucket``, ``version_id`` and ``run`` (null if the file starts none).

        Raises:
            NotFoundError: There is no such upload.
            ConflictError: Parts are missing or have the wrong size.
        """
        with self._authorized(caller, request, "complete upload"):
            key = _key(caller, request)
            where = key.sibling(key.file)
            uploaded = self._uploaded(where, request.upload_id)
            _check_parts(uploaded, request)
            with _no_such_upload():
                version_id = self.grants.complete(where, request.upload_id, uploaded)
        bucket = self.grants.bucket
        run = run_name(key.tenant, key.model, bucket, where, version_id) if key.starts_run else None
        return {"key": where, "bucket": bucket, "version_id": version_id, "run": run}

    def abort(self, caller: Caller, request: MultipartEnd) -> Document:
        """Delete the parts of an upload. Idempotent."""
        with self._authorized(caller, request, "abort upload"):
            key = _key(caller, request)
            self.grants.abort(key.sibling(key.file), request.upload_id)
        return {"key": key.sibling(key.file), "upload_id": request.upload_id, "status": "ABORTED"}

    def _sign(self, key: str, upload_id: str, number: int, size: int) -> Document:
        url = self.grants.part_url(key, upload_id, number, content_bytes=size, seconds=VALID_SECONDS)
        return {"number": number, "bytes": size, "url": url}

    def _uploaded(self, key: str, upload_id: str) -> Sequence[UploadedPart]:
        with _no_such_upload():
            return self.grants.parts(key, upload_id)

    def _authorized(
        self, caller: Caller, request: UploadRequest | MultipartEnd, action: str
    ) -> AbstractContextManager[None]:
        call = RegistryCall("publish", request.model, action, f"{request.model}/{request.file}")
        return audited(self.audit, caller, call)

    def _where(self, key: UploadKey) -> Document:
        expires_at = self.now() + timedelta(seconds=VALID_SECONDS)
        return {
            "key": key.sibling(key.file),
            "bucket": self.grants.bucket,
            "expires_at": expires_at.isoformat(timespec="seconds"),
        }


def _key(caller: Caller, request: UploadRequest | MultipartEnd) -> UploadKey:
    return UploadKey(tenant=caller.tenant, model=check_model(request.model), file=check_file(request.file))


def _metadata(request: UploadRequest) -> dict[str, str]:
    target = {} if request.target is None else make_metadata(request.target)
    return target | announce(Announced(request.bytes, request.sha256))


def _part_bytes(size: int) -> int:
    """Return the bytes of each part but the last: whole MiB, so large that there are at most ``MAX_PARTS``."""
    return max(MIN_PART_BYTES, -(-size // (MAX_PARTS * _MIB)) * _MIB)


def _part_sizes(size: int) -> Iterator[tuple[int, int]]:
    """Yield the number and the bytes of each part."""
    step = _part_bytes(size)
    for number, start in enumerate(range(0, size, step), 1):
        yield number, min(step, size - start)


def _check_parts(uploaded: Sequence[UploadedPart], request: MultipartEnd) -> None:
    """Raise ConflictError unless the parts are those of a file of the announced size."""
    if request.bytes is None:
        return
    sizes = {entry.number: entry.bytes for entry in uploaded}
    faults = [number for number, size in _part_sizes(request.bytes) if sizes.get(number) != size]
    if faults:
        more = f" and {len(faults) - _MAX_NAMED:,} more" if len(faults) > _MAX_NAMED else ""
        raise ConflictError(
            f"parts {', '.join(map(str, faults[:_MAX_NAMED]))}{more} are missing or of another size: upload them first"
        )


@contextmanager
def _no_such_upload() -> Iterator[None]:
    try:
        yield
    except ObjectNotFoundError as error:
        raise NotFoundError(
            "there is no such upload: it was completed or aborted, or belongs to another file"
        ) from error
