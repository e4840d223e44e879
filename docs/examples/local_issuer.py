"""An OpenID Connect issuer for trying things out on one machine: its keys by HTTP, and a token for anybody.

    python docs/examples/local_issuer.py --port 9000 --tenant demo --roles predictor

It prints one JSON line, ``{"issuer", "token"}``, and serves its keys until Ctrl-C. Never use it for anything real.
"""

from __future__ import annotations

import argparse
import json
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

from joserfc import jwt
from joserfc.jwk import ECKey

parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int, default=9000)
parser.add_argument("--tenant", default="demo")
parser.add_argument("--roles", nargs="+", default=["predictor"])
options = parser.parse_args()
key = ECKey.generate_key("P-256", {"kid": "1", "use": "sig"})


class Issuer(BaseHTTPRequestHandler):
    """Answers with the two documents of an issuer."""

    def do_GET(self) -> None:
        """Return the document of the path."""
        documents = {
            "/.well-known/openid-configuration": {"issuer": issuer, "jwks_uri": f"{issuer}/keys"},
            "/keys": {"keys": [key.as_dict(private=False)]},
        }
        self.send_response(200 if self.path in documents else 404)
        self.end_headers()
        self.wfile.write(json.dumps(documents.get(self.path)).encode())


server = HTTPServer(("127.0.0.1", options.port), Issuer)
issuer = f"http://127.0.0.1:{server.server_port}"
claims = {"iss": issuer, "aud": "modeldrop", "sub": "anna", "tenant": options.tenant, "roles": options.roles}
token = jwt.encode({"alg": "ES256", "kid": "1"}, claims | {"exp": int(time.time()) + 3600}, key)
print(json.dumps({"issuer": issuer, "token": token}), flush=True)  # noqa: T201
server.serve_forever()
