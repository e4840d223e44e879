"""The served models, over HTTP."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import httpx

from pipeline.contracts.errors import (
    ForbiddenError,
    InvalidRequestError,
    ModeldropError,
    NotFoundError,
    TransientError,
    UnauthenticatedError,
)

__all__ = ["ModelApi", "infer_url"]

_TIMEOUT = 60.0  # API Gateway itself gives up after 29 s
_ERRORS: dict[int, type[ModeldropError]] = {
    400: InvalidRequestError,
    401: UnauthenticatedError,
    403: ForbiddenError,
    404: NotFoundError,
}


class ModelApi:
    """One client of one stack's API, with one key. Use it as a context manager."""

    def __init__(self, api_url: str, api_key: str, *, transport: httpx.BaseTransport | None = None) -> None:
        self._url = api_url
        self._http = httpx.Client(headers={"x-api-key": api_key}, timeout=_TIMEOUT, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def infer(
        self, model: str, rows: list[dict[str, Any]], *, version: int | None = None, ignore_extra: bool = False
    ) -> dict[str, Any]:
        """Predict rows.

        Args:
            model: Name of the model.
            rows: Column -> value.
            version: None for the live version.
            ignore_extra: Leave out columns that the model does not read.

        Returns:
            ``{"model", "version", "predictions": [...]}``.

        Raises:
            ModeldropError: Of the class that the status stands for, in the API's words.
        """
        extra = {"extra": "ignore"} if ignore_extra else None
        try:
            response = self._http.post(infer_url(self._url, model, version), params=extra, json={"rows": rows})
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise TransientError(f"the API at {self._url} did not answer ({type(error).__name__})") from error
        if response.status_code != httpx.codes.OK:
            raise _ERRORS.get(response.status_code, TransientError)(_words(response))
        return _predictions(response, len(rows))


def infer_url(api_url: str, model: str, version: int | None = None) -> str:
    """Return where to POST rows; without a version to the live one."""
    resource = model if version is None else f"{model}/versions/{version}"
    return f"{api_url.rstrip('/')}/v2/models/{resource}/infer"


def _predictions(response: httpx.Response, rows: int) -> dict[str, Any]:
    """Return the answer's document; what stands between here and the API may answer 200 too."""
    try:
        document: dict[str, Any] = response.json()
        if len(document["predictions"]) == rows and "version" in document:
            return document
    except (ValueError, KeyError, TypeError):
        pass
    raise TransientError(
        f"the API answered {response.status_code} without a prediction for each row: is its address right?"
    )


def _words(response: httpx.Response) -> str:
    """Return what the API says; something between here and there may answer in another form."""
    try:
        return str(response.json()["error"])
    except (ValueError, KeyError, TypeError):
        return f"the API answered {response.status_code} {response.reason_phrase}"
