"""The table and a bucket, accessed with signed requests."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pipeline.cloud.attributes import deserialize_item, increment_request, serialize_item
from pipeline.cloud.error_codes import error_of_code
from pipeline.cloud.signed.connection import ServiceResponse
from pipeline.cloud.signed.service import SignedService
from pipeline.cloud.signed.signature import Credentials
from pipeline.contracts.errors import ConfigurationError, ModeldropError

if TYPE_CHECKING:
    from pipeline.contracts.ports import Item

__all__ = ["SignedBucket", "SignedTable"]


class SignedTable:
    """A DynamoDB table: ``get``, ``query`` and ``increment`` of the port Table.

    Args:
        name: Name of the table.
        region: Region of the table.
        credentials: Credentials that sign the requests.
        endpoint_url: URL of another cloud; None for AWS.
    """

    def __init__(self, name: str, *, region: str, credentials: Credentials, endpoint_url: str | None = None) -> None:
        self._name = name
        url = endpoint_url or f"https://dynamodb.{region}.{_domain(region)}"
        self._service = SignedService(url, service="dynamodb", region=region, credentials=credentials)

    def get(self, pk: str, sk: str, *, consistent: bool = True) -> Item | None:
        """Return an item; None if it is absent."""
        response = self._call("GetItem", Key=serialize_item({"pk": pk, "sk": sk}), ConsistentRead=consistent)
        return deserialize_item(response["Item"]) if "Item" in response else None

    def query(
        self, pk: str, sk_prefix: str = "", *, newest_first: bool = False, limit: int | None = None
    ) -> list[Item]:
        """Return at most ``limit`` items of a partition whose sort key has a prefix, ordered by sort key."""
        request = {"ScanIndexForward": not newest_first} | ({} if limit is None else {"Limit": limit})
        items = (item for page in self._pages(pk, sk_prefix, request) for item in page["Items"])
        return [deserialize_item(item) for item in islice(items, limit)]

    def increment(self, pk: str, sk: str, amounts: Mapping[str, float], values: Mapping[str, Any]) -> None:
        """Add ``amounts`` to numbers of an item and set its ``values``; create the item if it is absent."""
        self._call("UpdateItem", Key=serialize_item({"pk": pk, "sk": sk}), **increment_request(amounts, values))

    def _pages(self, pk: str, sk_prefix: str, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        start: dict[str, Any] = {}
        while True:
            page = self._call(
                "Query",
                KeyConditionExpression="pk = :pk AND begins_with(sk, :sk)",
                ExpressionAttributeValues=serialize_item({":pk": pk, ":sk": sk_prefix}),
                ConsistentRead=True,
                **request,
                **start,
            )
            yield page
            if not page.get("LastEvaluatedKey"):
                return
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def _call(self, operation: str, **request: Any) -> dict[str, Any]:
        response = self._service.call(
            "POST",
            "/",
            resource=f"the table {self._name}",
            headers={"content-type": "application/x-amz-json-1.0", "x-amz-target": f"DynamoDB_20120810.{operation}"},
            body=json.dumps({"TableName": self._name, **request}).encode(),
        )
        if response.status != 200:
            raise _error(response, operation, f"the table {self._name}")
        document: dict[str, Any] = json.loads(response.body)
        return document


class SignedBucket:
    """Reads of an S3 bucket: ``get`` of the port ObjectStore.

    Args:
        name: Name of the bucket.
        region: Region of the bucket.
        credentials: Credentials that sign the requests.
        endpoint_url: URL of another cloud, whose buckets are addressed by path; None for AWS.
    """

    def __init__(self, name: str, *, region: str, credentials: Credentials, endpoint_url: str | None = None) -> None:
        self._name = name
        # The wildcard certificate of virtual hosts does not match a bucket's name with a dot.
        by_path = endpoint_url is not None or "." in name
        host = f"s3.{region}.{_domain(region)}"
        url = endpoint_url or (f"https://{host}" if by_path else f"https://{name}.{host}")
        self._prefix = f"/{name}/" if by_path else "/"
        self._service = SignedService(url, service="s3", region=region, credentials=credentials)

    def get(self, key: str) -> bytes:
        """Return an object.

        Raises:
            ObjectNotFoundError: There is no such object.
            ConfigurationError: The credentials may not read the object, or the bucket does not exist.
            TransientError: S3 is busy or does not respond.
        """
        resource = f"the bucket {self._name}"
        response = self._service.call("GET", self._prefix + quote(key, safe="/-_.~"), resource=resource)
        if response.status != 200:
            raise _error(response, "GetObject", resource)
        return response.body


def _error(response: ServiceResponse, operation: str, resource: str) -> ModeldropError:
    code = _read_code(response)
    error = error_of_code(code, response.status, operation, resource)
    return error or ConfigurationError(f"{operation} on {resource} was refused ({code})")


def _read_code(response: ServiceResponse) -> str:
    """Return the error code of a response: DynamoDB's is in JSON, S3's in XML."""
    text = response.body.decode(errors="replace")
    if "<Code>" in text:
        return text.partition("<Code>")[2].partition("</Code>")[0]
    try:
        return str(json.loads(text)["__type"]).rpartition("#")[2]
    except (ValueError, KeyError, TypeError):
        return str(response.status)


def _domain(region: str) -> str:
    return "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
