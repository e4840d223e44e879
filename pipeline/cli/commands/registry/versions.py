"""archive, delete, undelete, tag, diff."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.client.caller import logged_change
from pipeline.cli.client.lookup import find_model, find_version
from pipeline.cli.client.session import connection_of
from pipeline.cli.commands.options import (
    FirstVersion,
    JsonOption,
    ModelArgument,
    SecondVersion,
    TenantOption,
    VersionArgument,
    parse_version,
)
from pipeline.cli.terminal.console import print_json, print_result
from pipeline.cli.terminal.exit_codes import message
from pipeline.cli.terminal.help_pages import Command
from pipeline.cli.views.json_documents import version_document

__all__ = ["register"]

_ARCHIVE = """
Examples:
  modeldrop archive houses 2   # kept, but not served
  modeldrop undelete houses 2"""
_DELETE = """
Examples:
  modeldrop delete houses 2
  modeldrop undelete houses 2  # within 7 days"""
_TAG = """
Examples:
  modeldrop tag houses team=pricing
  modeldrop tag houses 3 reviewed=yes data=2026-11
  modeldrop tag houses 3 reviewed=   # an empty value removes the tag"""
_DIFF = """
Examples:
  modeldrop diff houses 2 3
  modeldrop diff houses 2 3 --json | jq .metrics"""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    panel = "Models"
    app.command(cls=Command, epilog=_DIFF, rich_help_panel=panel)(diff)
    app.command(cls=Command, epilog=_TAG, rich_help_panel=panel)(tag)
    app.command(cls=Command, epilog=_ARCHIVE, rich_help_panel=panel)(archive)
    app.command(cls=Command, epilog=_DELETE, rich_help_panel=panel)(delete)
    app.command(cls=Command, epilog=_DELETE, rich_help_panel=panel)(undelete)


def archive(
    ctx: typer.Context,
    model: ModelArgument,
    version: VersionArgument,
    tenant: TenantOption = None,
    json: JsonOption = False,
) -> None:
    """Archive a version: it is kept, but not served. Refused while an alias points to it."""
    connection, owner = connection_of(ctx, tenant)
    find_version(connection, owner, model, version)
    with logged_change(connection, owner, "archive", f"{model}@{version}") as by:
        archived = connection.registry.lifecycle.archive(owner, model, version, by=by)
    message(f"{model} version {version} is archived: 'modeldrop undelete {model} {version}' restores it")
    if json:
        print_json(version_document(archived))


def delete(
    ctx: typer.Context,
    model: ModelArgument,
    version: VersionArgument,
    tenant: TenantOption = None,
    json: JsonOption = False,
) -> None:
    """Delete a version after a grace period of 7 days. Refused while an alias points to it."""
    connection, owner = connection_of(ctx, tenant)
    find_model(connection, owner, model)
    with logged_change(connection, owner, "delete", f"{model}@{version}") as by:
        deleted, until = connection.registry.lifecycle.delete(owner, model, version, by=by)
    message(
        f"{model} version {version} is deleted: 'modeldrop undelete {model} {version}' restores it until "
        f"{until:%Y-%m-%d %H:%M} UTC; then its files are deleted, within the hour, but those that other versions have"
    )
    if json:
        print_json(version_document(deleted, until=until))


def undelete(
    ctx: typer.Context,
    model: ModelArgument,
    version: VersionArgument,
    tenant: TenantOption = None,
    json: JsonOption = False,
) -> None:
    """Restore a version that was deleted or archived."""
    connection, owner = connection_of(ctx, tenant)
    find_model(connection, owner, model)
    with logged_change(connection, owner, "undelete", f"{model}@{version}"):
        restored = connection.registry.lifecycle.restore(owner, model, version)
    message(f"{model} version {version} is {restored.status}", style="green")
    if json:
        print_json(version_document(restored))


def tag(
    ctx: typer.Context,
    model: ModelArgument,
    words: Annotated[
        list[str],
        typer.Argument(metavar="[VERSION] KEY=VALUE...", help="Tags of the version, or without one of the model."),
    ],
    tenant: TenantOption = None,
    json: JsonOption = False,
) -> None:
    """Tag a model or one of its versions; 'modeldrop models --tag' finds tagged models."""
    version = parse_version(words[0]) if "=" not in words[0] else None
    tags = dict(map(_parse_tag, words if version is None else words[1:]))
    if not tags:
        raise typer.BadParameter("no tag: KEY=VALUE is expected")
    connection, owner = connection_of(ctx, tenant)
    find_model(connection, owner, model)
    with logged_change(connection, owner, "tag", f"{model}{f'@{version}' if version else ''}"):
        stored = connection.registry.lifecycle.tag(
            owner,
            model,
            version,
            {name: value for name, value in tags.items() if value},
            remove=tuple(name for name, value in tags.items() if not value),
        )
    message(f"{model}{f' version {version}' if version else ''}: {_list_tags(stored)}")
    if json:
        print_json({"tenant": owner, "model": model, "version": version, "tags": stored})


def diff(
    ctx: typer.Context,
    model: ModelArgument,
    first: FirstVersion,
    second: SecondVersion,
    *,
    tenant: TenantOption = None,
    json: JsonOption = False,
) -> None:
    """Compare two versions: data, settings, test metrics, size, latency."""
    from pipeline.cli.views.registry.versions import difference_table
    from pipeline.registry.comparison import compare_versions, read_facts

    connection, owner = connection_of(ctx, tenant)
    before, after = (
        read_facts(find_version(connection, owner, model, number), connection.artifacts) for number in (first, second)
    )
    differences = compare_versions(before, after)
    print_result(differences, lambda: difference_table(differences), json=json)


def _parse_tag(word: str) -> tuple[str, str]:
    name, separator, value = word.partition("=")
    if not separator:
        raise typer.BadParameter(f"'{word}' is not a tag: KEY=VALUE is expected")
    return name, value


def _list_tags(tags: dict[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in tags.items()) or "no tags"
