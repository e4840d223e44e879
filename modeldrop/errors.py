"""Errors of the client.

ClientError
├── ApiError         the API refused a request, or did not respond
└── RunFailedError   a run that was waited for has failed
"""

from __future__ import annotations

__all__ = ["ApiError", "ClientError", "RunFailedError"]


class ClientError(Exception):
    """Base class of the client's errors; raised itself if the client is used incorrectly."""


class ApiError(ClientError):
    """The API refused a request, or did not respond.

    Attributes:
        status: HTTP status; 0 without a response.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class RunFailedError(ClientError):
    """A run has failed; the message is that of the run's error."""
