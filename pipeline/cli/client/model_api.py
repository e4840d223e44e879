"""Predictions by the API, with the command's error classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pipeline.cli.client.api_client import STATUS_ERRORS, ApiClient
from pipeline.contracts.errors import InvalidRequestError, ModeldropError
from pipeline.contracts.signature import Signature

__all__ = ["ModelApi"]


class ModelApi(ApiClient):
    """Predictions by the API. Use it as a context manager."""

    errors: ClassVar[Mapping[int, type[ModeldropError]]] = {**STATUS_ERRORS, 400: InvalidRequestError}

    def infer(
        self, model: str, rows: list[dict[str, Any]], *, version: int | None = None, ignore_extra: bool = False
    ) -> dict[str, Any]:
        """Predict rows in one request.

        Args:
            model: Name of the model.
            rows: Rows, each with its values by column.
            version: Number of the version; None for the live version.
            ignore_extra: Ignore columns that the model does not read.

        Returns:
            ``{"model", "version", "predictions": [...]}``.

        Raises:
            ModeldropError: The API refused the request; the class depends on the status.
        """
        with self._translated():
            return self._client.infer(model, rows, version=version, ignore_extra=ignore_extra)

    def signature(self, model: str) -> Signature:
        """Return the signature of a model's live version.

        Args:
            model: Name of the model, or ``owner/name`` of one that another tenant shares.

        Raises:
            ModeldropError: The API refused the request; the class depends on the status.
        """
        with self._translated():
            return Signature.from_dict(self._client.describe(model)["signature"])
