"""Operations of the API, each written once for both clients: see ``modeldrop.calls``."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypedDict
from urllib.parse import quote

import httpx

from modeldrop.calls import ApiCall, Pause, Steps, in_thread, infer_url, read, read_response, send
from modeldrop.errors import ApiError, RunFailedError
from modeldrop.rows import Progress, make_batches, read_file, to_frame, to_rows
from modeldrop.uploads import Content, upload

__all__ = ["Operations", "PredictOptions"]

_LISTS = {  # name of a list -> its path, and the field with its entries in the response
    "models": ("/registry/models", "models"),
    "versions": ("/registry/models/{model}", "versions"),
    "history": ("/registry/models/{model}/history", "moves"),
    "runs": ("/registry/runs", "runs"),
    "rejected": ("/registry/rejected", "rejected"),
}
_PAGE = 100  # maximum number of entries in one response
Entry = dict[str, Any]


class PredictOptions(TypedDict, total=False):
    """Options of ``Client.predict``."""

    version: int | None
    ignore_extra: bool
    progress: Progress | None


@dataclass(frozen=True, slots=True)
class Operations:
    """Operations of the API at ``base``. Arguments, results and errors are those of Client's methods."""

    base: str

    def predict(
        self, model: str, data: Any, version: int | None, ignore_extra: bool, progress: Progress | None
    ) -> Steps[Any]:
        """Predict rows in as many requests as needed, or a file in one request."""
        if isinstance(data, str | Path):
            content_type, content = yield from in_thread(partial(read_file, Path(data)))
            body = {"headers": {"content-type": content_type}, "content": content}
            document = yield from self._infer(model, version, ignore_extra, body)
            return document["predictions"]
        predictions: list[Entry] = []
        for batch in make_batches((yield from in_thread(partial(to_rows, data)))):
            document = yield from self.infer(model, batch, version, ignore_extra)
            predictions += document["predictions"]
            if progress is not None:
                progress(len(predictions))
        return (yield from in_thread(partial(to_frame, predictions, data)))

    def infer(self, model: str, rows: Sequence[Entry], version: int | None, ignore_extra: bool) -> Steps[Entry]:
        """Predict rows in one request.

        Raises:
            ApiError: The response does not have one prediction per row.
        """
        document = yield from self._infer(model, version, ignore_extra, {"json": {"rows": rows}})
        if not isinstance(document["predictions"], list) or len(document["predictions"]) != len(rows):
            raise ApiError(f"the API answered without {len(rows)} predictions: is its address right?", httpx.codes.OK)
        return document

    def drop(
        self,
        data: Any,
        model: str,
        target: str | None,
        spec: str | Path | Mapping[str, Any] | None,
        progress: Progress | None,
    ) -> Steps[str]:
        """Upload a train.yaml, if there is one, and then the data."""
        content = yield from in_thread(partial(Content.of, data))
        if spec is not None:
            yield from upload(self.base, Content.of_spec(spec), model)
        return (yield from upload(self.base, content, model, target, progress)) or ""

    def upload(self, path: str | Path, model: str, target: str | None, progress: Progress | None) -> Steps[str | None]:
        """Upload one file."""
        return upload(self.base, Content.of(path), model, target, progress)

    def wait(self, run: str, timeout: float, poll: float) -> Steps[Entry]:
        """Wait until a run has ended.

        Raises:
            RunFailedError: The run has failed.
            TimeoutError: The run has not begun or not ended after ``timeout`` seconds.
        """
        deadline, state = time.monotonic() + timeout, "begun"
        while time.monotonic() < deadline:
            response = yield from send(self._run(run))
            if response.status_code != httpx.codes.NOT_FOUND:  # a run begins some time after the upload
                document, state = read_response(response, "status"), "ended"
                if document["status"] == "FAILED":
                    raise RunFailedError((document.get("error") or {}).get("message") or "the run has failed")
                if document["status"] != "RUNNING":
                    return document
            yield Pause(poll)
        raise TimeoutError(f"the run {run} has not {state} after {timeout:g} s")

    def run(self, run: str) -> Steps[Entry]:
        """Read a run."""
        return read(self._run(run), "status")

    def page(self, name: str, model: str, query: dict[str, Any]) -> Steps[tuple[list[Entry], dict[str, Any] | None]]:
        """Read one page of a list.

        Args:
            name: Name of the list.
            model: Model whose ``versions`` or ``history`` are listed; optional for ``runs``, to filter them.
            query: Filters, ``limit`` (number of entries still needed) and ``next`` (token of the previous page); None
                values are omitted.

        Returns:
            The entries, and the query of the next page, which is None after the last page.

        Raises:
            ValueError: There is no such list, or it needs a model.
        """
        if name not in _LISTS:
            raise ValueError(f"'{name}' is no list: {', '.join(_LISTS)} are expected")
        path, field = _LISTS[name]
        if ("{model}" in path) != bool(model) and (name, bool(model)) != ("runs", True):
            raise ValueError(f"the list '{name}' {'needs' if '{model}' in path else 'takes no'} model")
        limit = query.get("limit")
        if limit is not None and limit <= 0:
            return [], None
        parameters = {key: value for key, value in query.items() if value is not None}
        parameters["limit"] = min(limit or _PAGE, _PAGE)
        if name == "runs" and model:
            parameters["model"] = model
        url = self.base + path.format(model=quote(model, safe=""))
        document = yield from read(ApiCall(method="GET", url=url, options={"params": parameters}), field)
        entries = list(document[field])[:limit]
        remaining = None if limit is None else limit - len(entries)
        token = document.get("next")
        return entries, None if remaining == 0 or token is None else {**query, "limit": remaining, "next": token}

    def describe(self, model: str) -> Steps[Entry]:
        """Read a model's metadata."""
        url = infer_url(self.base, model).removesuffix("/infer")
        return read(ApiCall(method="GET", url=url), "signature")

    def version(self, model: str, version: int) -> Steps[Entry]:
        """Read a version with its signature and card."""
        url = f"{self.base}/registry/models/{quote(model, safe='')}/versions/{version}"
        return read(ApiCall(method="GET", url=url), "version", "card")

    def promote(self, model: str, version: int, alias: str, reason: str, expected: int | None) -> Steps[Entry]:
        """Point an alias to a version."""
        url = f"{self.base}/registry/models/{quote(model, safe='')}/aliases/{quote(alias, safe='')}"
        body = {"version": version, "reason": reason, **({} if expected is None else {"expected": expected})}
        return read(ApiCall(method="PUT", url=url, options={"json": body}))

    def rollback(self, model: str, alias: str, reason: str, expected: int | None) -> Steps[Entry]:
        """Point an alias to the version that it pointed to before."""
        url = f"{self.base}/registry/models/{quote(model, safe='')}/rollback"
        body = {"alias": alias, "reason": reason, **({} if expected is None else {"expected": expected})}
        return read(ApiCall(method="POST", url=url, options={"json": body}, idempotent=False))

    def cancel(self, run: str) -> Steps[Entry]:
        """Cancel a run and its jobs."""
        url = f"{self.base}/registry/runs/{quote(run, safe='')}/cancel"
        return read(ApiCall(method="POST", url=url), "status")

    def _infer(self, model: str, version: int | None, ignore_extra: bool, body: dict[str, Any]) -> Steps[Entry]:
        options = {**body, "params": {"extra": "ignore"} if ignore_extra else None}
        call = ApiCall(method="POST", url=infer_url(self.base, model, version), options=options)
        return read(call, "version", "predictions")

    def _run(self, run: str) -> ApiCall:
        return ApiCall(method="GET", url=f"{self.base}/registry/runs/{quote(run, safe='')}")
