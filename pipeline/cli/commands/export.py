"""export."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.client.lookup import find_model, find_version
from pipeline.cli.client.session import session_of
from pipeline.cli.commands.options import JsonOption, TenantOption, VersionOrLive, complete_models, parse_version
from pipeline.cli.terminal.console import print_json
from pipeline.cli.terminal.exit_codes import message
from pipeline.cli.terminal.help_pages import Command

if TYPE_CHECKING:
    from pipeline.cli.client.session import Connection
    from pipeline.contracts.records.model_version import ModelVersion
    from pipeline.exporting.targets import Export, Target

__all__ = ["register"]

_EXAMPLES = """
Examples:
  modeldrop export houses                 # the live version, as houses-1.onnx
  modeldrop export houses 3 -o model.onnx
  modeldrop export houses --target c --out houses-c      # C99, no library
  modeldrop export houses@canary --target ort --out app  # for phones
  modeldrop export houses --target web --out page        # for browsers"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=Command, epilog=_EXAMPLES, rich_help_panel="Models")(export)


def export(
    ctx: typer.Context,
    *,
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL[@ALIAS|@VERSION]", help="A model, its alias or its version.", autocompletion=complete_models
        ),
    ],
    version: VersionOrLive = None,
    target: Annotated[
        str | None,
        typer.Option(
            "--target", metavar="TARGET", help="onnx, ort, web or c: a folder with the model, its schema and a README."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FOLDER", help="Folder of a target (default: MODEL-VERSION-TARGET).")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Default: MODEL-VERSION.onnx.")
    ] = None,
    tenant: TenantOption = None,
    json: JsonOption = False,
) -> None:
    """Export a version: its ONNX file, or --target for mobile, the browser or C."""
    from pipeline.contracts.artifacts import read_artifact
    from pipeline.evaluation.stored_models import unpack_model

    if output is not None and (target is not None or out is not None):
        raise typer.BadParameter("--output names one file, and a target is a folder: use --out FOLDER")
    connection = session_of(ctx).connection()
    registered = _find(connection, connection.tenant(tenant), model, version)
    name = f"{registered.model} version {registered.version}"
    stored = read_artifact(connection.artifacts, registered.artifact.key, registered.artifact.sha256)
    file = unpack_model(stored, name)
    if target is None and out is None:
        _write_file(registered, file, output, json=json)
    else:
        _write_target(connection, registered, file, _parse_target(target), out, json=json)


def _find(connection: Connection, tenant: str, model: str, version: int | None) -> ModelVersion:
    """Return the version that an argument such as ``houses@canary`` names."""

    name, _, suffix = model.partition("@")
    if suffix and version is not None:
        raise typer.BadParameter(f"'{model}' names a version, and so does {version}")
    if not suffix or suffix.isdecimal():
        return find_version(connection, tenant, name, parse_version(suffix) if suffix else version)
    find_model(connection, tenant, name)
    return connection.registry.live(tenant, name, alias=suffix)


def _parse_target(text: str | None) -> Target:
    from pipeline.exporting.targets import TARGETS

    for target in TARGETS:
        if target == (text or "onnx"):
            return target
    raise typer.BadParameter(f"'{text}' is not a target: {', '.join(TARGETS)}", param_hint="--target")


def _write_file(registered: ModelVersion, file: bytes, output: Path | None, *, json: bool) -> None:
    from pipeline.cli.views.tables import size

    path = output or Path(f"{registered.model}-{registered.version}.onnx")
    path.write_bytes(file)
    message(f"{registered.model} version {registered.version} ({registered.variant_name}, {size(len(file))}) in {path}")
    if json:
        print_json({**_identity(registered), "file": str(path), "sha256": hashlib.sha256(file).hexdigest()})


def _write_target(
    connection: Connection, registered: ModelVersion, file: bytes, target: Target, out: Path | None, *, json: bool
) -> None:
    from pipeline.exporting.targets import export_model

    rows, feeds = _golden_rows(connection, registered)
    exported = export_model(file, registered.signature, target, name=registered.model, rows=rows, feeds=feeds)
    folder = out or Path(f"{registered.model}-{registered.version}-{target}")
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in exported.files.items():
        (folder / name).write_bytes(content)
    message(f"{registered.model} version {registered.version} in {folder}: {', '.join(sorted(exported.files))}")
    message(_verdict(exported))
    if json:
        comparison = exported.comparison
        print_json(
            {
                **_identity(registered),
                "target": target,
                "folder": str(folder),
                "files": {name: len(content) for name, content in sorted(exported.files.items())},
                "rows": comparison.rows if comparison else 0,
                "equal": comparison.equal if comparison else 0,
                "max_difference": comparison.max_difference if comparison else None,
            }
        )


def _identity(registered: ModelVersion) -> dict[str, Any]:
    return {"model": registered.model, "version": registered.version}


def _golden_rows(connection: Connection, registered: ModelVersion) -> tuple[tuple[dict[str, Any], ...], dict[str, Any]]:
    """Return the version's golden rows as request rows and as inputs of its graph."""
    from pipeline.contracts.object_keys import RunKeys
    from pipeline.contracts.records.model_version import GoldenPredictions
    from pipeline.serving.formats.rows import decode_rows
    from pipeline.serving.request_decoder import RequestDecoder

    golden = GoldenPredictions.from_bytes(connection.artifacts.get(RunKeys(registered.lineage.run).golden))
    decoder = RequestDecoder(registered.signature, len(golden.rows))
    return golden.rows, decode_rows(list(golden.rows), decoder)


def _verdict(exported: Export) -> str:
    from pipeline.exporting.comparison import format_difference

    comparison = exported.comparison
    if comparison is None:
        missing = "Node.js 20 or newer" if "index.html" in exported.files else "C compiler (cc, gcc or clang)"
        return f"not verified: this machine has no {missing}"
    return (
        f"verified: {comparison.equal} of {comparison.rows} golden rows are predicted equally "
        f"(largest difference {format_difference(comparison)})"
    )
