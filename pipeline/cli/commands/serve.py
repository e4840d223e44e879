"""serve."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.client.session import session_of
from pipeline.cli.terminal.help_pages import Command

if TYPE_CHECKING:
    from pipeline.server.config import ServerConfig

__all__ = ["register"]

_SERVE = """
Examples:
  modeldrop serve churn             # of the running stack; needs its API keys
  modeldrop serve --registry --no-auth
  modeldrop serve --folder models/  # models/NAME/VERSION/model.onnx
  modeldrop serve --file model.onnx --name churn --http-port 0

When the server is ready, it prints one JSON line: {"http", "grpc", "models"}.
On SIGTERM or Ctrl-C it finishes the open requests and exits. Logs go to stderr."""
_MAX_MODEL_MB = 2_048

ModelsArgument = Annotated[list[str] | None, typer.Argument(metavar="MODEL...", help="Models of the registry.")]
RegistryOption = Annotated[bool, typer.Option("--registry", help="All models of the registry.")]
FolderOption = Annotated[
    Path | None, typer.Option(metavar="FOLDER", exists=True, file_okay=False, help="Models as NAME/VERSION/model.onnx.")
]
FileOption = Annotated[Path | None, typer.Option(metavar="FILE", exists=True, dir_okay=False, help="One ONNX file.")]
NameOption = Annotated[str, typer.Option(metavar="NAME", help="Name of the model in --file.")]
TenantOption = Annotated[
    str | None, typer.Option(metavar="TENANT", help="Tenant of the models with --no-auth (default: the stack's).")
]
HostOption = Annotated[str, typer.Option(metavar="ADDRESS", help="Address to listen on.")]
PortOption = Annotated[int, typer.Option(metavar="PORT", min=0, max=65535, help="0 chooses a free port.")]
WorkersOption = Annotated[int, typer.Option(metavar="N", min=1, max=256, help="Number of processes.")]
NoAuthOption = Annotated[bool, typer.Option("--no-auth", help="Accept requests without an API key.")]
KeyFileOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", exists=True, dir_okay=False, help="File of accepted API keys, one per line."),
]
IssuerOption = Annotated[str | None, typer.Option(metavar="URL", help="Accept tokens (JWT) of this OpenID issuer.")]
AudienceOption = Annotated[
    list[str] | None, typer.Option(metavar="TEXT", help="Accepted audience of tokens (default: modeldrop).")
]
KeysUrlOption = Annotated[
    str, typer.Option(metavar="URL", help="The issuer's public keys (default: as its openid-configuration says).")
]
TenantClaimOption = Annotated[str, typer.Option(metavar="CLAIM", help="Claim with the tenant; ignored for files.")]
RolesClaimOption = Annotated[str, typer.Option(metavar="CLAIM", help="Claim with the roles.")]
ModelsClaimOption = Annotated[str, typer.Option(metavar="CLAIM", help="Claim with the models; without it, all.")]
CertificateOption = Annotated[
    Path | None, typer.Option(metavar="PEM", exists=True, dir_okay=False, help="Certificate chain.")
]
PrivateKeyOption = Annotated[
    Path | None, typer.Option(metavar="PEM", exists=True, dir_okay=False, help="Private key of --tls-cert.")
]
ClientCaOption = Annotated[
    Path | None,
    typer.Option(metavar="PEM", exists=True, dir_okay=False, help="Require clients' certificates, signed by these."),
]
MaxBodyOption = Annotated[int, typer.Option(metavar="MB", min=1, max=2_000, help="Maximum size of a body.")]
MaxConcurrentOption = Annotated[int, typer.Option(metavar="N", min=1, help="Maximum number of open requests.")]
MaxModelOption = Annotated[int, typer.Option(metavar="MB", min=1, help="Maximum total size of the loaded model files.")]
RefreshOption = Annotated[float, typer.Option(metavar="S", min=0.05, help="Time between checks for new versions.")]
BatchingOption = Annotated[bool, typer.Option(help="Run concurrent requests of slow models together.")]
TracingOption = Annotated[
    str | None,
    typer.Option(
        "--otlp-endpoint", metavar="URL", help="Send OpenTelemetry traces to this URL, such as http://HOST:4318."
    ),
]
CorsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--cors-origin", metavar="ORIGIN", help="Origin whose pages may call it, such as https://x.org; * allows any."
    ),
]
AccessLogOption = Annotated[bool, typer.Option(help="Log each request.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=Command, epilog=_SERVE, rich_help_panel="Models")(serve)


def serve(
    ctx: typer.Context,
    models: ModelsArgument = None,
    *,
    registry: RegistryOption = False,
    folder: FolderOption = None,
    file: FileOption = None,
    name: NameOption = "model",
    tenant: TenantOption = None,
    host: HostOption = "127.0.0.1",
    http_port: PortOption = 8000,
    grpc_port: PortOption = 8001,
    workers: WorkersOption = 1,
    no_auth: NoAuthOption = False,
    api_key_file: KeyFileOption = None,
    jwt_issuer: IssuerOption = None,
    jwt_audience: AudienceOption = None,
    jwt_keys_url: KeysUrlOption = "",
    jwt_tenant_claim: TenantClaimOption = "tenant",
    jwt_roles_claim: RolesClaimOption = "roles",
    jwt_models_claim: ModelsClaimOption = "models",
    tls_cert: CertificateOption = None,
    tls_key: PrivateKeyOption = None,
    tls_client_ca: ClientCaOption = None,
    max_body_mb: MaxBodyOption = 64,
    max_concurrent: MaxConcurrentOption = 256,
    max_model_mb: MaxModelOption = _MAX_MODEL_MB,
    refresh_seconds: RefreshOption = 1.0,
    batching: BatchingOption = True,
    access_log: AccessLogOption = True,
    otlp_endpoint: TracingOption = None,
    cors_origin: CorsOption = None,
) -> None:
    """Serve models over HTTP and gRPC, in the foreground."""
    from pipeline.cli.client.served_models import (
        AccessOptions,
        authentication,
        models_of_files,
        models_of_registry,
    )
    from pipeline.server.models.model_files import LOCAL_TENANT
    from pipeline.server.start import start_server

    if [bool(models or registry), folder is not None, file is not None].count(True) != 1:
        raise typer.BadParameter("one of MODEL..., --registry, --folder and --file is expected")
    _check_urls(otlp_endpoint, cors_origin)
    session, from_files = session_of(ctx), bool(folder or file)
    if from_files:
        compose_models = models_of_files(folder, file, name, max_model_mb << 20)
    else:
        compose_models = models_of_registry(session, tenant, models or None, max_model_mb << 20)
    compose_authenticator = authentication(session, AccessOptions.of(ctx.params), from_files=from_files)
    config = _configure(ctx.params, LOCAL_TENANT if from_files else session.connection().tenant(tenant))
    start = partial(start_server, config, compose_models=compose_models, announce=typer.echo)
    raise typer.Exit(start(compose_authenticator=compose_authenticator))


def _configure(options: Mapping[str, Any], tenant: str) -> ServerConfig:
    """Return the server's configuration, from the options of the command by name."""
    from pipeline.cli.client.served_models import tls_files
    from pipeline.server.config import ServerConfig
    from pipeline.server.limits import ServerLimits

    same = ("host", "http_port", "grpc_port", "workers", "refresh_seconds", "otlp_endpoint")
    return ServerConfig(
        tenant=tenant,
        **{name: options[name] for name in same},
        with_batching=options["batching"],
        with_access_log=options["access_log"],
        cors_origins=tuple(options["cors_origin"] or ()),
        tls=tls_files(options["tls_cert"], options["tls_key"], options["tls_client_ca"]),
        limits=ServerLimits(max_body_bytes=options["max_body_mb"] << 20, max_concurrent=options["max_concurrent"]),
    )


def _check_urls(otlp_endpoint: str | None, cors_origins: list[str] | None) -> None:
    schemes = ("http://", "https://")
    if otlp_endpoint is not None and not otlp_endpoint.startswith(schemes):
        raise typer.BadParameter("--otlp-endpoint: the URL of a collector is expected, such as http://HOST:4318")
    for origin in cors_origins or ():
        if origin != "*" and (not origin.startswith(schemes) or origin.count("/") != 2):
            raise typer.BadParameter(
                "--cors-origin: an origin without a path is expected, such as https://app.example.com"
            )
