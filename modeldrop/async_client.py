"""The asynchronous client, whose methods are coroutines with the names and arguments of Client's methods."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack, cast, overload

import httpx

from modeldrop.calls import ApiCall, Pause, Step, Steps, Work
from modeldrop.connection import find_connection
from modeldrop.operations import Operations, PredictOptions
from modeldrop.rows import Frame, Prediction, Progress, Rows

__all__ = ["AsyncClient"]

T = TypeVar("T")
FrameT = TypeVar("FrameT", bound=Frame)


class AsyncClient:
    """Calls one API with one key. Use it as an asynchronous context manager, or call ``close``.

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
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.connection = find_connection(api_url, api_key, token)
        self._api = Operations(self.connection.api_url)
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

    @overload
    async def predict(
        self, model: str, data: Rows | str | Path, **options: Unpack[PredictOptions]
    ) -> list[Prediction]: ...

    @overload
    async def predict(self, model: str, data: FrameT, **options: Unpack[PredictOptions]) -> FrameT: ...

    async def predict(
        self,
        model: str,
        data: Rows | Frame | str | Path,
        *,
        version: int | None = None,
        ignore_extra: bool = False,
        progress: Progress | None = None,
    ) -> Any:
        """Predict rows; requests are sent one after the other. See ``Client.predict``."""
        return await self._run(self._api.predict(model, data, version, ignore_extra, progress))

    async def infer(
        self, model: str, rows: Sequence[dict[str, Any]], *, version: int | None = None, ignore_extra: bool = False
    ) -> dict[str, Any]:
        """Predict rows in one request, and return the whole response. See ``Client.infer``."""
        return await self._run(self._api.infer(model, rows, version, ignore_extra))

    async def drop(
        self,
        data: Frame | str | Path,
        *,
        model: str,
        target: str | None = None,
        spec: str | Path | Mapping[str, Any] | None = None,
        progress: Progress | None = None,
    ) -> str:
        """Upload a frame or a file, and return the name of its run. See ``Client.drop``."""
        return await self._run(self._api.drop(data, model, target, spec, progress))

    async def upload(
        self, path: str | Path, *, model: str, target: str | None = None, progress: Progress | None = None
    ) -> str | None:
        """Upload one file, and return the name of the run that it starts. See ``Client.upload``."""
        return await self._run(self._api.upload(path, model, target, progress))

    async def wait(self, run: str, *, timeout: float = 3600.0, poll: float = 1.0) -> dict[str, Any]:
        """Wait until a run has ended, and return it. See ``Client.wait``."""
        return await self._run(self._api.wait(run, timeout, poll))

    async def run(self, run: str) -> dict[str, Any]:
        """Return a run: its status, stages, and its version or error."""
        return await self._run(self._api.run(run))

    async def iterate(
        self, name: str, model: str = "", *, limit: int | None = None, **filters: Any
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield the entries of a list of the registry, page after page. See ``Client.iterate``."""
        query: dict[str, Any] | None = {**filters, "limit": limit}
        while query is not None:
            entries, query = await self._run(self._api.page(name, model, query))
            for entry in entries:
                yield entry

    async def runs(self, *, model: str = "", limit: int | None = None) -> list[dict[str, Any]]:
        """Return the tenant's runs, or those of one model, newest first."""
        return [entry async for entry in self.iterate("runs", model, limit=limit)]

    async def models(
        self, *, task: str | None = None, tag: str | None = None, limit: int | None = None
    ) -> list[dict[str, Any]]:
        """Return the tenant's models, sorted by name. See ``Client.models``."""
        return [entry async for entry in self.iterate("models", limit=limit, task=task, tag=tag)]

    async def describe(self, model: str) -> dict[str, Any]:
        """Return a model's metadata and its signature. See ``Client.describe``."""
        return await self._run(self._api.describe(model))

    async def version(self, model: str, version: int) -> dict[str, Any]:
        """Return a version with its signature and card. See ``Client.version``."""
        return await self._run(self._api.version(model, version))

    async def promote(
        self, model: str, version: int, *, alias: str = "live", reason: str = "", expected: int | None = None
    ) -> dict[str, Any]:
        """Point an alias to a version. See ``Client.promote``."""
        return await self._run(self._api.promote(model, version, alias, reason, expected))

    async def rollback(
        self, model: str, *, alias: str = "live", reason: str = "", expected: int | None = None
    ) -> dict[str, Any]:
        """Point an alias to the version that it pointed to before. See ``Client.rollback``."""
        return await self._run(self._api.rollback(model, alias, reason, expected))

    async def cancel(self, run: str) -> dict[str, Any]:
        """Cancel a run and its jobs. See ``Client.cancel``."""
        return await self._run(self._api.cancel(run))

    async def _run(self, steps: Steps[T]) -> T:
        outcome: Any = None
        try:
            while True:
                outcome = await self._execute(steps.send(outcome))
        except StopIteration as end:
            return cast(T, end.value)

    async def _execute(self, step: Step) -> Any:
        match step:
            case Pause():
                return await asyncio.sleep(step.seconds)
            case Work():
                return await asyncio.to_thread(step.function)
            case ApiCall():
                http = self._storage if step.presigned else self._http
                try:
                    return await http.request(step.method, step.url, **step.options)
                except (httpx.HTTPError, httpx.InvalidURL) as error:
                    return error
