"""Compose `modeldrop serve` from its options."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from pipeline.cli.client.session import Session
from pipeline.contracts.errors import ConfigurationError

if TYPE_CHECKING:
    from pipeline.registry.sign_in.issuer import TokenIssuer
    from pipeline.server.authentication import Authenticator
    from pipeline.server.config import TlsFiles
    from pipeline.server.models.tensor_model import TensorSession
    from pipeline.server.repository import ModelRepository
    from pipeline.server.start import ComposeModels

__all__ = ["AccessOptions", "authentication", "models_of_files", "models_of_registry", "tls_files"]

_MakeSession = Callable[[bytes], "TensorSession"]


def models_of_files(folder: Path | None, file: Path | None, name: str, max_bytes: int) -> ComposeModels:
    """Return a factory for the models of a folder, or of one file."""
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
    """Return a factory for the models of the stack's registry."""

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
            models.load(connection.tenant(tenant), name)  # fail before the server listens
        return models

    return compose


@dataclass(frozen=True, kw_only=True, slots=True)
class AccessOptions:
    """Options that decide who may call the server.

    Attributes:
        host: Address that the server listens on.
        tenant: Tenant of all callers without authentication; None for the stack's.
        key_file: File with API keys; None without one.
        no_auth: Whether anybody may call the server.
        issuer: Issuer whose tokens are accepted; None to accept no tokens.
    """

    host: str
    tenant: str | None
    key_file: Path | None
    no_auth: bool
    issuer: TokenIssuer | None

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> AccessOptions:
        """Parse the options of the command, by name.

        Raises:
            ConfigurationError: The issuer's options are not valid.
        """
        from pipeline.registry.sign_in.issuer import TokenIssuer

        url = options["jwt_issuer"]
        issuer = url and TokenIssuer(
            issuer=url,
            audiences=tuple(",".join(options["jwt_audience"] or ("modeldrop",)).split(",")),
            **{name: options[f"jwt_{name}"] for name in ("keys_url", "tenant_claim", "roles_claim", "models_claim")},
        )
        return cls(
            host=options["host"],
            tenant=options["tenant"],
            key_file=options["api_key_file"],
            no_auth=options["no_auth"],
            issuer=issuer or None,
        )


def authentication(session: Session, access: AccessOptions, *, from_files: bool) -> Callable[[], Authenticator]:
    """Return a factory for the authenticator.

    Without ``--no-auth`` a credential is needed: a token of ``--jwt-issuer``, an API key of ``--api-key-file``, or an
    API key of the registry. Models of files without an issuer or a key file can be called only from this machine.

    Raises:
        typer.BadParameter: The options exclude each other, a key file has no key, or a credential is needed.
    """
    from pipeline.bootstrap import callers_of_registry, token_verifier
    from pipeline.server.authentication import OpenAccess, RegistryKeys

    if access.no_auth and (access.key_file is not None or access.issuer is not None):
        raise typer.BadParameter("--no-auth excludes --api-key-file and --jwt-issuer")
    if from_files:
        return _authentication_of_files(access)
    if access.key_file is not None:
        raise typer.BadParameter("--api-key-file is only for --folder and --file: the registry has its own keys")
    if access.no_auth:
        return lambda: OpenAccess(session.connection().tenant(access.tenant))
    make_tokens = None if access.issuer is None else partial(token_verifier, access.issuer)

    def compose() -> Authenticator:
        connection = session.connection()
        return RegistryKeys(callers_of_registry(connection.keys, connection.tenants, make_tokens).resolve)

    return compose


def _authentication_of_files(access: AccessOptions) -> Callable[[], Authenticator]:
    """Return a factory for the authenticator of a server without a registry: all models belong to one tenant."""
    from pipeline.bootstrap import token_verifier
    from pipeline.server.authentication import FixedKeys, KeysOrTokens, OpenAccess, RegistryKeys
    from pipeline.server.models.model_files import LOCAL_TENANT
    from pipeline.server.sockets import is_loopback

    keys = [line.strip() for line in access.key_file.read_text().splitlines()] if access.key_file else []
    accepted = FixedKeys([key for key in keys if key], LOCAL_TENANT)
    if access.key_file is not None and not any(keys):
        raise typer.BadParameter(f"{access.key_file} has no API key: one per line is expected")
    if (issuer := access.issuer) is not None:
        of_one_tenant = replace(issuer, tenant=LOCAL_TENANT)
        return lambda: KeysOrTokens(accepted, RegistryKeys(token_verifier(of_one_tenant).resolve))
    if access.key_file is not None:
        return lambda: accepted
    if access.no_auth or is_loopback(access.host):
        return lambda: OpenAccess(LOCAL_TENANT)
    expected = "--api-key-file, --jwt-issuer or --no-auth is expected"
    raise typer.BadParameter(f"other machines can reach {access.host}: {expected}")


def tls_files(certificate: Path | None, key: Path | None, client_ca: Path | None) -> TlsFiles | None:
    """Return the files of TLS; None without a certificate.

    Raises:
        typer.BadParameter: The certificate or the key is missing.
    """
    from pipeline.server.config import TlsFiles

    if certificate is None and key is None and client_ca is None:
        return None
    if certificate is None or key is None:
        raise typer.BadParameter("--tls-cert and --tls-key are expected together")
    return TlsFiles(certificate=certificate, key=key, client_ca=client_ca)
