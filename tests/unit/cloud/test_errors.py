"""What AWS says went wrong, in the pipeline's words."""

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


def said(code: str, status: int = 400) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "GetObject")


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (said("SlowDown", 503), TransientError),
        (said("InternalError", 500), TransientError),
        (said("ThrottlingException"), TransientError),
        (said("ProvisionedThroughputExceededException"), TransientError),
        (said("ConditionalRequestConflict", 409), TransientError),
        (said("NoSuchKey", 404), ObjectNotFoundError),
        (said("404", 404), ObjectNotFoundError),
        (said("NoSuchVersion", 404), ObjectNotFoundError),
        (said("NoSuchBucket", 404), ConfigurationError),
        (said("ResourceNotFoundException"), ConfigurationError),
        (said("AccessDenied", 403), ConfigurationError),
        (said("ExpiredTokenException"), ConfigurationError),
        (said("InsufficientStorage", 507), ConfigurationError),
        (said("ExecutionDoesNotExist"), NotFoundError),
        (NoCredentialsError(), ConfigurationError),
        (ReadTimeoutError(endpoint_url="https://x"), TransientError),
        (ConnectTimeoutError(endpoint_url="https://x"), TransientError),
        (EndpointConnectionError(endpoint_url="https://x"), TransientError),
    ],
    ids=lambda value: getattr(value, "__name__", None) or type(value).__name__,
)
def test_a_known_error_becomes_ours_and_names_what_was_called(error: Exception, ours: type[Exception]) -> None:
    with (
        pytest.raises(ours, match=r"the bucket uploads|there are no valid AWS credentials") as raised,
        translate_errors("the bucket uploads"),
    ):
        raise error
    assert type(raised.value) is ours
    assert raised.value.__cause__ is error


def test_an_unknown_error_goes_out_as_it_is() -> None:
    error = said("ValidationException")
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
def test_an_item_beyond_dynamodbs_limit_is_not_taken_for_a_busy_table(response: dict[str, object]) -> None:
    with pytest.raises(ItemTooLargeError, match="400 KB") as raised, translate_errors("the table modeldrop"):
        raise ClientError(response, "UpdateItem")  # type: ignore[arg-type]  # botocore's stubs want every field
    assert not raised.value.retryable
