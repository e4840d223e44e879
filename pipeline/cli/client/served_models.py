"""What `modeldrop serve` is composed of, by its options."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pipeline.cli.client.session import Session
from pipeline.contracts.errors import ConfigurationError

if TYPE_CHECKING:
    from pipeline.server.authentication import Authenticator
    from pipeline.server.config import TlsFiles
    from pipeline.server.models.tensor_model import TensorSession
    from pipeline.server.repository import ModelRepository
    from pipeline.server.start import ComposeModels

__all__ = ["authentication", "models_of_files", "models_of_registry", "tls_files"]

_MakeSession = Callable[[bytes], "TensorSession"]


def models_of_files(folder: Path | None, file: Path | None, name: str, max_bytes: int) -> ComposeModels:
    """Return what composes the models of a folder, or of one file."""
    from pipeline.server.models.folder import FileModels, index_file, index_folder

    if folder is not None:
        read_index = partial(index_folder, folder.resolve())
    else:
        assert file is not None
        read_index = partial(index_file, file.resolve(), name)

    def compose(make_session: _MakeSession, report: Callable[[str], None]) -> ModelRepository:
        models = FileModels(read_index, make_session, max_bytes=max_bytes, report=report)
        models.refresh()
        if file is not None and not models.names():
            raise ConfigurationError(f"{file} cannot be served: an ONNX file is expected")
        return models

    return compose


def models_of_registry(
    session: Session, tenant: str | None, names: Sequence[str] | None, max_bytes: int
) -> ComposeModels:
    """Return what composes the models of the stack's registry."""

    def compose(make_session: _MakeSession, report: Callable[[str], None]) -> ModelRepository:
        from pipeline.server.models.registry import RegistryModels

        connection = session.connection()
        models = RegistryModels(
            connection.model_loader(make_session),
            list_models=lambda owner: [summary.model for summary in connection.registry.models(owner)],
            models=names,
            max_bytes=max_bytes,
            report=report,
            increment=connection.registry.rollouts.increment,
        )
        for name in names or ():
            models.load(connection.tenant(tenant), name)  # a name that is wrong ends the command before it listens
        return models

    return compose


def authentication(
    session: Session, host: str, tenant: str | None, key_file: Path | None, *, no_auth: bool, from_files: bool
) -> Callable[[], Authenticator]:
    """Return what composes the authenticator.

    Without ``--no-auth`` an API key is needed: one of ``--api-key-file``, or the registry's. Models of files without a
    key file are open to this machine alone.

    Raises:
        typer.BadParameter: The options exclude each other, a key file has no key, or a key is needed.
    """
    from pipeline.server.authentication import FixedKeys, OpenAccess, RegistryKeys
    from pipeline.server.models.model_files import LOCAL_TENANT
    from pipeline.server.sockets import is_loopback

    if no_auth and key_file is not None:
        raise typer.BadParameter("--no-auth and --api-key-file exclude each other")
    if from_files:
        if key_file is not None:
            keys = [line.strip() for line in key_file.read_text().splitlines() if line.strip()]
            if not keys:
                raise typer.BadParameter(f"{key_file} has no API key: one per line is expected")
            return lambda: FixedKeys(keys, LOCAL_TENANT)
        if no_auth or is_loopback(host):
            return lambda: OpenAccess(LOCAL_TENANT)
        raise typer.BadParameter(f"other machines can reach {host}: --api-key-file or --no-auth is expected")
    if key_file is not None:
        raise typer.BadParameter("--api-key-file is only for --folder and --file: the registry has its own keys")
    if no_auth:
        return lambda: OpenAccess(session.connection().tenant(tenant))
    return lambda: RegistryKeys(session.connection().keys)


def tls_files(certificate: Path | None, key: Path | None, client_ca: Path | None) -> TlsFiles | None:
    """Return the files of TLS; None without a certificate.

    Raises:
        typer.BadParameter: One of certificate and key lacks.
    """
    from pipeline.server.config import TlsFiles

    if certificate is None and key is None and client_ca is None:
        return None
    if certificate is None or key is None:
        raise typer.BadParameter("--tls-cert and --tls-key are expected together")
    return TlsFiles(certificate=certificate, key=key, client_ca=client_ca)
