"""What AWS says went wrong, in the pipeline's own words. The one table of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

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

from pipeline.contracts.errors import (
    ConfigurationError,
    ItemTooLargeError,
    ModeldropError,
    NotFoundError,
    ObjectNotFoundError,
    TransientError,
)

__all__ = ["code_of", "translate_errors"]

_NO_ANSWER = (HTTPClientError, NoConnectionError, IncompleteReadError, ResponseStreamingError)
_NO_CREDENTIALS = (NoAuthTokenError, NoCredentialsError, PartialCredentialsError, TokenRetrievalError)
_TOO_BUSY = frozenset(
    {
        "BandwidthLimitExceeded",
        "ConditionalRequestConflict",
        "EC2ThrottledException",
        "OperationAborted",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeout",
        "RequestTimeoutException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionCanceledException",  # by no condition: those are the table's adapter's to see
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)
_NO_OBJECT = frozenset({"404", "405", "MethodNotAllowed", "NoSuchKey", "NoSuchVersion", "NotFound"})
_NO_ROOM = "InsufficientStorage"  # of the embedded cloud, on a full disk
_ITEM_SIZE = "exceeded the maximum allowed size"  # "Item size (to update) has ..."
_NO_RESOURCE = frozenset({"NoSuchBucket", "ResourceNotFoundException", "StateMachineDoesNotExist"})
_NOT_ALLOWED = frozenset(
    {
        "403",
        "AccessDenied",
        "AccessDeniedException",
        "ExpiredToken",
        "ExpiredTokenException",
        "Forbidden",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)


@contextmanager
def translate_errors(resource: str) -> Iterator[None]:
    """Raise errors of botocore as errors of contracts.errors.

    Args:
        resource: What is called, as the message names it.

    Raises:
        ConfigurationError: There are no valid credentials, they lack a permission, or the resource does not exist.
        ItemTooLargeError: A table item is too large.
        NotFoundError: There is no such execution.
        ObjectNotFoundError: There is no such object.
        TransientError: The service did not answer or throttled the call.
        ClientError: The error is in no table, so it is a defect.
    """
    try:
        yield
    except ClientError as error:
        translated = _known(error, resource)
        if translated is None:
            raise
        raise translated from error
    except _NO_ANSWER as error:
        raise TransientError(f"{resource} did not answer ({type(error).__name__})") from error
    except _NO_CREDENTIALS as error:
        raise ConfigurationError(f"there are no valid AWS credentials to speak to {resource} with") from error


def code_of(error: ClientError) -> str:
    """Return the service's error code, such as NoSuchKey."""
    return error.response.get("Error", {}).get("Code", "")


def _is_of_item_size(error: ClientError) -> bool:
    """DynamoDB has no code for it: ValidationException, or a transaction's reason, says it in words."""
    reasons = [error.response.get("Error", {}), *error.response.get("CancellationReasons", [])]
    codes = ("ValidationException", "ValidationError")
    return any(reason.get("Code") in codes and _ITEM_SIZE in reason.get("Message", "") for reason in reasons)


def _known(error: ClientError, resource: str) -> ModeldropError | None:
    if _is_of_item_size(error):
        return ItemTooLargeError(f"a record for {resource} is larger than the 400 KB that are possible")
    if code_of(error) == _NO_ROOM:
        return ConfigurationError(f"{resource} has no room ({error.response['Error'].get('Message', '')})")
    return _known_by_code(error, resource)


def _known_by_code(error: ClientError, resource: str) -> ModeldropError | None:
    code = code_of(error)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _TOO_BUSY or status >= 500:
        return TransientError(f"{resource} is busy ({error.operation_name}: {code})")
    if code in _NO_OBJECT:
        return ObjectNotFoundError(f"there is no such object in {resource}")
    if code in _NO_RESOURCE:
        return ConfigurationError(f"{resource} does not exist")
    if code == "ExecutionDoesNotExist":
        return NotFoundError(f"there is no such execution of {resource}")
    if code in _NOT_ALLOWED:
        return ConfigurationError(f"the credentials may not call {error.operation_name} on {resource} ({code})")
    return None
