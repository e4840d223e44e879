"""Python client of modeldrop: drop data, wait for the model, call it. Requires only httpx; pandas, polars optional."""

from __future__ import annotations

from modeldrop.async_client import AsyncClient
from modeldrop.client import Client
from modeldrop.errors import ApiError, ClientError, RunFailedError
from modeldrop.rows import Prediction

__all__ = ["ApiError", "AsyncClient", "Client", "ClientError", "Prediction", "RunFailedError"]
