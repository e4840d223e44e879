"""bench: latency against throughput of a served model."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.client.session import session_of
from pipeline.cli.commands.options import JsonOption
from pipeline.cli.terminal.console import print_result
from pipeline.cli.terminal.exit_codes import ExitCode, message
from pipeline.cli.terminal.help_pages import Command

if TYPE_CHECKING:
    from pipeline.cli.client.session import Session
    from pipeline.load_test.load_level import LoadLevel
    from pipeline.load_test.load_test import LoadTest

__all__ = ["register"]

_EXAMPLES = """
Examples:
  modeldrop bench churn  # the running stack's API, with its own key
  modeldrop bench churn --url http://127.0.0.1:8000 --rows 100 --binary
  modeldrop bench churn --url grpc://127.0.0.1:8001 --clients 1,4,32
  modeldrop bench churn --url https://api.example.com --plot load.png

URL may be any server of the Open Inference Protocol: modeldrop serve, Triton,
KServe, MLServer. Requests are generated from the model's metadata, unless
--request names a file. Each client sends its next request when it has the
response to the previous one."""
_MAX_CLIENTS = 1_024


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=Command, epilog=_EXAMPLES, rich_help_panel="Models")(bench)


def bench(
    ctx: typer.Context,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Name of the model.")],
    version: Annotated[
        str | None, typer.Argument(metavar="VERSION", help="Default: the one that the server chooses.")
    ] = None,
    *,
    url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="http(s)://HOST:PORT or grpc(s)://HOST:PORT (default: the stack's API)."),
    ] = None,
    clients: Annotated[
        str, typer.Option(metavar="N,...", help="Numbers of clients, one after the other.")
    ] = "1,2,4,8,16,32",
    seconds: Annotated[
        float, typer.Option(metavar="S", min=0.1, max=3_600, help="Seconds of measurement per number of clients.")
    ] = 3.0,
    rows: Annotated[int, typer.Option(metavar="N", min=1, help="Rows of a request.")] = 1,
    binary: Annotated[bool, typer.Option("--binary", help="Send binary tensors by HTTP (gRPC always does).")] = False,
    request: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", exists=True, dir_okay=False, help="JSON body to send instead of generated values."
        ),
    ] = None,
    ca: Annotated[
        Path | None,
        typer.Option(metavar="PEM", exists=True, dir_okay=False, help="CA certificates to verify the server's."),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="Draw the curve into a .png, .svg or .pdf file.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Load-test a served model: latency against throughput, by the number of clients."""
    if request is not None and (binary or rows != 1 or (url or "").startswith("grpc")):
        raise typer.BadParameter("--request is a JSON body: it excludes --binary, --rows and gRPC")
    from pipeline.load_test.load_test import LoadTest, run_load_test

    address, key = _endpoint(session_of(ctx), url)
    test = LoadTest(
        url=address,
        model=model,
        version=version,
        rows=rows,
        is_binary=binary,
        body=request.read_bytes() if request else None,
        clients=_numbers(clients),
        seconds=seconds,
        api_key=key,
        ca=ca,
    )
    levels = run_load_test(test, _show_progress)
    _show_levels(test, levels, plot, json=json)
    if any(level.errors for level in levels):
        raise typer.Exit(ExitCode.FAILED)


def _show_progress(level: LoadLevel) -> None:
    from pipeline.cli.views.load_levels import describe_level

    message(describe_level(level))


def _show_levels(test: LoadTest, levels: list[LoadLevel], plot: Path | None, *, json: bool) -> None:
    from pipeline.cli.views.images.load_levels import draw_levels
    from pipeline.cli.views.load_levels import levels_view

    title = f"{test.model} at {test.url}, {test.protocol}, {test.rows} {'row' if test.rows == 1 else 'rows'} a request"
    if plot is not None:
        draw_levels(levels, plot, title=title)
        message(f"the curve is in {plot}")
    document = {name: getattr(test, name) for name in ("url", "model", "version", "protocol", "rows")}
    document["levels"] = [asdict(level) for level in levels]
    print_result(document, lambda: levels_view(levels, title=title), json=json)


def _endpoint(session: Session, url: str | None) -> tuple[str, str | None]:
    """Return the address and the API key; only the stack's own API gets the stack's key."""
    if url is not None:
        return url, session.choice.api_key
    connection = session.connection()
    return connection.status.api_url or "", session.api_key(connection)


def _numbers(clients: str) -> list[int]:
    words = clients.split(",")
    if not all(word.strip().isdecimal() and 1 <= int(word) <= _MAX_CLIENTS for word in words):
        raise typer.BadParameter(f"--clients: numbers from 1 to {_MAX_CLIENTS:,} are expected, separated by commas")
    return [int(word) for word in words]
