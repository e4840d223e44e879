"""An OpenID Connect issuer: a local HTTP server with its keys, and tokens signed by them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

__all__ = ["FakeIssuer", "run_issuer"]

Key = RSAKey | ECKey
_KEYS: dict[str, Key] = {}  # generating an RSA key is slow


def make_key(kid: str) -> Key:
    """Return the key with this name: an elliptic-curve key if the name begins with ``ec``, else an RSA key."""
    if kid not in _KEYS:
        options: dict[str, Any] = {"kid": kid, "use": "sig"}
        _KEYS[kid] = (
            ECKey.generate_key("P-256", options) if kid.startswith("ec") else RSAKey.generate_key(2048, options)
        )
    return _KEYS[kid]


class FakeIssuer:
    """The responses and keys of the issuer.

    Attributes:
        url: URL of the issuer, which is the claim ``iss``.
        kids: Names of the published keys.
        entries: More entries of the published key set.
        is_down: Whether to respond with status 503.
        configuration: The OpenID configuration.
        requests: Requested paths.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.kids = ["rsa-1", "ec-1"]
        self.entries: list[dict[str, Any]] = []
        self.is_down = False
        self.configuration: dict[str, Any] = {"issuer": url, "jwks_uri": f"{url}/keys"}
        self.requests: list[str] = []

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Return the claims of a predictor of the tenant acme, with ``changes``; None removes a claim."""
        now = int(time.time())
        standard = {"iss": self.url, "aud": "modeldrop", "sub": "anna", "iat": now, "exp": now + 300}
        claims = {**standard, "tenant": "acme", "roles": ["predictor"], **changes}
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, kid: str = "rsa-1", header: dict[str, Any] | None = None, **changes: Any) -> str:
        """Return a token signed with the key ``kid``, which the issuer need not publish."""
        alg = "ES256" if kid.startswith("ec") else "RS256"
        head = {"alg": alg, "kid": kid, **(header or {})}
        return jwt.encode(
            {name: value for name, value in head.items() if value is not None},
            self.claims(**changes),
            make_key(kid),
            algorithms=[head["alg"]],
        )

    def answer(self, path: str) -> tuple[int, dict[str, Any]]:
        self.requests.append(path)
        if self.is_down:
            return 503, {}
        if path == "/.well-known/openid-configuration":
            return 200, self.configuration
        if path == "/keys":
            return 200, {"keys": [*(make_key(kid).as_dict(private=False) for kid in self.kids), *self.entries]}
        return 404, {}


@contextmanager
def run_issuer() -> Iterator[FakeIssuer]:
    """Serve an issuer on this machine until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, document = issuer.answer(self.path)
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer = FakeIssuer(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
