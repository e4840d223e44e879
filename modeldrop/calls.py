"""Requests and responses of the client's calls, without I/O: Client and AsyncClient share them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx

from modeldrop.errors import ApiError, RunFailedError

__all__ = [
    "ATTEMPTS",
    "LISTS",
    "ApiCall",
    "alias_call",
    "check_run",
    "infer_url",
    "list_call",
    "predict_call",
    "read_page",
    "read_predictions",
    "read_response",
    "retry_after",
    "rollback_call",
]

ATTEMPTS = 4
LISTS = {  # of each list of the API: its path, and the field of its entries
    "models": ("/registry/models", "models"),
    "versions": ("/registry/models/{model}", "versions"),
    "history": ("/registry/models/{model}/history", "moves"),
    "runs": ("/registry/runs", "runs"),
    "rejected": ("/registry/rejected", "rejected"),
}
_PAGE = 100  # entries of one response
_FIRST_WAIT = 0.2  # seconds, where the API does not say; doubled after each attempt
_BUSY = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiCall:
    """One request: ``options`` are httpx's; a ``presigned`` one carries no API key."""

    method: str
    url: str
    options: dict[str, Any] = field(default_factory=dict)
    presigned: bool = False


def predict_call(
    base: str,
    model: str,
    body: Sequence[dict[str, Any]] | tuple[str, bytes],
    *,
    version: int | None,
    ignore_extra: bool,
) -> ApiCall:
    """Return the call that predicts ``body``: rows, or the content type and the bytes of a file."""
    options: dict[str, Any] = {"params": {"extra": "ignore"} if ignore_extra else None}
    if isinstance(body, tuple):
        options |= {"headers": {"content-type": body[0]}, "content": body[1]}
    else:
        options["json"] = {"rows": body}
    return ApiCall(method="POST", url=infer_url(base, model, version), options=options)


def infer_url(base: str, model: str, version: int | None = None) -> str:
    """Return where rows are posted; without a version to the live one, or the one of ``name@alias``; another
    tenant's model is ``owner/name``.
    """
    selected = quote(model, safe="@/") if version is None else f"{quote(model, safe='/')}/versions/{version}"
    return f"{base.rstrip('/')}/v2/models/{selected}/infer"


def alias_call(base: str, model: str, version: int, alias: str, reason: str) -> ApiCall:
    """Return the call that points an alias to a version."""
    url = f"{base}/registry/models/{quote(model, safe='')}/aliases/{quote(alias, safe='')}"
    return ApiCall(method="PUT", url=url, options={"json": {"version": version, "reason": reason}})


def rollback_call(base: str, model: str, alias: str, reason: str) -> ApiCall:
    """Return the call that points an alias to the version before."""
    url = f"{base}/registry/models/{quote(model, safe='')}/rollback"
    return ApiCall(method="POST", url=url, options={"json": {"alias": alias, "reason": reason}})


def list_call(base: str, name: str, model: str, query: Mapping[str, Any]) -> ApiCall:
    """Return the call of one page of a list.

    Args:
        base: Base URL of the API.
        name: Name of the list, a key of ``LISTS``.
        model: Model whose list it is, for ``versions`` and ``history``.
        query: Filters, ``next`` (the token of the page before) and ``limit`` (entries that are still wanted); what is
            None is left out.

    Raises:
        ValueError: There is no such list, or it needs a model.
    """
    if name not in LISTS:
        raise ValueError(f"'{name}' is no list: {', '.join(LISTS)} are expected")
    path, _ = LISTS[name]
    if ("{model}" in path) != bool(model):
        raise ValueError(f"the list '{name}' {'needs' if '{model}' in path else 'takes no'} model")
    params = {key: value for key, value in query.items() if value is not None}
    params["limit"] = min(params.get("limit", _PAGE), _PAGE)
    return ApiCall(method="GET", url=base + path.format(model=quote(model, safe="")), options={"params": params})


def read_page(document: dict[str, Any], name: str, left: int | None) -> tuple[list[dict[str, Any]], str | None]:
    """Return the entries of a page that are wanted, and the token of the next page; None if there is none."""
    entries = list(document[LISTS[name][1]])[:left]
    token = document.get("next")
    return entries, None if left is not None and len(entries) >= left else token


def read_response(response: httpx.Response) -> Any:
    """Return the JSON of a response.

    Raises:
        ApiError: It is a refusal, in the API's own words, or not JSON.
    """
    try:
        document = response.json() if response.content else {}
    except ValueError:
        document = None
    if response.is_success and document is not None:
        return document
    reason = document.get("error") if isinstance(document, dict) else None
    answer = f"the API answered {response.status_code} {response.reason_phrase}".rstrip()
    if response.is_success:
        answer += " and no JSON: is its address right?"
    raise ApiError(str(reason or answer), response.status_code)


def read_predictions(response: httpx.Response, rows: int | None) -> dict[str, Any]:
    """Return the document of a prediction.

    Args:
        response: Response to a call of ``predict_call``.
        rows: Number of rows that were sent; None if it is not known.

    Raises:
        ApiError: It is a refusal, or has no prediction for each row.
    """
    document = read_response(response)
    predictions = document.get("predictions") if isinstance(document, dict) else None
    if not isinstance(predictions, list) or "version" not in document or len(predictions) != (rows or len(predictions)):
        raise ApiError(
            f"the API answered {response.status_code} without a prediction for each row: is its address right?",
            response.status_code,
        )
    return dict(document)


def retry_after(response: httpx.Response | None, attempt: int) -> float | None:
    """Return the seconds until a further attempt; None if the response is final."""
    if attempt + 1 >= ATTEMPTS or (response is not None and response.status_code not in _BUSY):
        return None
    advice = response.headers.get("retry-after", "") if response is not None else ""
    return min(float(advice), 30.0) if advice.isdigit() else _FIRST_WAIT * 2.0**attempt


def check_run(run: dict[str, Any]) -> dict[str, Any] | None:
    """Return a run that has ended; None while it goes on.

    Raises:
        RunFailedError: It has failed.
    """
    if run["status"] == "FAILED":
        raise RunFailedError((run.get("error") or {}).get("message") or "the run has failed")
    return None if run["status"] == "RUNNING" else run
