"""Configuration of a server process."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pipeline.server.limits import ServerLimits
from pipeline.server.models.model_files import LOCAL_TENANT

__all__ = ["ServerConfig", "TlsFiles"]


@dataclass(frozen=True, kw_only=True, slots=True)
class TlsFiles:
    """Files of TLS.

    Attributes:
        certificate: Certificate chain of the server, PEM.
        key: Private key of the certificate, PEM.
        client_ca: CA certificates that must have signed the client's certificate, PEM; None to not ask for one.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerConfig:
    """Addresses and options of a server.

    Attributes:
        tenant: Tenant whose models are announced at start-up, and whose only model ``/invocations`` calls.
        host: Address to listen on.
        http_port: Port for HTTP; 0 for a free port.
        grpc_port: Port for gRPC; 0 for a free port.
        workers: Number of processes.
        refresh_seconds: Seconds between two checks for new versions.
        with_batching: Run concurrent requests of slow models together.
        with_access_log: Log each request.
        tls: Files of TLS; None for plain text.
        otlp_endpoint: Base URL of a collector of OpenTelemetry traces; None to not trace.
        cors_origins: Origins whose pages may call the server from a browser; ``*`` for any.
        limits: Bounds that protect the server from its clients.
    """

    tenant: str = LOCAL_TENANT
    host: str = "127.0.0.1"
    http_port: int = 8000
    grpc_port: int = 8001
    workers: int = 1
    refresh_seconds: float = 1.0
    with_batching: bool = True
    with_access_log: bool = True
    tls: TlsFiles | None = None
    otlp_endpoint: str | None = None
    cors_origins: tuple[str, ...] = ()
    limits: ServerLimits = field(default_factory=ServerLimits)
