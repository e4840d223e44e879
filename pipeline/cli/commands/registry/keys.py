"""keys list, keys create, keys rotate, keys revoke."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from pipeline.cli.client.caller import logged_change
from pipeline.cli.client.session import session_of
from pipeline.cli.commands.options import JsonOption, LimitOption, TenantFilter
from pipeline.cli.terminal.console import print_json, print_result
from pipeline.cli.terminal.exit_codes import message
from pipeline.cli.terminal.help_pages import Command, Group

__all__ = ["register"]

_CREATE = """
Examples:
  modeldrop keys create acme
  modeldrop keys create acme --role publisher --expires 90
  KEY=$(modeldrop keys create acme --principal ci --model houses)

Roles: reader (metadata), predictor (also predictions), publisher (also uploads and promotions), owner (also deletions).

The key is shown only once, because only its hash is stored."""
_ROTATE = """
Examples:
  modeldrop keys rotate md_0GuLJ8lh              # both are valid for a day
  modeldrop keys rotate md_0GuLJ8lh --overlap 1  # for an hour"""
PrefixArgument = Annotated[
    str, typer.Argument(metavar="KEY", help="First characters of a key, as 'modeldrop keys list' shows them.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    keys = typer.Typer(cls=Group, no_args_is_help=True, help="API keys: who may call which tenant's models.")
    keys.command("list", cls=Command)(list_keys)
    keys.command("create", cls=Command, epilog=_CREATE)(create)
    keys.command("rotate", cls=Command, epilog=_ROTATE)(rotate)
    keys.command("revoke", cls=Command)(revoke)
    app.add_typer(keys, name="keys", rich_help_panel="Tenants")


def list_keys(
    ctx: typer.Context,
    tenant: TenantFilter = None,
    limit: LimitOption = None,
    json: JsonOption = False,
) -> None:
    """List keys by their first characters, newest first; a whole key is never shown again."""
    from dataclasses import asdict

    from pipeline.cli.views.registry.tenants import keys_table

    keys = session_of(ctx).connection().keys.list(tenant, limit=limit)
    print_result([asdict(key) for key in keys], lambda: keys_table(keys), json=json)


def create(
    ctx: typer.Context,
    tenant: Annotated[str, typer.Argument(metavar="TENANT", help="Tenant whose models the key may call.")],
    *,
    principal: Annotated[str, typer.Option(metavar="NAME", help="Holder of the key within the tenant.")] = "default",
    role: Annotated[str, typer.Option(metavar="ROLE", help="reader, predictor, publisher or owner.")] = "predictor",
    model: Annotated[
        list[str] | None,
        typer.Option(metavar="MODEL", help="Limit the key to this model; repeat the option for several."),
    ] = None,
    expires: Annotated[
        int | None, typer.Option(metavar="DAYS", min=1, max=3650, help="Days until it expires (default: never).")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Create a key for a tenant and show it once; a tenant that does not exist is created."""
    connection = session_of(ctx).connection()
    with logged_change(connection, tenant, "keys create", f"{principal} {role}"):
        key = connection.keys.create(
            tenant,
            principal,
            role=role,
            models=model or (),
            valid_for=None if expires is None else timedelta(days=expires),
        )
    connection.tenants.ensure(tenant)
    _show_once(key, tenant, principal, role, json=json)


def rotate(
    ctx: typer.Context,
    prefix: PrefixArgument,
    overlap: Annotated[
        int, typer.Option(metavar="HOURS", min=0, max=8760, help="Hours for which the old key stays valid.")
    ] = 24,
    json: JsonOption = False,
) -> None:
    """Replace a key by a new one with the same rights; both are valid for a while."""
    connection = session_of(ctx).connection()
    prefix = prefix.rstrip("…")
    rotated = connection.keys.find(prefix)
    with logged_change(connection, rotated.tenant, "keys rotate", prefix):
        key = connection.keys.rotate(prefix, overlap=timedelta(hours=overlap))
    message(f"{prefix}… stays valid for {overlap} h")
    _show_once(key, rotated.tenant, rotated.principal, rotated.role, json=json)


def revoke(ctx: typer.Context, prefix: PrefixArgument, json: JsonOption = False) -> None:
    """Revoke a key."""

    connection = session_of(ctx).connection()
    prefix = prefix.rstrip("…")
    with logged_change(connection, connection.keys.find(prefix).tenant, "keys revoke", prefix):
        connection.keys.revoke(prefix)
    message("revoked: it may be accepted for up to 30 seconds more, where it is cached")
    if json:
        print_json({"revoked": prefix})


def _show_once(key: str, tenant: str, principal: str, role: str, *, json: bool) -> None:

    if json:
        print_json({"tenant": tenant, "principal": principal, "role": role, "api_key": key})
    else:
        typer.echo(key)
        message("keep it: it is stored hashed and cannot be shown again")
