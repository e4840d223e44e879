"""The synchronous client."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from modeldrop import calls
from modeldrop.calls import ApiCall
from modeldrop.connection import find_connection
from modeldrop.errors import ApiError
from modeldrop.rows import Rows, file_bodies, frame_kind, make_batches, to_frame, to_rows
from modeldrop.uploads import Content, UploadOptions, UploadSteps, drop_steps, next_call, upload_steps

__all__ = ["Client"]


class Client:
    """Calls one API with one key. Use it as a context manager, or call ``close``.

    Args:
        api_url: Base URL; by default ``MODELDROP_API_URL``, then that of the embedded cloud on this machine.
        api_key: Key; by default ``MODELDROP_API_KEY``, then that of the embedded cloud.
        token: Token (JWT) in place of a key; by default ``MODELDROP_TOKEN``, if no key is given.
        timeout: Seconds that a request may take.
        transport: Transport of httpx, for tests.

    Raises:
        ClientError: No address is there and no embedded cloud is running.
    """

    def __init__(
        self,
        api_url: str | None = None,
        api_key: str | None = None,
        *,
        token: str | None = None,
        timeout: float = 60.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.connection = find_connection(api_url, api_key, token)
        self._base = self.connection.api_url
        self._http = httpx.Client(headers=self.connection.headers, timeout=timeout, transport=transport)
        self._storage = httpx.Client(timeout=timeout, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._http.close()
        self._storage.close()

    def predict(
        self,
        model: str,
        data: Rows | str | Path,
        *,
        version: int | None = None,
        ignore_extra: bool = False,
        progress: Callable[[int], None] | None = None,
    ) -> Any:
        """Predict rows, in as many requests as they need.

        Args:
            model: Name of the model, or ``name@alias``.
            data: A pandas or polars frame, a list of rows, a mapping of columns, or the path of a csv, tsv or parquet
                file.
            version: Number of the version; None for the live one.
            ignore_extra: Ignore columns that the model does not read.
            progress: Called with the number of rows predicted so far.

        Returns:
            A frame of the same library for a frame, otherwise one prediction per row: ``{"label", "probabilities"}`` or
            ``{"value"}``.

        Raises:
            ApiError: The API refuses the rows, or does not answer.
        """
        options: dict[str, Any] = {"version": version, "ignore_extra": ignore_extra}
        if isinstance(data, str | Path):
            call = calls.predict_call(self._base, model, file_bodies(Path(data)), **options)
            return calls.read_predictions(self._send(call), None)["predictions"]
        predictions: list[dict[str, Any]] = []
        for batch in make_batches(to_rows(data)):
            predictions += self.infer(model, batch, **options)["predictions"]
            if progress is not None:
                progress(len(predictions))
        kind = frame_kind(data)
        return to_frame(predictions, kind) if kind else predictions

    def infer(
        self,
        model: str,
        rows: Sequence[dict[str, Any]],
        *,
        version: int | None = None,
        ignore_extra: bool = False,
    ) -> dict[str, Any]:
        """Predict rows in one request, and return the whole response.

        Args:
            model: Name of the model, or ``name@alias``.
            rows: Column -> value.
            version: Number of the version; None for the live one.
            ignore_extra: Ignore columns that the model does not read.

        Returns:
            ``{"model", "version", "predictions": [...]}``, one prediction per row.

        Raises:
            ApiError: The API refuses the rows, or does not answer.
        """
        call = calls.predict_call(self._base, model, rows, version=version, ignore_extra=ignore_extra)
        return calls.read_predictions(self._send(call), len(rows))

    def drop(
        self, data: Rows | str | Path, *, model: str, target: str | None = None, spec: str | Path | None = None
    ) -> str:
        """Drop a frame or a file, which starts a run. An interrupted upload of a large file goes on in the next call.

        Args:
            data: A frame, or the path of a data file.
            model: Name of the model.
            target: Column to predict; by default the last one.
            spec: Path of a train.yaml, or its text.

        Returns:
            Name of the run; ``wait`` waits for it.

        Raises:
            ClientError: ``data`` is neither a frame nor a path.
            ApiError: The upload failed.
        """
        options = UploadOptions(model=model, target=target)
        return self._upload(drop_steps(self._base, data, spec, options)) or ""

    def upload(
        self,
        path: str | Path,
        *,
        model: str,
        target: str | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> str | None:
        """Upload one file, also one that accompanies a data file: train.yaml, model.py, test.csv.

        Args:
            path: The file.
            model: Name of the model.
            target: Column to predict; by default the last one.
            progress: Called with the number of bytes uploaded since its last call.

        Returns:
            Name of the run that it starts; None for a companion.

        Raises:
            ApiError: The upload failed.
        """
        options = UploadOptions(model=model, target=target, progress=progress or (lambda _: None))
        return self._upload(upload_steps(self._base, Content.of(path), options))

    def wait(self, run: str, *, timeout: float = 3600.0, poll: float = 1.0) -> dict[str, Any]:
        """Wait until a run has ended, and return it.

        Raises:
            RunFailedError: It has failed.
            TimeoutError: It goes on after ``timeout`` seconds, or did not begin.
            ApiError: The API does not answer.
        """
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            try:
                if (ended := calls.check_run(self.run(run))) is not None:
                    return ended
            except ApiError as error:
                if error.status != httpx.codes.NOT_FOUND:  # it begins some moments after the upload
                    raise
            time.sleep(poll)
        raise TimeoutError(f"the run {run} has not ended after {timeout:.0f} s")

    def run(self, run: str) -> dict[str, Any]:
        """Return a run: its status, stages, and its version or error."""
        return dict(self._read(ApiCall(method="GET", url=f"{self._base}/registry/runs/{run}")))

    def iterate(
        self, name: str, model: str = "", *, limit: int | None = None, **filters: Any
    ) -> Iterator[dict[str, Any]]:
        """Yield the entries of a list of the registry; its pages are read as they are needed.

        Args:
            name: ``models``, ``versions``, ``history``, ``runs`` or ``rejected`` (uploads that started no run).
            model: Model whose ``versions`` or ``history`` are listed.
            limit: Maximum number of entries; None for all.
            filters: Parameters of the list's query: ``task`` and ``tag`` of models, ``alias`` of a history.

        Raises:
            ApiError: The API refuses the call, or does not answer.
            ValueError: There is no such list, or it needs a model.
        """
        token: str | None = None
        while limit is None or limit > 0:
            call = calls.list_call(self._base, name, model, {**filters, "limit": limit, "next": token})
            entries, token = calls.read_page(self._read(call), name, limit)
            yield from entries
            limit = None if limit is None else limit - len(entries)
            if token is None:
                return

    def runs(self, *, limit: int | None = None) -> list[dict[str, Any]]:
        """Return the tenant's runs, newest first."""
        return list(self.iterate("runs", limit=limit))

    def models(
        self, *, task: str | None = None, tag: str | None = None, limit: int | None = None
    ) -> list[dict[str, Any]]:
        """Return the tenant's models with their live and latest versions, sorted by name.

        Args:
            task: Models whose newest version has this task.
            tag: Models with this tag: a name, a value, or ``name=value``.
            limit: Maximum number of models; None for all.

        Raises:
            ApiError: The API refuses the call, or does not answer.
        """
        return list(self.iterate("models", limit=limit, task=task, tag=tag))

    def promote(self, model: str, version: int, *, alias: str = "live", reason: str = "") -> dict[str, Any]:
        """Point an alias to a version."""
        return dict(self._read(calls.alias_call(self._base, model, version, alias, reason)))

    def rollback(self, model: str, *, alias: str = "live", reason: str = "") -> dict[str, Any]:
        """Point an alias to the version before."""
        return dict(self._read(calls.rollback_call(self._base, model, alias, reason)))

    def _upload(self, steps: UploadSteps) -> str | None:
        call, run = next_call(steps, None)
        while call is not None:
            call, run = next_call(steps, self._send(call))
        return run

    def _read(self, call: ApiCall) -> Any:
        return calls.read_response(self._send(call))

    def _send(self, call: ApiCall) -> httpx.Response:
        http = self._storage if call.presigned else self._http
        for attempt in range(calls.ATTEMPTS):
            response, failure = None, ""
            try:
                response = http.request(call.method, call.url, **call.options)
            except httpx.TransportError as error:
                failure = type(error).__name__
            except (httpx.HTTPError, httpx.InvalidURL) as error:  # a further attempt would be no better
                raise ApiError(f"the API at {self._base} did not answer ({type(error).__name__})") from error
            wait = calls.retry_after(response, attempt)
            if response is not None and wait is None:
                return response
            if wait is not None:
                time.sleep(wait)
        raise ApiError(f"the API at {self._base} did not answer ({failure})")
