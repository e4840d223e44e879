"""The command's root: the options that choose the stack, and the commands. Each imports what it needs when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.client.session import BY_KEY, Choice, Session
from pipeline.cli.commands import (
    bench,
    check,
    convert,
    dead_letters,
    demo,
    deployment,
    embedded_cloud,
    export,
    models,
    run_control,
    runs,
    serve,
    variants,
)
from pipeline.cli.commands.registry import aliases, keys, tenants, versions
from pipeline.cli.terminal.exit_codes import GuardedGroup

__all__ = ["app"]

_HELP = """Drop a data file into a bucket; get a trained, compressed, verified ONNX model behind an API.

Commands use the embedded cloud on this machine, or with --stack a stack on AWS, which 'modeldrop deploy' creates."""
_EPILOG = """
Examples:
  modeldrop demo                             # from a file to predictions
  modeldrop up
  modeldrop check houses.csv --target price  # how it is read; starts nothing
  modeldrop drop houses.csv --target price
  modeldrop predict houses new_houses.csv
  modeldrop --stack modeldrop --profile work --region eu-west-1 runs

Results go to stdout, progress and messages to stderr.

Exit codes:
  0 done, 1 the run or the operation failed, 2 wrong usage,
  3 nothing is running, 4 a version waits for a decision, 130 Ctrl-C."""

app = typer.Typer(
    name="modeldrop",
    cls=GuardedGroup,
    help=_HELP,
    epilog=_EPILOG,
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # locals may hold users' data
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(is_requested: bool) -> None:
    if is_requested:
        from importlib.metadata import version

        typer.echo(f"modeldrop {version('modeldrop')}")
        raise typer.Exit


@app.callback()
def root(
    ctx: typer.Context,
    *,
    stack: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Use this CloudFormation stack on AWS instead of the embedded cloud."),
    ] = None,
    profile: Annotated[str | None, typer.Option(metavar="P", help="AWS profile of the stack.")] = None,
    region: Annotated[str | None, typer.Option(metavar="R", help="AWS region of the stack.")] = None,
    api_key: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="API key (default: MODELDROP_API_KEY, then the embedded cloud's)."),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(metavar="JWT", help="Token (JWT) instead of an API key (default: MODELDROP_TOKEN)."),
    ] = None,
    api_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help=f"API for {BY_KEY} with a key alone (default: MODELDROP_API_URL)."),
    ] = None,
    home: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="The embedded cloud's folder (default: MODELDROP_HOME or ~/.modeldrop)."),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Choose the stack for a command."""
    if stack is None and (profile or region) and ctx.invoked_subcommand not in deployment.NAMES:
        raise typer.BadParameter("--profile and --region are only for a stack on AWS: --stack NAME is expected too")
    if api_key and token:
        raise typer.BadParameter("--api-key and --token exclude each other")
    credential = api_key or token
    choice = Choice(stack=stack, profile=profile, region=region, api_key=credential, api_url=api_url, home=home)
    ctx.obj = ctx.obj(choice) if ctx.obj else _real(choice)


def _real(choice: Choice) -> Session:
    from pipeline.cli.client.connection import real_session

    return real_session(choice)


embedded_cloud.register(app)
deployment.register(app)
check.register(app)
runs.register(app)
run_control.register(app)
dead_letters.register(app)
models.register(app)
export.register(app)
convert.register(app)
aliases.register(app)
versions.register(app)
variants.register(app)
serve.register(app)
bench.register(app)
keys.register(app)
tenants.register(app)
demo.register(app)
