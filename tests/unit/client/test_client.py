"""The Python client: what it sends, what it returns, how it waits and retries."""

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
    asked = HttpRequest(request.method, request.url.path, request.content, headers, query)
    try:
        response = API.respond(asked, Caller("demo"))
    except Exception as error:  # noqa: BLE001 - as an edge
        response = respond_to_error(error, "test")
    return httpx.Response(response.status, content=response.body, headers=dict(response.headers))


def client(handler: Callable[[httpx.Request], httpx.Response] = serve) -> Client:
    return Client(URL, KEY, transport=httpx.MockTransport(handler))


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={"predictions": [], "version": 1}),
        httpx.Response(200, json={"predictions": [{}, {}, {}]}),
    ],
    ids=["html", "a list", "too few", "no version"],
)
def test_what_is_not_a_prediction_is_an_error(answer: httpx.Response) -> None:
    with client(lambda request: answer) as api, pytest.raises(ApiError, match="address") as refused:
        api.predict("adult", ROWS)
    assert refused.value.status == 200


def test_a_wrong_address_is_not_tried_again() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        raise httpx.InvalidURL("no")

    sent: list[httpx.Request] = []
    with client(refuse) as api, pytest.raises(ApiError, match="InvalidURL"):
        api.predict("adult", ROWS)
    assert len(sent) == 1


def test_rows_and_columns_are_predicted() -> None:
    columns = {name: [row[name] for row in ROWS] for name in ROWS[0]}
    with client() as api:
        predictions = api.predict("adult", ROWS)
        assert api.predict("adult@canary", columns) == predictions
        assert api.predict("adult", ROWS, version=3) == predictions
    assert len(predictions) == 3
    assert set(predictions[0]) == {"label", "probabilities"}


def test_a_frame_is_predicted_as_a_frame() -> None:
    frame = pl.DataFrame(ROWS, strict=False)
    with client() as api:
        result = api.predict("adult", frame)
    assert result.columns == ["label", "probabilities_<=50K", "probabilities_>50K", "probabilities_?"]
    assert result.height == 3


def test_a_file_is_sent_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("job,age,hours per week,member\ncook,30,40.5,yes\n")
    with client() as api:
        assert api.predict("adult", path) == api.predict("adult", ROWS[:1])
        with pytest.raises(ClientError, match=r"'rows\.doc'"):
            api.predict("adult", tmp_path / "rows.doc")


def test_many_rows_go_in_several_requests_and_are_counted() -> None:
    counts: list[int] = []
    with client() as api:
        predictions = api.predict("adult", ROWS[:1] * 20_001, progress=counts.append)
    assert len(predictions) == 20_001
    assert counts == [10_000, 20_000, 20_001]


def test_a_refusal_is_raised_in_the_words_of_the_api() -> None:
    with client() as api, pytest.raises(ApiError, match="'city'") as raised:
        api.predict("adult", [{**ROWS[0], "city": "Bonn"}])
    assert raised.value.status == 400
    with client() as api:
        assert api.predict("adult", [{**ROWS[0], "city": "Bonn"}], ignore_extra=True)


def test_a_busy_api_is_retried() -> None:
    statuses = [503, 429, 200]

    def answer(request: httpx.Request) -> httpx.Response:
        status = statuses.pop(0)
        return serve(request) if status == 200 else httpx.Response(status, headers={"retry-after": "1"})

    assert len(client(answer).predict("adult", ROWS)) == 3


def test_an_api_that_is_not_there_is_reported() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(ApiError, match="ConnectError"):
        client(answer).models()


@pytest.mark.parametrize("body", [b"<html>", b"[]"])
def test_what_is_not_an_answer_of_the_api_is_an_error(body: bytes) -> None:
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


def test_a_list_is_read_in_pages_as_far_as_it_is_wanted() -> None:
    limits: list[int] = []

    def answer(request: httpx.Request) -> httpx.Response:
        limits.append(int(request.url.params["limit"]))
        return paged(request)

    with client(answer) as api:
        assert [run["number"] for run in api.runs()] == list(range(250))
        assert limits == [100, 100, 100]
        assert len(list(api.iterate("history", "m", limit=120, alias="live"))) == 120
        assert limits[3:] == [100, 20]
        assert next(api.iterate("rejected"))["number"] == 0
        assert len(limits) == 6
        assert list(api.iterate("runs", limit=0)) == []
        with pytest.raises(ValueError, match="models, versions, history"):
            next(api.iterate("houses"))
        for name, model in (("history", ""), ("runs", "m")):
            with pytest.raises(ValueError, match=name):
                next(api.iterate(name, model))


def test_the_registry_is_read_and_changed() -> None:
    requests: list[tuple[str, str, Any]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append((request.method, request.url.path, json.loads(request.content or b"null")))
        return httpx.Response(200, json={"models": [{"model": "m"}], "runs": [{"run": "r"}], "version": 2})

    with client(answer) as api:
        assert api.models() == [{"model": "m"}]
        assert api.runs() == [{"run": "r"}]
        assert api.promote("m", 2, alias="canary", reason="a test")["version"] == 2
        assert api.rollback("m")["version"] == 2
    assert requests[2:] == [
        ("PUT", "/v1/registry/models/m/aliases/canary", {"version": 2, "reason": "a test"}),
        ("POST", "/v1/registry/models/m/rollback", {"alias": "live", "reason": ""}),
    ]


def test_a_run_is_waited_for_until_it_has_ended() -> None:
    answers = [
        httpx.Response(404, json={"error": "no run"}),
        httpx.Response(200, json={"status": "RUNNING"}),
        httpx.Response(200, json={"status": "SUCCEEDED", "version": 1}),
    ]
    assert client(lambda _: answers.pop(0)).wait("demo_m_0")["version"] == 1
    failed = httpx.Response(200, json={"status": "FAILED", "error": {"message": "too few rows"}})
    with pytest.raises(RunFailedError, match="too few rows"):
        client(lambda _: failed).wait("demo_m_0")
    with pytest.raises(TimeoutError):
        client(lambda _: httpx.Response(200, json={"status": "RUNNING"})).wait("demo_m_0", timeout=0.01)


def embedded(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files that a running embedded cloud has."""
    (home / "server.lock").write_text(json.dumps({"endpoint_url": "http://127.0.0.1:4999"}))
    (home / "stack.json").write_text(json.dumps({"api_path": "/restapis/a/v1/_user_request_", "uploads_bucket": "up"}))
    (home / "api_key").write_text(f"{KEY}\n")
    monkeypatch.setenv("MODELDROP_HOME", str(home))
    monkeypatch.delenv("MODELDROP_API_URL", raising=False)
    monkeypatch.delenv("MODELDROP_API_KEY", raising=False)


def test_the_connection_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_what_are_not_rows_is_refused(rows: Any) -> None:
    with pytest.raises(ClientError, match="rows"):
        to_rows(rows)


def test_cells_are_what_json_has() -> None:
    frame = pl.DataFrame({"n": [1.5, float("nan")], "d": [date(2024, 1, 31), None]})
    assert to_rows(frame) == [{"n": 1.5, "d": "2024-01-31"}, {"n": None, "d": None}]
    assert to_rows(({"i": np.int64(7)},))[0]["i"] == 7


def test_the_asynchronous_client_answers_alike() -> None:
    async def ask() -> tuple[Any, Any]:
        async with AsyncClient(URL, KEY, transport=httpx.MockTransport(serve)) as api:
            rows = await api.predict("adult", ROWS)
            frame = await api.predict("adult", pl.DataFrame(ROWS, strict=False))
            with pytest.raises(ApiError, match="'job'"):
                await api.predict("adult", [{"age": 1}])
            return rows, frame

    rows, frame = asyncio.run(ask())
    assert rows == client().predict("adult", ROWS)
    assert frame.height == 3


def test_it_needs_httpx_alone() -> None:
    absent = ["numpy", "pandas", "polars", "pydantic", "boto3", "pipeline"]
    script = (
        f"import sys; sys.modules.update(dict.fromkeys({absent}))\n"
        "import modeldrop; modeldrop.Client('https://a', 'k').close()"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).parents[3])
