"""The parts of DynamoDB and S3 that a prediction needs, on loopback, so that network time does not count."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

__all__ = ["serve"]

Items = Mapping[tuple[str, str], Mapping[str, Any]]  # (pk, sk) -> DynamoDB's item


@contextmanager
def serve(items: Items, objects: Mapping[str, bytes], certificate: tuple[Path, Path] | None = None) -> Iterator[str]:
    """Serve on loopback, and yield the endpoint's URL.

    Args:
        items: The items of the table.
        objects: The objects of every bucket, by key.
        certificate: Paths of a certificate and its key, to serve over https; None: http.
    """

    class Stub(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:  # DynamoDB: GetItem
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            key = request["Key"]
            item = items[key["pk"]["S"], key["sk"]["S"]]
            self._answer(json.dumps({"Item": item}).encode(), "application/x-amz-json-1.0")

        def do_GET(self) -> None:  # S3: GetObject
            self._answer(objects[self.path.split("?")[0].split("/", 2)[2]], "application/octet-stream")

        def _answer(self, body: bytes, kind: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Stub)
    if certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"{'http' if certificate is None else 'https'}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
