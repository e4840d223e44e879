"""Sign requests to AWS.

References:
    AWS Signature Version 4, https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

__all__ = ["Credentials", "sign"]

_ALGORITHM = "AWS4-HMAC-SHA256"


class Credentials(NamedTuple):
    """Credentials of a role or a user.

    Attributes:
        access_key: Access key id.
        secret_key: Secret access key.
        session_token: Token of temporary credentials; None for permanent ones.
    """

    access_key: str
    secret_key: str
    session_token: str | None = None


def sign(  # noqa: PLR0913 - the signature covers all arguments
    *,
    method: str,
    host: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes,
    service: str,
    region: str,
    credentials: Credentials,
    now: datetime,
) -> dict[str, str]:
    """Return the headers of a signed request without a query.

    Args:
        method: HTTP method.
        host: Host, with the port unless it is the default port of the scheme.
        path: Path, percent-encoded.
        headers: Headers to sign in addition to the host and the date, by name in lower case.
        body: Body of the request.
        service: Name of the service in signatures, such as ``dynamodb``.
        region: Region.
        credentials: Credentials that sign the request.
        now: Time of the request, in UTC.

    Returns:
        All headers of the request except the host.
    """
    payload_hash = hashlib.sha256(body).hexdigest()
    signed = {**headers, "x-amz-date": f"{now:%Y%m%dT%H%M%SZ}", "x-amz-content-sha256": payload_hash}
    if credentials.session_token:
        signed["x-amz-security-token"] = credentials.session_token
    canonical = sorted({**signed, "host": host}.items())
    names = ";".join(name for name, _ in canonical)
    lines = "".join(f"{name}:{value.strip()}\n" for name, value in canonical)
    request = f"{method}\n{path}\n\n{lines}\n{names}\n{payload_hash}"
    scope = f"{now:%Y%m%d}/{region}/{service}/aws4_request"
    text = f"{_ALGORITHM}\n{signed['x-amz-date']}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{credentials.secret_key}".encode()
    for word in scope.split("/"):
        key = hmac.digest(key, word.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    credential = f"{credentials.access_key}/{scope}"
    return signed | {
        "authorization": f"{_ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={signature}"
    }
