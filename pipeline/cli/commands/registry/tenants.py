"""tenants list, create, suspend, resume, delete; audit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.client.caller import logged_change
from pipeline.cli.client.lookup import find_model
from pipeline.cli.client.session import connection_of, session_of
from pipeline.cli.commands.options import JsonOption, LimitOption, YesOption
from pipeline.cli.terminal.console import print_json, print_result, show
from pipeline.cli.terminal.exit_codes import ExitCode, StoppedError, message
from pipeline.cli.terminal.help_pages import Command, Group
from pipeline.cli.views.json_documents import grant_documents, tenant_document

if TYPE_CHECKING:
    from pipeline.registry.tenants import Tenant

__all__ = ["register"]

_CREATE = """
Examples:
  modeldrop tenants create acme --tier premium
  modeldrop keys create acme --role owner

A tier is a usage plan: a limit of this tenant's requests per second and per day."""
_ORPHANS = """
Examples:
  modeldrop tenants orphans acme           # lists them
  modeldrop tenants orphans acme --delete

Older releases deleted a version but not its file. Run this once: the current release deletes files, too."""
_AUDIT = """
Examples:
  modeldrop audit --tenant acme
  modeldrop audit --tenant _          # of the stack: deleted tenants
  modeldrop audit --json | jq '.[] | select(.outcome == "denied")'"""
_SHARE = """
Examples:
  modeldrop share houses acme         # acme can predict with demo/houses
  modeldrop share houses acme --role reader
  modeldrop share houses acme --revoke
  modeldrop share houses              # lists the grants"""
TenantArgument = Annotated[str, typer.Argument(metavar="TENANT", help="Name of the tenant.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    tenants = typer.Typer(cls=Group, no_args_is_help=True, help="Tenants: create, suspend, delete, list.")
    tenants.command("list", cls=Command)(list_tenants)
    tenants.command("create", cls=Command, epilog=_CREATE)(create)
    tenants.command("suspend", cls=Command)(suspend)
    tenants.command("resume", cls=Command)(resume)
    tenants.command("delete", cls=Command)(delete)
    tenants.command("orphans", cls=Command, epilog=_ORPHANS)(orphans)
    app.add_typer(tenants, name="tenants", rich_help_panel="Tenants")
    app.command(cls=Command, epilog=_SHARE, rich_help_panel="Tenants")(share)
    app.command(cls=Command, epilog=_AUDIT, rich_help_panel="Tenants")(audit)


def list_tenants(
    ctx: typer.Context,
    limit: LimitOption = None,
    json: JsonOption = False,
) -> None:
    """List tenants, newest first."""
    from pipeline.cli.views.registry.tenants import tenants_table

    tenants = session_of(ctx).connection().tenants.list(limit=limit)
    print_result([tenant_document(tenant) for tenant in tenants], lambda: tenants_table(tenants), json=json)


def create(
    ctx: typer.Context,
    tenant: TenantArgument,
    tier: Annotated[str, typer.Option(metavar="TIER", help="basic, standard or premium.")] = "standard",
    json: JsonOption = False,
) -> None:
    """Create a tenant with a usage plan."""
    connection = session_of(ctx).connection()
    with logged_change(connection, tenant, "tenants create", tenant):
        created = connection.tenants.create(tenant, tier=tier)
    _report(created, json=json)


def suspend(ctx: typer.Context, tenant: TenantArgument, json: JsonOption = False) -> None:
    """Refuse all keys of a tenant; its data is kept."""
    connection = session_of(ctx).connection()
    with logged_change(connection, tenant, "tenants suspend", tenant):
        suspended = connection.tenants.suspend(tenant)
    _report(suspended, json=json)


def resume(ctx: typer.Context, tenant: TenantArgument, json: JsonOption = False) -> None:
    """Accept the keys of a suspended tenant again."""
    connection = session_of(ctx).connection()
    with logged_change(connection, tenant, "tenants resume", tenant):
        resumed = connection.tenants.resume(tenant)
    _report(resumed, json=json)


def delete(
    ctx: typer.Context,
    tenant: TenantArgument,
    yes: YesOption = False,
    json: JsonOption = False,
) -> None:
    """Delete a tenant with all that it owns: files, runs, models, keys. It cannot be undone."""
    from pipeline.cli.client.tenant_removal import remove_tenant
    from pipeline.registry.audit import OPERATORS

    connection = session_of(ctx).connection()
    question = f"Delete the tenant '{tenant}' with all its files, runs, models and keys?"
    if not yes and not typer.confirm(question, err=True):
        raise StoppedError("nothing was deleted", "Declined", ExitCode.FAILED)
    with logged_change(connection, OPERATORS, "tenants delete", tenant):
        removed = remove_tenant(connection, tenant)
    message(f"{tenant} is deleted: {removed.objects:,} objects, {removed.items:,} records, {removed.keys:,} keys")
    if json:
        print_json({"tenant": tenant, "objects": removed.objects, "records": removed.items, "keys": removed.keys})


def orphans(
    ctx: typer.Context,
    tenant: TenantArgument,
    delete: Annotated[bool, typer.Option("--delete", help="Delete them.")] = False,
    json: JsonOption = False,
) -> None:
    """List the files of versions that an older release deleted; --delete deletes them."""
    from dataclasses import asdict

    from pipeline.use_cases.management.orphaned_files import OrphanedFiles

    connection = session_of(ctx).connection()
    orphaned = OrphanedFiles(registry=connection.registry, runs=connection.runs, artifacts=connection.artifacts)
    files = orphaned.find(tenant)
    if delete and files:
        with logged_change(connection, tenant, "tenants orphans --delete", f"{len(files)} files"):
            files = orphaned.delete(tenant, files)
    state = "deleted" if delete else "orphaned; --delete deletes them" if files else "orphaned"
    message(f"{len(files):,} files with {sum(file.bytes for file in files):,} bytes are {state}")
    if json:
        print_json([{**asdict(file), "deleted": delete} for file in files])
    else:
        for file in files:
            typer.echo(f"{file.key} {file.bytes:,} {file.model}@{file.version} {file.run}")


def share(
    ctx: typer.Context,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Name of the model.")],
    with_tenant: Annotated[
        str | None,
        typer.Argument(metavar="[TENANT]", help="Tenant that may use the model; without it, the grants are listed."),
    ] = None,
    *,
    role: Annotated[str, typer.Option(metavar="ROLE", help="predictor or reader.")] = "predictor",
    revoke: Annotated[bool, typer.Option("--revoke", help="Revoke the grant.")] = False,
    tenant: Annotated[str | None, typer.Option(metavar="OWNER", help="Tenant that owns the model.")] = None,
    json: JsonOption = False,
) -> None:
    """Let another tenant use a model as OWNER/MODEL; list or revoke such grants."""
    from pipeline.cli.views.registry.tenants import grants_table

    connection, owner = connection_of(ctx, tenant)
    find_model(connection, owner, model)
    if with_tenant is not None:
        connection.tenants.ensure(owner)  # a tenant without keys has no record
        with logged_change(connection, owner, "share", f"{model} {with_tenant} {'revoked' if revoke else role}"):
            connection.tenants.share(owner, model, with_tenant, None if revoke else role)
        verb = "may no longer use" if revoke else f"may use (as {role})"
        message(f"{with_tenant} {verb} {owner}/{model}, within 30 seconds")
    elif revoke:
        raise typer.BadParameter("--revoke needs the tenant whose grant is revoked")
    grants = connection.tenants.grants(owner, model)
    if json:
        print_json(grant_documents(grants))
    elif with_tenant is None:
        show(grants_table(grants))


def audit(
    ctx: typer.Context,
    tenant: Annotated[
        str | None, typer.Option(metavar="TENANT", help="Show only this tenant's; _ for those of the whole stack.")
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=1000, help="Show at most this many.")] = 50,
    json: JsonOption = False,
) -> None:
    """List changes and denied calls, newest first: who, when, what."""
    from dataclasses import asdict

    from pipeline.cli.views.registry.tenants import audit_table

    entries = session_of(ctx).connection().audit.list(tenant=tenant, limit=limit)
    if json:
        print_json([asdict(entry) for entry in entries])
    elif entries:
        show(audit_table(entries))
    else:
        message("no changes or denied calls yet")


def _report(tenant: Tenant, *, json: bool) -> None:
    message(f"{tenant.tenant} is {tenant.status.lower()}, tier {tenant.tier}")
    if json:
        print_json(tenant_document(tenant))
