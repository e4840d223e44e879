"""A stack that is reached by its API alone, with a key and no AWS credentials."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar

from pipeline.cli.client.api_client import STATUS_ERRORS, ApiClient
from pipeline.contracts.errors import ConflictError, InputError, ModeldropError
from pipeline.contracts.records.run import Run

__all__ = ["KeyApi"]


class KeyApi(ApiClient):
    """The API with a key alone: uploads, and runs. Use it as a context manager."""

    errors: ClassVar[Mapping[int, type[ModeldropError]]] = {**STATUS_ERRORS, 400: InputError, 409: ConflictError}

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
        with self._translated():
            return self._client.upload(file, model=model, target=target, progress=progress)

    def get(self, run: str) -> Run:
        """Return a run.

        Raises:
            NotFoundError: There is none of this name that the key may see.
            ModeldropError: Of the class that the API's status stands for, in its words.
        """
        with self._translated():
            return Run.model_validate(self._client.run(run))
