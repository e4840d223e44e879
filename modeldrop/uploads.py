"""Uploads with an API key: in one form, or in parts, which a later call can resume. See ``modeldrop.calls``."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import httpx

from modeldrop.calls import ApiCall, Steps, in_thread, read, read_response, send
from modeldrop.errors import ApiError, ClientError
from modeldrop.rows import Progress, frame_kind
from modeldrop.unfinished import UnfinishedUploads

__all__ = ["Content", "upload"]

MAX_FORM_BYTES = 32 << 20  # larger files are uploaded in parts, with one part at a time in memory


@dataclass(frozen=True)
class Content:
    """Content to upload: a file on disk, or bytes.

    Attributes:
        name: Name of the file, without a folder.
        source: Path or bytes.
    """

    name: str
    source: Path | bytes

    @classmethod
    def of(cls, data: Any) -> Content:
        """Return the content of a frame or of a file.

        Raises:
            ClientError: ``data`` is neither.
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

    @classmethod
    def of_spec(cls, spec: str | Path | Mapping[str, Any]) -> Content:
        """Return the content of a train.yaml: a path, the name of a yaml file, its text, or its settings.

        Raises:
            ClientError: ``spec`` is none of these, or has values that JSON cannot represent.
        """
        if isinstance(spec, Mapping):
            try:
                return cls("train.yaml", json.dumps(dict(spec), ensure_ascii=False, allow_nan=False).encode())
            except (TypeError, ValueError) as error:
                raise ClientError(f"spec: settings as train.yaml has them are expected: {error}") from error
        if not isinstance(spec, str | Path):
            raise ClientError(
                f"spec: a mapping, or the path or the text of a train.yaml, is expected, not {type(spec).__name__}"
            )
        is_name = isinstance(spec, str) and "\n" not in spec and spec.endswith((".yaml", ".yml"))
        return cls("train.yaml", Path(spec) if isinstance(spec, Path) or is_name else spec.encode())

    @property
    def size(self) -> int:
        """Return the size in bytes."""
        return len(self.source) if isinstance(self.source, bytes) else self.source.stat().st_size

    @cached_property
    def sha256(self) -> str:
        """Return the SHA-256 digest in hexadecimal."""
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


def upload(
    base: str, content: Content, model: str, target: str | None = None, progress: Progress | None = None
) -> Steps[str | None]:
    """Upload one file; return the name of the run that it starts, or None for a companion of a data file.

    Args:
        base: URL of the API.
        content: The file.
        model: Model that the file is for.
        target: Column to predict; None for that of train.yaml, or the last column.
        progress: Called with the number of bytes uploaded since its last call.

    Raises:
        ApiError: The API or the bucket refused the upload.
    """
    sha256 = yield from in_thread(lambda: content.sha256)
    announced = {"model": model, "file": content.name, "bytes": content.size, "sha256": sha256}
    if target is not None:
        announced["target"] = target
    send_file = _send_form if content.size <= MAX_FORM_BYTES else _send_parts
    return (yield from send_file(f"{base}/registry/uploads", content, announced, progress or (lambda _: None)))


def _send_form(url: str, content: Content, announced: dict[str, Any], progress: Progress) -> Steps[str | None]:
    grant = yield from read(_post(url, announced))
    body = yield from in_thread(partial(content.read, 0, content.size))
    options = {"data": grant["fields"], "files": {"file": (content.name, body)}}
    response = yield from send(ApiCall(method="POST", url=grant["url"], options=options, presigned=True))
    _check(response)
    progress(content.size)
    return _run(grant["bucket"], grant["key"], response.headers.get("x-amz-version-id", "null"))


def _send_parts(url: str, content: Content, announced: dict[str, Any], progress: Progress) -> Steps[str | None]:
    url, unfinished = f"{url}/multipart", UnfinishedUploads()
    name = f"{url} {announced['model']}/{content.name} {announced['sha256']}"
    grant = yield from _begin(url, announced, unfinished.get(name))
    unfinished[name] = grant["upload_id"]
    announced["upload_id"] = grant["upload_id"]
    size = grant["part_bytes"]
    progress(sum(min(size, content.size - (number - 1) * size) for number in grant["done"]))
    while grant["parts"]:
        for index, part in enumerate(grant["parts"]):
            body = yield from in_thread(partial(content.read, (part["number"] - 1) * size, part["bytes"]))
            call = ApiCall(method="PUT", url=part["url"], options={"content": body}, presigned=True)
            response = yield from send(call)
            if response.status_code == httpx.codes.FORBIDDEN and index > 0:  # the URLs have expired
                break
            _check(response)
            progress(part["bytes"])
        grant = yield from read(_post(url, announced))
    ended = {field: announced[field] for field in ("model", "file", "bytes", "upload_id")}
    completed = yield from read(_post(f"{url}/complete", ended))
    del unfinished[name]
    return None if completed["run"] is None else str(completed["run"])


def _begin(url: str, announced: dict[str, Any], upload_id: str | None) -> Steps[dict[str, Any]]:
    """Resume the upload ``upload_id``; begin a new upload if it is None, or was completed or aborted."""
    if upload_id is not None:
        response = yield from send(_post(url, {**announced, "upload_id": upload_id}))
        if response.status_code != httpx.codes.NOT_FOUND:
            return read_response(response)
    return (yield from read(_post(url, announced)))


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
