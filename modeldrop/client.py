"""The synchronous client."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack, cast, overload

import httpx

from modeldrop.calls import ApiCall, Pause, Step, Steps, Work
from modeldrop.connection import find_connection
from modeldrop.operations import Operations, PredictOptions
from modeldrop.rows import Frame, Prediction, Progress, Rows

__all__ = ["Client"]

T = TypeVar("T")
FrameT = TypeVar("FrameT", bound=Frame)


class Client:
    """Calls one API with one key. Use it as a context manager, or call ``close``.

    Args:
        api_url: Base URL; by default ``MODELDROP_API_URL``, then that of the embedded cloud on this machine.
        api_key: Key; by default ``MODELDROP_API_KEY``, then that of the embedded cloud.
        token: Token (JWT) instead of a key; by default ``MODELDROP_TOKEN``, if no key is given.
        timeout: Timeout of httpx, in seconds.
        transport: Transport of httpx, for tests.

    Raises:
        ClientError: Both a key and a token are given, a URL has no credential, or there is no URL and no embedded cloud
            is running.
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
        self._api = Operations(self.connection.api_url)
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

    @overload
    def predict(self, model: str, data: Rows | str | Path, **options: Unpack[PredictOptions]) -> list[Prediction]: ...

    @overload
    def predict(self, model: str, data: FrameT, **options: Unpack[PredictOptions]) -> FrameT: ...

    def predict(
        self,
        model: str,
        data: Rows | Frame | str | Path,
        *,
        version: int | None = None,
        ignore_extra: bool = False,
        progress: Progress | None = None,
    ) -> Any:
        """Predict rows, in as many requests as needed.

        Args:
            model: Name of the model, or ``name@alias``.
            data: A pandas or polars frame, a list of rows, a mapping of columns, or the path of a csv, tsv or parquet
                file.
            version: Number of the version; None for the live one.
            ignore_extra: Ignore columns that the model does not read.
            progress: Called with the number of rows predicted so far.

        Returns:
            For a frame, a frame of the same library (pandas: with the same index); otherwise a list with one prediction
            per row: ``{"label", "probabilities"}`` or ``{"value"}``.

        Raises:
            ClientError: ``data`` has an unsupported type, or a file has an unsupported suffix.
            ApiError: The API refuses the rows, or does not respond.
        """
        return self._run(self._api.predict(model, data, version=version, ignore_extra=ignore_extra, progress=progress))

    def infer(
        self, model: str, rows: Sequence[dict[str, Any]], *, version: int | None = None, ignore_extra: bool = False
    ) -> dict[str, Any]:
        """Predict rows in one request, and return the whole response.

        Args:
            model: Name of the model, or ``name@alias``.
            rows: Rows, each as column -> value.
            version: Number of the version; None for the live one.
            ignore_extra: Ignore columns that the model does not read.

        Returns:
            ``{"model", "version", "predictions": [...]}``, one prediction per row.

        Raises:
            ApiError: The API refuses the rows, or does not respond.
        """
        return self._run(self._api.infer(model, rows, version, ignore_extra))

    def drop(
        self,
        data: Frame | str | Path,
        *,
        model: str,
        target: str | None = None,
        spec: str | Path | Mapping[str, Any] | None = None,
        progress: Progress | None = None,
    ) -> str:
        """Upload a frame or a file, which starts a run. The next call resumes an interrupted upload of a large file.

        Args:
            data: A frame, or the path of a data file.
            model: Name of the model.
            target: Column to predict; by default that of train.yaml, or the last column.
            spec: Settings of train.yaml: a mapping, the path of a train.yaml, or its text.
            progress: Called with the number of bytes of the data uploaded since its last call.

        Returns:
            Name of the run; ``wait`` waits for it.

        Raises:
            ClientError: ``data`` is neither a frame nor a path, or ``spec`` has an unsupported type or value.
            ApiError: The upload failed.
        """
        return self._run(self._api.drop(data, model, target, spec, progress))

    def upload(
        self, path: str | Path, *, model: str, target: str | None = None, progress: Progress | None = None
    ) -> str | None:
        """Upload one file: a data file, or a companion of a data file (train.yaml, model.py, test.csv).

        Args:
            path: The file.
            model: Name of the model.
            target: Column to predict; by default that of train.yaml, or the last column.
            progress: Called with the number of bytes uploaded since its last call.

        Returns:
            Name of the run that the file starts; None for a companion.

        Raises:
            ApiError: The upload failed.
        """
        return self._run(self._api.upload(path, model, target, progress))

    def wait(self, run: str, *, timeout: float = 3600.0, poll: float = 1.0) -> dict[str, Any]:
        """Wait until a run has ended, and return it.

        Args:
            run: Name of the run.
            timeout: Maximum time to wait, in seconds.
            poll: Seconds between two requests.

        Raises:
            RunFailedError: The run has failed.
            TimeoutError: The run has not begun or not ended after ``timeout`` seconds.
            ApiError: The API does not respond.
        """
        return self._run(self._api.wait(run, timeout, poll))

    def run(self, run: str) -> dict[str, Any]:
        """Return a run: its status, stages, and its version or error."""
        return self._run(self._api.run(run))

    def iterate(
        self, name: str, model: str = "", *, limit: int | None = None, **filters: Any
    ) -> Iterator[dict[str, Any]]:
        """Yield the entries of a list of the registry; each page is requested when it is needed.

        Args:
            name: ``models``, ``versions``, ``history``, ``runs`` or ``rejected`` (uploads that started no run).
            model: Model whose ``versions`` or ``history`` are listed; optional for ``runs``, to filter them.
            limit: Maximum number of entries; None for all.
            filters: Parameters of the list's query: ``task`` and ``tag`` of models, ``alias`` of a history.

        Raises:
            ApiError: The API refuses the call, or does not respond.
            ValueError: There is no such list, or it needs a model.
        """
        query: dict[str, Any] | None = {**filters, "limit": limit}
        while query is not None:
            entries, query = self._run(self._api.page(name, model, query))
            yield from entries

    def runs(self, *, model: str = "", limit: int | None = None) -> list[dict[str, Any]]:
        """Return the tenant's runs, or those of one model, newest first."""
        return list(self.iterate("runs", model, limit=limit))

    def models(
        self, *, task: str | None = None, tag: str | None = None, limit: int | None = None
    ) -> list[dict[str, Any]]:
        """Return the tenant's models with their live and latest versions, sorted by name.

        Args:
            task: Models whose newest version has this task.
            tag: Models with this tag: a name, a value, or ``name=value``.
            limit: Maximum number of models; None for all.

        Raises:
            ApiError: The API refuses the call, or does not respond.
        """
        return list(self.iterate("models", limit=limit, task=task, tag=tag))

    def describe(self, model: str) -> dict[str, Any]:
        """Return a model's metadata of the Open Inference Protocol, and ``signature``: how its training file was read.

        Args:
            model: Name of the model, ``name@alias``, or ``owner/name`` of a model that another tenant shares.

        Raises:
            ApiError: There is no such model, none of its versions is live, or the API does not respond.
        """
        return self._run(self._api.describe(model))

    def version(self, model: str, version: int) -> dict[str, Any]:
        """Return a version: its record, ``signature`` and ``card``.

        Raises:
            ApiError: There is no such version, or the API does not respond.
        """
        return self._run(self._api.version(model, version))

    def promote(
        self, model: str, version: int, *, alias: str = "live", reason: str = "", expected: int | None = None
    ) -> dict[str, Any]:
        """Point an alias to a version.

        Args:
            model: Name of the model.
            version: Number of the version.
            alias: Name of the alias.
            reason: Reason of the change, for the history.
            expected: Version that the alias must point to now; None to not check it.

        Raises:
            ApiError: The version cannot be promoted, the alias has moved (409), or the API does not respond.
        """
        return self._run(self._api.promote(model, version, alias, reason, expected))

    def rollback(
        self, model: str, *, alias: str = "live", reason: str = "", expected: int | None = None
    ) -> dict[str, Any]:
        """Point an alias to the version that it pointed to before.

        Args:
            model: Name of the model.
            alias: Name of the alias.
            reason: Reason of the change, for the history.
            expected: Version that the alias must point to now; None to not check it.

        Raises:
            ApiError: There is no previous version, the alias has moved (409), or the API does not respond.
        """
        return self._run(self._api.rollback(model, alias, reason, expected))

    def cancel(self, run: str) -> dict[str, Any]:
        """Cancel a run and its jobs, and return its status and error.

        Raises:
            ApiError: There is no such run, it has ended (409), or the API does not respond.
        """
        return self._run(self._api.cancel(run))

    def _run(self, steps: Steps[T]) -> T:
        outcome: Any = None
        try:
            while True:
                outcome = self._execute(steps.send(outcome))
        except StopIteration as end:
            return cast(T, end.value)

    def _execute(self, step: Step) -> Any:
        match step:
            case Pause():
                return time.sleep(step.seconds)
            case Work():
                return step.function()
            case ApiCall():
                http = self._storage if step.presigned else self._http
                try:
                    return http.request(step.method, step.url, **step.options)
                except (httpx.HTTPError, httpx.InvalidURL) as error:
                    return error
