"""The API client of the command: the public client, with the command's error classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import ClassVar, Self

import httpx

from modeldrop import ApiError, Client
from pipeline.contracts.errors import (
    ConflictError,
    ForbiddenError,
    InputError,
    ModeldropError,
    NotFoundError,
    TransientError,
    UnauthenticatedError,
)

__all__ = ["STATUS_ERRORS", "ApiClient"]

STATUS_ERRORS: Mapping[int, type[ModeldropError]] = {
    401: UnauthenticatedError,
    403: ForbiddenError,
    404: NotFoundError,
}


class ApiClient:
    """One client of one stack's API, with one key. Use it as a context manager.

    Attributes:
        errors: HTTP status -> class of the command's error; TransientError for others.

    Args:
        api_url: Base URL of the API.
        api_key: Key of the caller.
        transport: Transport of httpx, for tests.
    """

    errors: ClassVar[Mapping[int, type[ModeldropError]]] = {**STATUS_ERRORS, 400: InputError, 409: ConflictError}

    def __init__(self, api_url: str, api_key: str, *, transport: httpx.BaseTransport | None = None) -> None:
        self._client = Client(api_url, api_key, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Translate the API's errors to the error classes of the command; the message stays."""
        try:
            yield
        except ApiError as error:
            raise self.errors.get(error.status, TransientError)(str(error)) from error
