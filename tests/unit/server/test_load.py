"""Load tests of a server by HTTP and gRPC: counting, and errors of wrong endpoints."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli.client.session import Choice, Session
from pipeline.cli.main import app
from pipeline.cli.views.images.load_levels import draw_levels
from pipeline.contracts.errors import InvalidRequestError, TransientError
from pipeline.load_test.infer_request import binary_body, json_body, make_inputs
from pipeline.load_test.load_level import LoadLevel, LoadTally
from pipeline.load_test.load_test import LoadTest, run_load_test
from pipeline.server.authentication import FixedKeys
from pipeline.server.models.model_files import LOCAL_TENANT
from pipeline.serving.datatypes import BINARY_FORMS
from tests.helpers.running_server import RunningServer, run_folder, write_scaling_model

DATATYPES = [*BINARY_FORMS, "BYTES"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("models")
    write_scaling_model(folder)
    with run_folder(folder, authenticator=FixedKeys(["secret"], LOCAL_TENANT)) as running:
        yield running


def _test(server: RunningServer, *, grpc: bool = False, **options: object) -> LoadTest:
    url = f"grpc://{server.grpc}" if grpc else str(server.client.base_url)
    return LoadTest(url=url, **{"model": "scale", "api_key": "secret", "clients": (2,), "seconds": 1.0, **options})


@pytest.mark.parametrize(
    ("grpc", "options"),
    [
        (False, {"clients": (1, 3)}),
        (False, {"is_binary": True, "rows": 7}),
        (True, {"rows": 7}),
        (True, {"version": "1"}),
    ],
)
def test_a_load_test_succeeds_in_every_request_format(
    server: RunningServer, grpc: bool, options: dict[str, object]
) -> None:
    seen: list[LoadLevel] = []
    levels = run_load_test(_test(server, grpc=grpc, **options), seen.append)
    assert levels == seen
    assert [level.clients for level in levels] == list(options.get("clients", (2,)))
    for level in levels:
        assert level.errors == {}
        assert level.requests > 0
        assert level.p50_ms is not None
        assert level.p99_ms is not None
        assert 0 < level.p50_ms <= level.p99_ms
        assert level.rows_per_second == pytest.approx(level.per_second * options.get("rows", 1), rel=0.01)


@pytest.mark.parametrize("grpc", [False, True])
@pytest.mark.parametrize("options", [{"model": "other"}, {"api_key": "wrong"}, {"api_key": None}])
def test_the_error_message_of_the_server_is_reported(
    server: RunningServer, grpc: bool, options: dict[str, object]
) -> None:
    with pytest.raises(InvalidRequestError, match=r"key|other"):
        run_load_test(_test(server, grpc=grpc, **options), lambda level: None)


def test_a_custom_body_is_sent(server: RunningServer) -> None:
    body = json_body(make_inputs({"inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}]}, 4))
    (level,) = run_load_test(_test(server, body=body, clients=(1,)), lambda level: None)
    assert level.requests > 0
    with pytest.raises(InvalidRequestError, match="400"):
        run_load_test(_test(server, body=b"{}"), lambda level: None)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "grpc://127.0.0.1:1"])
def test_an_unreachable_server_is_a_transient_error(url: str) -> None:
    with pytest.raises(TransientError, match=r"127\.0\.0\.1:1"):
        run_load_test(LoadTest(url=url, model="scale"), lambda level: None)


@pytest.mark.parametrize("url", ["scale", "ftp://host", "http://", "grpc:///x"])
def test_an_invalid_url_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequestError, match="expected"):
        run_load_test(LoadTest(url=url, model="scale"), lambda level: None)


@pytest.mark.parametrize("datatype", DATATYPES)
def test_inputs_of_every_datatype_are_generated(datatype: str) -> None:
    (tensor,) = make_inputs({"inputs": [{"name": "x", "datatype": datatype, "shape": [-1, 3, -1]}]}, 4)
    assert tensor.values.shape == (4, 3, 1)
    assert len(json.loads(json_body([tensor]))["inputs"][0]["data"]) == 12
    body, length = binary_body([tensor])
    size = json.loads(body[:length])["inputs"][0]["parameters"]["binary_data_size"]
    assert size == len(body) - length == len(tensor.binary())


def test_an_unknown_datatype_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="COMPLEX"):
        make_inputs({"inputs": [{"name": "x", "datatype": "COMPLEX", "shape": [1]}]}, 1)


def test_requests_during_the_warm_up_or_after_the_end_are_not_counted() -> None:
    tally = LoadTally(warm_up=1.0, seconds=2.0)
    tally.start(9.0)
    for sent, ended, error in [
        (9.9, 10.1, None),
        (10.0, 10.1, None),
        (11.0, 11.3, None),
        (11.9, 12.1, None),
        (11.0, 11.1, "HTTP 503"),
    ]:
        tally.count(sent, ended, error)
    level = tally.summarize(clients=2, rows=5, cpu_seconds=1.8, seconds=2.0)
    assert (level.requests, level.per_second, level.rows_per_second) == (2, 1.0, 5.0)
    assert level.errors == {"HTTP 503": 1}
    assert level.p50_ms == pytest.approx(200)
    assert level.max_ms == pytest.approx(300)
    assert level.is_bound_by_client


def test_the_command_prints_a_table_draws_a_plot_and_writes_json(server: RunningServer, tmp_path: Path) -> None:
    command = ["bench", "scale", "--url", str(server.client.base_url), "--clients", "1,2", "--seconds", "0.5"]
    session = Session(choice=Choice(api_key="secret"), dependencies=None)
    run = lambda *more: CliRunner().invoke(app, [*command, *more], obj=lambda _: session)  # noqa: E731
    picture = tmp_path / "load.png"
    shown = run("--plot", str(picture))
    assert shown.exit_code == 0, shown.output
    assert "requests/s" in shown.output
    assert picture.read_bytes().startswith(b"\x89PNG")
    document = json.loads(run("--json").stdout)
    page = (Path(__file__).parents[3] / "docs" / "command_line.md").read_text()
    shape = json.loads(page.partition("```json bench\n")[2].partition("```")[0])
    assert set(document) == set(shape)
    assert set(document["levels"][0]) == set(shape["levels"][0])
    assert [level["clients"] for level in document["levels"]] == [1, 2]


def test_a_plot_is_written_even_if_all_requests_failed(tmp_path: Path) -> None:
    tally = LoadTally(warm_up=0.0, seconds=1.0)
    tally.start(0.0)
    tally.count(0.1, 0.2, "HTTP 500")
    level = tally.summarize(clients=1, rows=1, cpu_seconds=0.1, seconds=1.0)
    draw_levels([level], tmp_path / "load.svg", title="nothing")
    assert (tmp_path / "load.svg").exists()


@pytest.mark.parametrize("clients", ["0", "x", "1,,2", "5000", ""])
def test_an_invalid_number_of_clients_is_a_usage_error(clients: str) -> None:
    command = ["bench", "scale", "--url", "http://127.0.0.1:1", "--clients", clients]
    result = CliRunner().invoke(app, command, obj=lambda choice: Session(choice=Choice(), dependencies=None))
    assert result.exit_code == 2
    assert "--clients" in result.output
