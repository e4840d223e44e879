"""Translate botocore's errors into those of contracts.errors, or ignore them by their codes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from botocore.exceptions import (
    ClientError,
    HTTPClientError,
    IncompleteReadError,
    NoAuthTokenError,
    NoCredentialsError,
    PartialCredentialsError,
    ResponseStreamingError,
    TokenRetrievalError,
)
from botocore.exceptions import ConnectionError as NoConnectionError

from pipeline.cloud.error_codes import error_of_code
from pipeline.contracts.errors import (
    ConfigurationError,
    ItemTooLargeError,
    ModeldropError,
    TransientError,
)

__all__ = ["IgnoredCodes", "code_of", "translate_errors"]

_NO_RESPONSE = (HTTPClientError, NoConnectionError, IncompleteReadError, ResponseStreamingError)
_NO_CREDENTIALS = (NoAuthTokenError, NoCredentialsError, PartialCredentialsError, TokenRetrievalError)
_DISK_FULL = "InsufficientStorage"  # error code of the embedded cloud on a full disk
_ITEM_SIZE = "exceeded the maximum allowed size"  # part of "Item size (to update) has exceeded ..."


@contextmanager
def translate_errors(resource: str) -> Iterator[None]:
    """Raise errors of botocore as errors of contracts.errors.

    Args:
        resource: Name of the called resource, for messages.

    Raises:
        ConfigurationError: There are no valid credentials, they lack a permission, or the resource does not exist.
        ItemTooLargeError: A table item is too large.
        NotFoundError: There is no such execution.
        ObjectNotFoundError: There is no such object.
        TransientError: The service did not respond or throttled the call.
        ClientError: The error code is unknown here, which is a defect.
    """
    try:
        yield
    except ClientError as error:
        translated = _translate(error, resource)
        if translated is None:
            raise
        raise translated from error
    except _NO_RESPONSE as error:
        raise TransientError(f"{resource} did not answer ({type(error).__name__})") from error
    except _NO_CREDENTIALS as error:
        raise ConfigurationError(f"there are no valid AWS credentials for {resource}") from error


class IgnoredCodes(AbstractContextManager[None, bool]):
    """Context manager that ends its block without an error if a service returns one of these error codes.

    Args:
        codes: Error codes, such as NoSuchUpload.
    """

    def __init__(self, *codes: str) -> None:
        self._codes = codes

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        return isinstance(error, ClientError) and code_of(error) in self._codes


def code_of(error: ClientError) -> str:
    """Return the service's error code, such as NoSuchKey."""
    return error.response.get("Error", {}).get("Code", "")


def _is_of_item_size(error: ClientError) -> bool:
    """Return whether an item is too large, which DynamoDB reports only in the message of an error or a reason."""
    reasons = [error.response.get("Error", {}), *error.response.get("CancellationReasons", [])]
    codes = ("ValidationException", "ValidationError")
    return any(reason.get("Code") in codes and _ITEM_SIZE in reason.get("Message", "") for reason in reasons)


def _translate(error: ClientError, resource: str) -> ModeldropError | None:
    if _is_of_item_size(error):
        return ItemTooLargeError(f"a record for {resource} is larger than 400 KB, which is the maximum")
    if code_of(error) == _DISK_FULL:
        return ConfigurationError(f"{resource} has no space left ({error.response['Error'].get('Message', '')})")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return error_of_code(code_of(error), status, error.operation_name, resource)
