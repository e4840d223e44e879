"""The Python client: requests, results, waits and retries."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl
import pytest

from modeldrop import ApiError, AsyncClient, Client, ClientError, RunFailedError
from modeldrop.connection import find_connection
from modeldrop.rows import to_rows
from pipeline.serving.api.errors import respond_to_error
from pipeline.serving.api.messages import Caller, HttpRequest
from pipeline.serving.api.prediction_api import PredictionApi
from tests.fakes.models import OneModel
from tests.helpers.served_models import ROWS, loaded

URL, KEY = "https://api.example/v1", "md_key"
API = PredictionApi(OneModel(loaded()))


def serve(request: httpx.Request) -> httpx.Response:
    """The real prediction API, as a transport's handler."""
    assert request.headers["x-api-key"] == KEY
    headers = {name.lower(): value for name, value in request.headers.items()}
    query = dict(request.url.params)
    api_request = HttpRequest(request.method, request.url.path, request.content, headers, query)
    try:
        response = API.respond(api_request, Caller("demo"))
    except Exception as error:  # noqa: BLE001 - as an edge
        response = respond_to_error(error, "test")
    return httpx.Response(response.status, content=response.body, headers=dict(response.headers))


class AwaitedClient:
    """AsyncClient with Client's interface: each call runs in a new event loop."""

    def __init__(self, *args: Any, transport: httpx.MockTransport) -> None:
        self._api = AsyncClient(*args, transport=transport)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *args, **options: asyncio.run(_collect(getattr(self._api, name)(*args, **options)))

    def __enter__(self) -> AwaitedClient:
        return self

    def __exit__(self, *args: object) -> None:
        self.close()


async def _collect(result: Any) -> Any:
    return [entry async for entry in result] if hasattr(result, "__aiter__") else await result


Connect = Callable[..., Any]


@pytest.fixture(params=[Client, AwaitedClient])
def client(request: pytest.FixtureRequest) -> Connect:
    """Both clients, of the real prediction API or of another handler."""
    return lambda handler=serve: request.param(URL, KEY, transport=httpx.MockTransport(handler))


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that the clients would have waited."""

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    monkeypatch.setattr("asyncio.sleep", sleep)
    return waited


@pytest.mark.parametrize(
    "response",
    [
        {"text": "<html>"},
        {"json": []},
        {"json": {"predictions": [], "version": 1}},
        {"json": {"predictions": 3, "version": 1}},
        {"json": {"predictions": [{}, {}, {}]}},
    ],
    ids=["html", "a list", "too few", "a number", "no version"],
)
def test_an_invalid_prediction_response_is_an_error(client: Connect, response: dict[str, Any]) -> None:
    with (
        client(lambda request: httpx.Response(200, **response)) as api,
        pytest.raises(ApiError, match="address") as refused,
    ):
        api.predict("adult", ROWS)
    assert refused.value.status == 200


def test_a_request_to_an_invalid_url_is_not_retried(client: Connect) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        raise httpx.InvalidURL("no")

    sent: list[httpx.Request] = []
    with client(refuse) as api, pytest.raises(ApiError, match="InvalidURL"):
        api.predict("adult", ROWS)
    assert len(sent) == 1


def test_rows_and_columns_are_predicted(client: Connect) -> None:
    columns = {name: [row[name] for row in ROWS] for name in ROWS[0]}
    with client() as api:
        predictions = api.predict("adult", ROWS)
        assert api.predict("adult@canary", columns) == predictions
        assert api.predict("adult", ROWS, version=3) == predictions
    assert len(predictions) == 3
    assert set(predictions[0]) == {"label", "probabilities"}


def test_predictions_of_a_frame_are_a_frame(client: Connect) -> None:
    frame = pl.DataFrame(ROWS, strict=False)
    with client() as api:
        result = api.predict("adult", frame)
    assert result.columns == ["label", "probabilities_<=50K", "probabilities_>50K", "probabilities_?"]
    assert result.height == 3


def test_predictions_of_a_pandas_frame_keep_the_index(client: Connect) -> None:
    pd = pytest.importorskip("pandas")
    with client() as api:
        result = api.predict("adult", pd.DataFrame(ROWS, index=["x", "y", "z"]))
    assert list(result.index) == ["x", "y", "z"]
    assert "label" in result


def test_a_file_is_sent_unchanged(client: Connect, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("job,age,hours per week,member\ncook,30,40.5,yes\n")
    with client() as api:
        assert api.predict("adult", path) == api.predict("adult", str(path)) == api.predict("adult", ROWS[:1])
        with pytest.raises(ClientError, match=r"'rows\.doc'"):
            api.predict("adult", tmp_path / "rows.doc")


def test_many_rows_are_sent_in_several_requests_with_progress(client: Connect) -> None:
    counts: list[int] = []
    with client() as api:
        predictions = api.predict("adult", ROWS[:1] * 20_001, progress=counts.append)
    assert len(predictions) == 20_001
    assert counts == [10_000, 20_000, 20_001]


def test_a_refusal_is_raised_with_the_message_of_the_api(client: Connect) -> None:
    with client() as api, pytest.raises(ApiError, match="'city'") as raised:
        api.predict("adult", [{**ROWS[0], "city": "Bonn"}])
    assert raised.value.status == 400
    with client() as api:
        assert api.predict("adult", [{**ROWS[0], "city": "Bonn"}], ignore_extra=True)


def test_a_busy_api_is_retried_after_the_requested_time(client: Connect, waits: list[float]) -> None:
    answers = [httpx.Response(503, headers={"retry-after": "7"}), httpx.Response(502), httpx.Response(429)]

    def respond(request: httpx.Request) -> httpx.Response:
        return answers.pop(0) if answers else serve(request)

    assert len(client(respond).predict("adult", ROWS)) == 3
    assert waits == [7, 0.4, 0.8]


@pytest.mark.parametrize("status", [None, 504])
def test_only_an_idempotent_change_is_retried_when_its_result_is_unknown(client: Connect, status: int | None) -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        sent.append(request.method)
        if status is None:
            raise httpx.ReadTimeout("late")
        return httpx.Response(status)

    sent: list[str] = []
    with client(respond) as api:
        with pytest.raises(ApiError):
            api.rollback("m")
        assert sent == ["POST"]
        with pytest.raises(ApiError):
            api.promote("m", 2)
    assert sent == ["POST", *["PUT"] * 4]


def test_an_unreachable_api_is_an_api_error(client: Connect) -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(ApiError, match="ConnectError"):
        client(respond).models()


@pytest.mark.parametrize("call", ["runs", "models", "run"])
def test_an_unrelated_json_response_is_an_api_error(client: Connect, call: str) -> None:
    with client(lambda _: httpx.Response(200, json={})) as api, pytest.raises(ApiError, match="address"):
        getattr(api, call)(*["r"] * (call == "run"))


@pytest.mark.parametrize("body", [b"<html>", b"[]"])
def test_an_error_response_that_is_not_from_the_api_is_an_api_error(client: Connect, body: bytes) -> None:
    with pytest.raises(ApiError, match="502"):
        client(lambda _: httpx.Response(502, content=body)).models()


def paged(request: httpx.Request) -> httpx.Response:
    """Answer with pages of a list of 250 entries, whose tokens are the number of the next one."""
    query = request.url.params
    start = int(query.get("next", 0))
    stop = min(start + int(query["limit"]), 250)
    field = {"history": "moves"}.get(request.url.path.rsplit("/", 1)[1], request.url.path.rsplit("/", 1)[1])
    following = {"next": str(stop)} if stop < 250 else {}
    entries = [{"number": number, "alias": query.get("alias")} for number in range(start, stop)]
    return httpx.Response(200, json={field: entries, **following})


def test_a_list_is_read_in_pages_up_to_the_limit(client: Connect) -> None:
    limits: list[int] = []

    def respond(request: httpx.Request) -> httpx.Response:
        limits.append(int(request.url.params["limit"]))
        return paged(request)

    with client(respond) as api:
        assert [run["number"] for run in api.runs()] == list(range(250))
        assert limits == [100, 100, 100]
        assert len(list(api.iterate("history", "m", limit=120, alias="live"))) == 120
        assert limits[3:] == [100, 20]
        assert list(api.iterate("runs", limit=0)) == []
        with pytest.raises(ValueError, match="models, versions, history"):
            list(api.iterate("houses"))
        for name, model in (("history", ""), ("models", "m")):
            with pytest.raises(ValueError, match=name):
                list(api.iterate(name, model))


def test_runs_of_one_model_and_the_signature_of_a_shared_one_are_read(client: Connect) -> None:
    urls: list[str] = []

    def respond(request: httpx.Request) -> httpx.Response:
        urls.append(str(request.url))
        return httpx.Response(200, json={"runs": [{"run": "r"}], "signature": {"task": "regression"}})

    with client(respond) as api:
        assert api.runs(model="m", limit=1) == [{"run": "r"}]
        assert api.describe("acme/m")["signature"] == {"task": "regression"}
    assert urls == [f"{URL}/registry/runs?limit=1&model=m", f"{URL}/v2/models/acme/m"]


def test_the_next_page_is_read_only_when_it_is_needed() -> None:
    limits: list[int] = []

    def respond(request: httpx.Request) -> httpx.Response:
        limits.append(int(request.url.params["limit"]))
        return paged(request)

    async def read_first() -> int:
        async with AsyncClient(URL, KEY, transport=httpx.MockTransport(respond)) as api:
            return int((await anext(api.iterate("runs")))["number"])

    with Client(URL, KEY, transport=httpx.MockTransport(respond)) as api:
        assert next(api.iterate("runs"))["number"] == 0
    assert asyncio.run(read_first()) == 0
    assert limits == [100, 100]


def test_the_registry_is_read_and_changed(client: Connect) -> None:
    requests: list[tuple[str, str, Any]] = []

    def respond(request: httpx.Request) -> httpx.Response:
        requests.append((request.method, request.url.path, json.loads(request.content or b"null")))
        return httpx.Response(200, json={"models": [{"model": "m"}], "runs": [{"run": "r"}], "version": 2})

    with client(respond) as api:
        assert api.models() == [{"model": "m"}]
        assert api.runs() == [{"run": "r"}]
        assert api.promote("m", 2, alias="canary", reason="a test")["version"] == 2
        assert api.rollback("m")["version"] == 2
        api.promote("m", 2, expected=1)
        api.rollback("m", alias="canary", expected=2)
        with pytest.raises(ApiError, match="card"):
            api.version("m", 2)  # a response without a card is none of the API's
        with pytest.raises(ApiError, match="status"):
            api.cancel("demo_m_00000000000a")
    assert requests[2:] == [
        ("PUT", "/v1/registry/models/m/aliases/canary", {"version": 2, "reason": "a test"}),
        ("POST", "/v1/registry/models/m/rollback", {"alias": "live", "reason": ""}),
        ("PUT", "/v1/registry/models/m/aliases/live", {"version": 2, "reason": "", "expected": 1}),
        ("POST", "/v1/registry/models/m/rollback", {"alias": "canary", "reason": "", "expected": 2}),
        ("GET", "/v1/registry/models/m/versions/2", None),
        ("POST", "/v1/registry/runs/demo_m_00000000000a/cancel", None),
    ]


def test_wait_returns_when_the_run_has_ended(client: Connect) -> None:
    answers = [
        httpx.Response(404, json={"error": "no run"}),
        httpx.Response(200, json={"status": "RUNNING"}),
        httpx.Response(200, json={"status": "SUCCEEDED", "version": 1}),
    ]
    assert client(lambda _: answers.pop(0)).wait("demo_m_0")["version"] == 1
    failed = httpx.Response(200, json={"status": "FAILED", "error": {"message": "too few rows"}})
    with pytest.raises(RunFailedError, match="too few rows"):
        client(lambda _: failed).wait("demo_m_0")
    for status, state in ((200, "ended"), (404, "begun")):
        pending = httpx.Response(status, json={"status": "RUNNING"})
        with pytest.raises(TimeoutError, match=f"has not {state}"):
            client(lambda _, pending=pending: pending).wait("demo_m_0", timeout=0.01)


def embedded(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files that a running embedded cloud has."""
    (home / "server.lock").write_text(json.dumps({"endpoint_url": "http://127.0.0.1:4999"}))
    (home / "stack.json").write_text(json.dumps({"api_path": "/restapis/a/v1/_user_request_", "uploads_bucket": "up"}))
    (home / "api_key").write_text(f"{KEY}\n")
    monkeypatch.setenv("MODELDROP_HOME", str(home))
    monkeypatch.delenv("MODELDROP_API_URL", raising=False)
    monkeypatch.delenv("MODELDROP_API_KEY", raising=False)


def test_the_connection_comes_from_the_environment_or_the_embedded_cloud(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded(tmp_path, monkeypatch)
    connection = find_connection(None, None)
    assert connection.api_url == "http://127.0.0.1:4999/restapis/a/v1/_user_request_"
    assert connection.api_key == KEY
    monkeypatch.setenv("MODELDROP_API_URL", f"{URL}/")
    with pytest.raises(ClientError, match="api_key"):
        find_connection(None, None)
    monkeypatch.setenv("MODELDROP_API_KEY", KEY)
    assert find_connection(None, None).api_url == URL
    monkeypatch.delenv("MODELDROP_API_URL")
    monkeypatch.setenv("MODELDROP_HOME", str(tmp_path / "none"))
    with pytest.raises(ClientError, match="modeldrop up"):
        find_connection(None, None)


@pytest.mark.parametrize("rows", [7, "text", [1], None])
def test_invalid_rows_are_refused(rows: Any) -> None:
    with pytest.raises(ClientError, match="rows"):
        to_rows(rows)


def test_cells_are_converted_to_json_types() -> None:
    frame = pl.DataFrame({"n": [1.5, float("nan")], "d": [date(2024, 1, 31), None]})
    assert to_rows(frame) == [{"n": 1.5, "d": "2024-01-31"}, {"n": None, "d": None}]
    assert to_rows(({"i": np.int64(7)},))[0]["i"] == 7


def test_the_client_needs_only_httpx() -> None:
    absent = ["numpy", "pandas", "polars", "pydantic", "boto3", "pipeline"]
    script = (
        f"import sys; sys.modules.update(dict.fromkeys({absent}))\n"
        "import modeldrop; modeldrop.Client('https://a', 'k').close()"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).parents[3])
