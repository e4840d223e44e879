"""Map error codes of AWS services to errors. Standard library only: predict imports this module on a cold start."""

from __future__ import annotations

from pipeline.contracts.errors import (
    ConfigurationError,
    ModeldropError,
    NotFoundError,
    ObjectNotFoundError,
    TransientError,
)

__all__ = ["error_of_code"]

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
        "TransactionCanceledException",  # the table's adapter handles those with a failed condition
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)
_NO_OBJECT = frozenset({"404", "405", "MethodNotAllowed", "NoSuchKey", "NoSuchUpload", "NoSuchVersion", "NotFound"})
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


def error_of_code(code: str, status: int, operation: str, resource: str) -> ModeldropError | None:
    """Return the error that a service's error code means; None if only a defect of this library causes the code.

    Args:
        code: Error code of the service, such as NoSuchKey.
        status: HTTP status of the response.
        operation: Name of the call, such as GetItem.
        resource: Name of the called resource, for the message.
    """
    if code in _TOO_BUSY or status >= 500:
        return TransientError(f"{resource} is busy ({operation}: {code})")
    if code in _NO_OBJECT:
        return ObjectNotFoundError(f"there is no such object in {resource}")
    if code in _NO_RESOURCE:
        return ConfigurationError(f"{resource} does not exist")
    if code == "ExecutionDoesNotExist":
        return NotFoundError(f"there is no such execution of {resource}")
    if code in _NOT_ALLOWED:
        return ConfigurationError(f"the credentials may not call {operation} on {resource} ({code})")
    return None
