"""Translation of AWS errors to the error classes of the pipeline."""

from __future__ import annotations

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)

from pipeline.cloud.errors import translate_errors
from pipeline.contracts.errors import (
    ConfigurationError,
    ItemTooLargeError,
    NotFoundError,
    ObjectNotFoundError,
    TransientError,
)


def client_error(code: str, status: int = 400) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "GetObject")


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (client_error("SlowDown", 503), TransientError),
        (client_error("InternalError", 500), TransientError),
        (client_error("ThrottlingException"), TransientError),
        (client_error("ProvisionedThroughputExceededException"), TransientError),
        (client_error("ConditionalRequestConflict", 409), TransientError),
        (client_error("NoSuchKey", 404), ObjectNotFoundError),
        (client_error("404", 404), ObjectNotFoundError),
        (client_error("NoSuchVersion", 404), ObjectNotFoundError),
        (client_error("NoSuchBucket", 404), ConfigurationError),
        (client_error("ResourceNotFoundException"), ConfigurationError),
        (client_error("AccessDenied", 403), ConfigurationError),
        (client_error("ExpiredTokenException"), ConfigurationError),
        (client_error("InsufficientStorage", 507), ConfigurationError),
        (client_error("ExecutionDoesNotExist"), NotFoundError),
        (NoCredentialsError(), ConfigurationError),
        (ReadTimeoutError(endpoint_url="https://x"), TransientError),
        (ConnectTimeoutError(endpoint_url="https://x"), TransientError),
        (EndpointConnectionError(endpoint_url="https://x"), TransientError),
    ],
    ids=lambda value: getattr(value, "__name__", None) or type(value).__name__,
)
def test_a_known_error_is_translated_and_names_the_resource(error: Exception, ours: type[Exception]) -> None:
    with (
        pytest.raises(ours, match=r"the bucket uploads|there are no valid AWS credentials") as raised,
        translate_errors("the bucket uploads"),
    ):
        raise error
    assert type(raised.value) is ours
    assert raised.value.__cause__ is error


def test_an_unknown_error_is_raised_unchanged() -> None:
    error = client_error("ValidationException")
    with pytest.raises(ClientError) as raised, translate_errors("the table"):
        raise error
    assert raised.value is error


TOO_LARGE = "Item size to update has exceeded the maximum allowed size"


@pytest.mark.parametrize(
    "response",
    [
        {"Error": {"Code": "ValidationException", "Message": TOO_LARGE}},
        {
            "Error": {"Code": "TransactionCanceledException", "Message": "Transaction cancelled"},
            "CancellationReasons": [{"Code": "None"}, {"Code": "ValidationError", "Message": TOO_LARGE}],
        },
    ],
)
def test_an_item_above_the_dynamodb_limit_is_not_a_transient_error(response: dict[str, object]) -> None:
    with pytest.raises(ItemTooLargeError, match="400 KB") as raised, translate_errors("the table modeldrop"):
        raise ClientError(response, "UpdateItem")  # type: ignore[arg-type]  # botocore's stubs want every field
    assert not raised.value.retryable
