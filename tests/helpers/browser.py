"""Open a page in a real browser: Debian's chromium, headless."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from pipeline.contracts.errors import ConfigurationError
from pipeline.exporting.web.runtime import read_runtime

__all__ = ["find_browser", "open_page", "runtime_error"]

_SECONDS = 60
_TYPES = {".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm"}
# Frame around the unchanged page; it posts the page's contents once the page's script has set its state.
_FRAME = """<!doctype html><iframe id="page" src="index.html" width="1000" height="800"></iframe><script>
const timer = setInterval(() => {
  const body = document.getElementById('page').contentDocument?.body;
  if (!body?.dataset.state) return;
  clearInterval(timer);
  const shown = { state: body.dataset.state, golden: body.querySelector('#golden').textContent,
    prediction: body.querySelector('#prediction').textContent,
    fields: [...body.querySelectorAll('label span')].map((label) => label.textContent) };
  fetch('/shown', { method: 'POST', body: JSON.stringify(shown) });
}, 50);
</script>"""


@functools.cache
def runtime_error() -> str:
    """Return why onnxruntime-web is not available; empty if it is."""
    try:
        read_runtime()
    except ConfigurationError as error:
        return error.message
    return ""


def find_browser() -> str | None:
    """Return the path of chromium or Chrome; None if neither is installed."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def open_page(files: Mapping[str, bytes], browser: str, profile: Path) -> dict[str, Any]:
    """Serve a folder, open its index.html, and return the contents of the page when it is ready.

    Args:
        files: Contents by file name.
        browser: Path of the browser.
        profile: An empty folder for the browser's profile.
    """
    shown: dict[str, Any] = {}
    ready = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.lstrip("/").partition("?")[0]
            content = _FRAME.encode() if name == "frame.html" else files.get(name)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Type", _TYPES.get(Path(name).suffix, "application/octet-stream"))
            self.end_headers()
            self.wfile.write(content or b"")

        def do_POST(self) -> None:
            shown.update(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()
            ready.set()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class has this name
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        command = [
            browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--remote-debugging-port=0", f"--user-data-dir={profile}",
            f"http://127.0.0.1:{server.server_port}/frame.html",
        ]  # fmt: skip
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                assert ready.wait(_SECONDS), "the page did not say what it shows"
            finally:
                process.terminate()
        server.shutdown()
    return shown
