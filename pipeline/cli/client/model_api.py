"""The served models, by the client that users have: its errors become the command's."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import httpx

from modeldrop import ApiError, Client
from pipeline.contracts.errors import (
    ForbiddenError,
    InvalidRequestError,
    ModeldropError,
    NotFoundError,
    TransientError,
    UnauthenticatedError,
)

__all__ = ["ModelApi"]

_ERRORS: dict[int, type[ModeldropError]] = {
    400: InvalidRequestError,
    401: UnauthenticatedError,
    403: ForbiddenError,
    404: NotFoundError,
}


class ModelApi:
    """One client of one stack's API, with one key. Use it as a context manager.

    Args:
        api_url: Base URL of the API.
        api_key: Key of the caller.
        transport: Transport of httpx, for tests.
    """

    def __init__(self, api_url: str, api_key: str, *, transport: httpx.BaseTransport | None = None) -> None:
        self._client = Client(api_url, api_key, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def infer(
        self, model: str, rows: list[dict[str, Any]], *, version: int | None = None, ignore_extra: bool = False
    ) -> dict[str, Any]:
        """Predict rows in one request.

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
        try:
            return self._client.infer(model, rows, version=version, ignore_extra=ignore_extra)
        except ApiError as error:
            raise _ERRORS.get(error.status, TransientError)(str(error)) from error
