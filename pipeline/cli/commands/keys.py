"""keys list, keys create, keys revoke."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.client.session import session_of
from pipeline.cli.terminal.exit_codes import message
from pipeline.cli.terminal.help_pages import Command, Group

__all__ = ["register"]

_CREATE = """
Examples:
  modeldrop keys create acme
  KEY=$(modeldrop keys create acme --principal ci)

It is stored hashed, so it is shown only this once."""
JsonOption = Annotated[bool, typer.Option("--json", help="JSON on stdout, for scripts.")]


def register(app: typer.Typer) -> None:
    keys = typer.Typer(cls=Group, no_args_is_help=True, help="API keys: who may call which tenant's models.")
    keys.command("list", cls=Command)(list_keys)
    keys.command("create", cls=Command, epilog=_CREATE)(create)
    keys.command("revoke", cls=Command)(revoke)
    app.add_typer(keys, name="keys", rich_help_panel="Models")


def list_keys(
    ctx: typer.Context,
    tenant: Annotated[str | None, typer.Option(metavar="TENANT", help="Only this tenant's.")] = None,
    json: JsonOption = False,
) -> None:
    """List keys by their first characters, newest first; a whole key is never shown again."""
    from dataclasses import asdict

    from pipeline.cli.terminal.console import print_json, show
    from pipeline.cli.views.tables import keys_table

    found = session_of(ctx).connection().keys.list(tenant)
    if json:
        print_json([asdict(key) for key in found])
    else:
        show(keys_table(found))


def create(
    ctx: typer.Context,
    tenant: Annotated[str, typer.Argument(metavar="TENANT", help="Tenant whose models it may call.")],
    principal: Annotated[str, typer.Option(metavar="NAME", help="Who in the tenant holds it.")] = "default",
    json: JsonOption = False,
) -> None:
    """Create a key for a tenant and show it once."""
    from pipeline.cli.terminal.console import print_json

    key = session_of(ctx).connection().keys.create(tenant, principal)
    if json:
        print_json({"tenant": tenant, "principal": principal, "api_key": key})
    else:
        typer.echo(key)
        message("keep it: it is stored hashed and cannot be shown again")


def revoke(
    ctx: typer.Context,
    prefix: Annotated[
        str, typer.Argument(metavar="KEY", help="First characters of a key, as 'modeldrop keys list' shows them.")
    ],
    json: JsonOption = False,
) -> None:
    """Revoke a key."""
    from pipeline.cli.terminal.console import print_json

    prefix = prefix.rstrip("…")
    session_of(ctx).connection().keys.revoke(prefix)
    message("revoked: it may be accepted for some seconds more, where it is cached")
    if json:
        print_json({"revoked": prefix})
