"""A stack that is reached by its API alone, with a key and no AWS credentials."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

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
from pipeline.contracts.records.run import Run

__all__ = ["KeyApi"]

_ERRORS: dict[int, type[ModeldropError]] = {
    400: InputError,
    401: UnauthenticatedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
}


class KeyApi:
    """One stack's API with one key. Use it as a context manager.

    Args:
        api_url: Base URL.
        api_key: Key.
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

    def upload(
        self, file: Path, model: str, *, target: str | None = None, progress: Callable[[int], None] | None = None
    ) -> str | None:
        """Upload a file, in parts if it is large.

        Args:
            file: The file.
            model: Model that it is for.
            target: Column to predict.
            progress: Called with the number of bytes uploaded since its last call.

        Returns:
            Name of the run that it starts; None for a companion.

        Raises:
            ModeldropError: Of the class that the API's status stands for, in its words.
        """
        with _translated():
            return self._client.upload(file, model=model, target=target, progress=progress)

    def get(self, run: str) -> Run:
        """Return a run.

        Raises:
            NotFoundError: There is none of this name that the key may see.
            ModeldropError: Of the class that the API's status stands for, in its words.
        """
        with _translated():
            return Run.model_validate(self._client.run(run))


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except ApiError as error:
        raise _ERRORS.get(error.status, TransientError)(str(error)) from error
