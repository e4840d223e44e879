"""Delete the data of a stack: versioned objects, tables, users, images, keys of API Gateway."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from pipeline.cloud.errors import IgnoredCodes, translate_errors
from pipeline.contracts.errors import ConflictError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from pipeline.cloud.clients import Clients

__all__ = ["AwsStoredData"]

_MAX_KEYS = 1_000  # keys per DeleteObjects call, and per listed page
_MAX_IMAGES = 100  # images per BatchDeleteImage call
_GONE = ("NoSuchBucket", "NotFoundException", "ResourceNotFoundException", "RepositoryNotFoundException", "404")


class AwsStoredData:
    """Stored data of one account and region."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def empty_bucket(self, name: str) -> Iterator[int]:
        """Delete all versions of all objects; yield the number of deleted versions after each call.

        Raises:
            ConflictError: S3 refused to delete an object, such as one under a retention lock.
        """
        with _deleting(f"the bucket {name}"):
            while versions := self._versions(name):
                deleted = self._clients.s3.delete_objects(Bucket=name, Delete={"Objects": versions, "Quiet": True})
                if errors := deleted.get("Errors"):
                    raise ConflictError(
                        f"{len(errors)} objects of the bucket {name} were not deleted ({errors[0].get('Code')}): "
                        "a bucket without locks or holds is expected"
                    )
                yield len(versions)

    def delete_bucket(self, name: str) -> None:
        """Delete an empty bucket; an absent one is ignored."""
        with _deleting(f"the bucket {name}"):
            self._clients.s3.delete_bucket(Bucket=name)

    def delete_table(self, name: str) -> None:
        """Delete a table; an absent one is ignored."""
        with _deleting(f"the table {name}"):
            self._clients.dynamodb.delete_table(TableName=name)

    def delete_user_pool(self, pool: str) -> None:
        """Delete a user pool with its users; an absent one is ignored."""
        with _deleting(f"the user pool {pool}"):
            self._clients.cognito.delete_user_pool(UserPoolId=pool)

    def empty_repository(self, name: str) -> int:
        """Delete all images of an ECR repository; return their number."""
        count = 0
        with _deleting(f"the image repository {name}"):
            for page in self._clients.ecr.get_paginator("list_images").paginate(repositoryName=name):
                digests = sorted({image["imageDigest"] for image in page["imageIds"]})
                for start in range(0, len(digests), _MAX_IMAGES):
                    batch = [{"imageDigest": digest} for digest in digests[start : start + _MAX_IMAGES]]
                    self._clients.ecr.batch_delete_image(repositoryName=name, imageIds=batch)
                    count += len(batch)
        return count

    def delete_gateway_keys(self, stack: str) -> int:
        """Delete the API Gateway keys whose names have the prefix of the stack's tenants; return their number."""
        with _deleting("API Gateway"):
            pages = self._clients.apigateway.get_paginator("get_api_keys").paginate(nameQuery=f"{stack}/")
            keys = [key["id"] for page in pages for key in page["items"] if key["name"].startswith(f"{stack}/")]
            for key in keys:
                self._clients.apigateway.delete_api_key(apiKey=key)
        return len(keys)

    def _versions(self, name: str) -> list[Any]:
        """Return the first page of versions and delete markers; they are deleted before the next page is read."""
        page = self._clients.s3.list_object_versions(Bucket=name, MaxKeys=_MAX_KEYS)
        listed = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        return [{"Key": version["Key"], "VersionId": version["VersionId"]} for version in listed]


@contextmanager
def _deleting(resource: str) -> Iterator[None]:
    """Translate errors, and ignore that a resource is already deleted."""
    with translate_errors(resource), IgnoredCodes(*_GONE):
        yield
