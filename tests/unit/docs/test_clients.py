"""The clients of the page run unchanged against a server that responds as the API does."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "clients.md").read_text()
KEY = "md_of_the_tests"
COLUMNS = {
    "longitude", "latitude", "housing_median_age", "total_rooms", "total_bedrooms", "population", "households",
    "median_income", "ocean_proximity",
}  # fmt: skip


class _Api(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        """Predict a row with the columns of the guide, and refuse anything else as the API does."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        right = self.path == "/v1/v2/models/houses/infer" and set(body["rows"][0]) == COLUMNS
        known = self.headers["x-api-key"] == KEY
        status = 200 if right and known else 401 if right else 400
        answer: dict[str, Any] = (
            {"model": "houses", "version": 1, "predictions": [{"value": 123.5}]}
            if status == 200
            else {"error": "the key is unknown"}
        )
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class names it
        """Say nothing."""


@pytest.fixture
def api_url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Api) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1/"
        server.shutdown()
        thread.join()


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)


def _run(command: list[str], api_url: str, key: str = KEY) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "MODELDROP_API_URL": api_url, "MODELDROP_API_KEY": key}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("library", ["requests", "httpx"])
def test_the_python_client_prints_a_prediction(api_url: str, library: str) -> None:
    pytest.importorskip(library)
    (block,) = (block for block in _blocks("python") if f"import {library}\n" in block)
    done = _run([sys.executable, "-c", block], api_url)
    assert done.stdout == "123.5\n", done.stderr
    refused = _run([sys.executable, "-c", block], api_url, key="another")
    assert refused.stderr.strip() == "the key is unknown"
    assert refused.returncode == 1


@pytest.mark.parametrize("credential", ["MODELDROP_API_KEY", "MODELDROP_TOKEN"])
@pytest.mark.parametrize("name", ["Client", "AsyncClient"])
def test_the_client_of_modeldrop_prints_a_prediction(
    api_url: str, name: str, credential: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(credential, KEY)
    (block,) = (block for block in _blocks("python") if f"from modeldrop import {name}\n" in block)
    done = _run([sys.executable, "-c", block], api_url, key="" if credential == "MODELDROP_TOKEN" else KEY)
    assert done.stdout == "123.5\n", done.stderr


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node")
def test_the_javascript_client_prints_a_prediction(api_url: str) -> None:
    (block,) = _blocks("js")
    done = _run(["node", "-e", block], api_url)
    assert done.stdout == "123.5\n", done.stderr


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="needs R with httr2")
def test_the_r_client_prints_a_prediction(api_url: str) -> None:
    (block,) = _blocks("r")
    done = _run(["Rscript", "-e", block], api_url)
    assert "123.5" in done.stdout, done.stderr


def test_the_script_of_the_guide_makes_files_with_the_columns_of_the_clients(tmp_path: Path) -> None:
    for _ in range(2):
        subprocess.run([sys.executable, str(ROOT / "docs" / "examples" / "make_houses.py")], cwd=tmp_path, check=True)
    houses, new_houses = ((tmp_path / name).read_text().splitlines() for name in ("houses.csv", "new_houses.csv"))
    assert set(houses[0].split(",")) == COLUMNS | {"median_house_value"}
    assert (len(houses), len(new_houses)) == (4_001, 51)
    assert any(",," in row for row in houses), "some bedrooms are missing"
