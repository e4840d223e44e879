"""Uploads by API key, without I/O: the calls that they take, one after another.

A generator yields calls and is sent their responses, so that Client and AsyncClient share the order of events.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Generator, MutableMapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx

from modeldrop.calls import ApiCall, read_response
from modeldrop.errors import ApiError, ClientError
from modeldrop.rows import Rows, frame_kind
from modeldrop.unfinished import UnfinishedUploads

__all__ = ["Content", "UploadOptions", "UploadSteps", "drop_steps", "next_call", "upload_steps"]

MAX_FORM_BYTES = 32 << 20  # larger files go in parts, of which one at a time is in memory
UploadSteps = Generator[ApiCall, httpx.Response, str | None]


@dataclass(frozen=True)
class Content:
    """What is uploaded: a file on the disk, or bytes.

    Attributes:
        name: Name of the file, without a folder.
        source: Path or bytes.
    """

    name: str
    source: Path | bytes

    @classmethod
    def of(cls, data: Rows | str | Path) -> Content:
        """Return the content of a frame or of a file.

        Raises:
            ClientError: It is neither.
        """
        if isinstance(data, str | Path):
            return cls(Path(data).name, Path(data))
        kind = frame_kind(data)
        if kind == "polars":
            file = io.BytesIO()
            data.write_parquet(file)
            return cls("data.parquet", file.getvalue())
        if kind == "pandas":
            return cls("data.csv", bytes(data.to_csv(index=False).encode()))
        raise ClientError(f"a frame or a path is expected, not {type(data).__name__}")

    @property
    def size(self) -> int:
        """Return its bytes."""
        return len(self.source) if isinstance(self.source, bytes) else self.source.stat().st_size

    @cached_property
    def sha256(self) -> str:
        """Return its digest in hexadecimal."""
        if isinstance(self.source, bytes):
            return hashlib.sha256(self.source).hexdigest()
        with self.source.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def read(self, start: int, length: int) -> bytes:
        """Return ``length`` bytes from ``start`` on."""
        if isinstance(self.source, bytes):
            return self.source[start : start + length]
        with self.source.open("rb") as file:
            file.seek(start)
            return file.read(length)


@dataclass(frozen=True, kw_only=True)
class UploadOptions:
    """Options of an upload.

    Attributes:
        model: Model that the file is for.
        target: Column to predict; None for the settings' own, or the last one.
        unfinished: Ids of uploads in parts that have begun, by what they are of; a later call goes on with them.
        progress: Called with the number of bytes uploaded since its last call.
    """

    model: str
    target: str | None = None
    unfinished: MutableMapping[str, str] = field(default_factory=UnfinishedUploads)
    progress: Callable[[int], None] = lambda _: None


def drop_steps(base: str, data: Rows | str | Path, spec: str | Path | None, options: UploadOptions) -> UploadSteps:
    """Upload a train.yaml, if there is one, and a frame or file; return the run.

    Args:
        base: URL of the API.
        data: A frame, or the path of a file.
        spec: Path of a train.yaml, or its text.
        options: Model, target and progress.

    Raises:
        ClientError: ``data`` is neither a frame nor a path.
        ApiError: The API or the bucket refused the upload.
    """
    content = Content.of(data)
    if spec is not None:
        text = spec.read_bytes() if isinstance(spec, Path) else spec.encode()
        yield from upload_steps(base, Content("train.yaml", text), UploadOptions(model=options.model))
    return (yield from upload_steps(base, content, options))


def upload_steps(base: str, content: Content, options: UploadOptions) -> UploadSteps:
    """Upload one file; return the run that it starts, None for one that accompanies a data file.

    Args:
        base: URL of the API.
        content: The file.
        options: Model, target and progress.

    Raises:
        ApiError: The API or the bucket refused the upload.
    """
    announced: dict[str, Any] = {
        "model": options.model,
        "file": content.name,
        "bytes": content.size,
        "sha256": content.sha256,
    }
    if options.target is not None:
        announced["target"] = options.target
    if content.size <= MAX_FORM_BYTES:
        return (yield from _send_form(base, content, announced, options))
    return (yield from _send_parts(base, content, announced, options))


def next_call(steps: UploadSteps, response: httpx.Response | None) -> tuple[ApiCall | None, str | None]:
    """Return the next call of an upload; when there is none, the run.

    Args:
        steps: The upload.
        response: Response to its last call; None at the beginning.
    """
    try:
        return (next(steps) if response is None else steps.send(response)), None
    except StopIteration as end:
        return None, end.value


def _send_form(base: str, content: Content, announced: dict[str, Any], options: UploadOptions) -> UploadSteps:
    grant = read_response((yield _post(f"{base}/registry/uploads", announced)))
    file = (content.name, content.read(0, content.size))
    response = yield ApiCall(
        method="POST", url=grant["url"], options={"data": grant["fields"], "files": {"file": file}}, presigned=True
    )
    _check(response)
    options.progress(content.size)
    return _run(grant["bucket"], grant["key"], response.headers.get("x-amz-version-id", "null"))


def _send_parts(base: str, content: Content, announced: dict[str, Any], options: UploadOptions) -> UploadSteps:
    url, name = f"{base}/registry/uploads/multipart", f"{base} {options.model}/{content.name} {content.sha256}"
    grant = None
    if name in options.unfinished:
        response = yield _post(url, {**announced, "upload_id": options.unfinished[name]})
        if response.status_code != httpx.codes.NOT_FOUND:  # it was completed or aborted
            grant = read_response(response)
    if grant is None:
        grant = read_response((yield _post(url, announced)))
    options.unfinished[name] = grant["upload_id"]
    going = {**announced, "upload_id": grant["upload_id"]}
    options.progress(sum(min(grant["part_bytes"], content.size - (n - 1) * grant["part_bytes"]) for n in grant["done"]))
    while grant["parts"]:
        for number, entry in enumerate(grant["parts"]):
            body = content.read((entry["number"] - 1) * grant["part_bytes"], entry["bytes"])
            response = yield ApiCall(method="PUT", url=entry["url"], options={"content": body}, presigned=True)
            if response.status_code == httpx.codes.FORBIDDEN and number > 0:  # the URLs have expired
                break
            _check(response)
            options.progress(entry["bytes"])
        grant = read_response((yield _post(url, going)))
    ended = {name: going[name] for name in ("model", "file", "bytes", "upload_id")}
    completed = read_response((yield _post(f"{url}/complete", ended)))
    del options.unfinished[name]
    return None if completed["run"] is None else str(completed["run"])


def _post(url: str, document: dict[str, Any]) -> ApiCall:
    return ApiCall(method="POST", url=url, options={"json": document})


def _check(response: httpx.Response) -> None:
    if not response.is_success:
        raise ApiError(f"the upload was refused with status {response.status_code}", response.status_code)


def _run(bucket: str, key: str, version_id: str) -> str | None:
    """Return the name of the run that an object starts, derived from its version; None for a companion."""
    tenant, model, file = key.split("/", 2)
    if file in ("train.yaml", "train.yml", "model.py") or file.startswith("test."):
        return None
    digest = hashlib.sha256("\0".join((bucket, key, version_id)).encode()).hexdigest()[:12]
    return f"{tenant}_{model.replace('.', '-')}_{digest}"
