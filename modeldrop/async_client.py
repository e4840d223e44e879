"""The asynchronous client: the same calls as Client's, each awaited."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from modeldrop import calls
from modeldrop.calls import ApiCall
from modeldrop.connection import find_connection
from modeldrop.errors import ApiError
from modeldrop.rows import Rows, file_bodies, frame_kind, make_batches, to_frame, to_rows
from modeldrop.uploads import UploadOptions, drop_steps, next_call

__all__ = ["AsyncClient"]


class AsyncClient:
    """Calls one API with one key. Use it as an asynchronous context manager, or call ``close``.

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
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.connection = find_connection(api_url, api_key, token)
        self._base = self.connection.api_url
        self._http = httpx.AsyncClient(headers=self.connection.headers, timeout=timeout, transport=transport)
        self._storage = httpx.AsyncClient(timeout=timeout, transport=transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()
        await self._storage.aclose()

    async def predict(
        self, model: str, data: Rows | str | Path, *, version: int | None = None, ignore_extra: bool = False
    ) -> Any:
        """Predict rows; batches go one after the other. As ``Client.predict``."""
        options: dict[str, Any] = {"version": version, "ignore_extra": ignore_extra}
        if isinstance(data, str | Path):
            content = await asyncio.to_thread(file_bodies, Path(data))
            call = calls.predict_call(self._base, model, content, **options)
            return calls.read_predictions(await self._send(call), None)["predictions"]
        predictions: list[dict[str, Any]] = []
        for batch in make_batches(to_rows(data)):
            predictions += (await self.infer(model, batch, **options))["predictions"]
        kind = frame_kind(data)
        return to_frame(predictions, kind) if kind else predictions

    async def infer(
        self,
        model: str,
        rows: Sequence[dict[str, Any]],
        *,
        version: int | None = None,
        ignore_extra: bool = False,
    ) -> dict[str, Any]:
        """Predict rows in one request, and return the whole response. As ``Client.infer``."""
        call = calls.predict_call(self._base, model, rows, version=version, ignore_extra=ignore_extra)
        return calls.read_predictions(await self._send(call), len(rows))

    async def drop(
        self, data: Rows | str | Path, *, model: str, target: str | None = None, spec: str | Path | None = None
    ) -> str:
        """Drop a frame or a file, and return the name of its run. As ``Client.drop``."""
        steps = drop_steps(self._base, data, spec, UploadOptions(model=model, target=target))
        call, run = await asyncio.to_thread(next_call, steps, None)  # it reads files
        while call is not None:
            call, run = await asyncio.to_thread(next_call, steps, await self._send(call))
        return run or ""

    async def wait(self, run: str, *, timeout: float = 3600.0, poll: float = 1.0) -> dict[str, Any]:
        """Wait until a run has ended, and return it. As ``Client.wait``.

        Raises:
            TimeoutError: The run has not ended in time.
        """
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            try:
                if (ended := calls.check_run(await self.run(run))) is not None:
                    return ended
            except ApiError as error:
                if error.status != httpx.codes.NOT_FOUND:
                    raise
            await asyncio.sleep(poll)
        raise TimeoutError(f"the run {run} has not ended after {timeout:.0f} s")

    async def run(self, run: str) -> dict[str, Any]:
        """Return a run: its status, stages, and its version or error."""
        return dict(await self._read(ApiCall(method="GET", url=f"{self._base}/registry/runs/{run}")))

    async def iterate(
        self, name: str, model: str = "", *, limit: int | None = None, **filters: Any
    ) -> AsyncIterator[dict[str, Any]]:
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
            entries, token = calls.read_page(await self._read(call), name, limit)
            for entry in entries:
                yield entry
            limit = None if limit is None else limit - len(entries)
            if token is None:
                return

    async def runs(self, *, limit: int | None = None) -> list[dict[str, Any]]:
        """Return the tenant's runs, newest first."""
        return [entry async for entry in self.iterate("runs", limit=limit)]

    async def models(
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
        return [entry async for entry in self.iterate("models", limit=limit, task=task, tag=tag)]

    async def promote(self, model: str, version: int, *, alias: str = "live", reason: str = "") -> dict[str, Any]:
        """Point an alias to a version."""
        return dict(await self._read(calls.alias_call(self._base, model, version, alias, reason)))

    async def rollback(self, model: str, *, alias: str = "live", reason: str = "") -> dict[str, Any]:
        """Point an alias to the version before."""
        return dict(await self._read(calls.rollback_call(self._base, model, alias, reason)))

    async def _read(self, call: ApiCall) -> Any:
        return calls.read_response(await self._send(call))

    async def _send(self, call: ApiCall) -> httpx.Response:
        http = self._storage if call.presigned else self._http
        for attempt in range(calls.ATTEMPTS):
            response, failure = None, ""
            try:
                response = await http.request(call.method, call.url, **call.options)
            except httpx.TransportError as error:
                failure = type(error).__name__
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise ApiError(f"the API at {self._base} did not answer ({type(error).__name__})") from error
            wait = calls.retry_after(response, attempt)
            if response is not None and wait is None:
                return response
            if wait is not None:
                await asyncio.sleep(wait)
        raise ApiError(f"the API at {self._base} did not answer ({failure})")
