"""Keys of the items in the DynamoDB table. A partition belongs to one tenant, except API keys and the listing index.

docs/table.md shows the keys and who reads them.
"""

from __future__ import annotations

__all__ = [
    "alias_key",
    "alias_prefix",
    "api_key_key",
    "audit_key",
    "grant_key",
    "grant_prefix",
    "history_prefix",
    "key_prefix_key",
    "keys_of_tenant",
    "model_key",
    "models_of",
    "registration_key",
    "rejected_upload_key",
    "rejected_uploads_of",
    "rollout_key",
    "run_key",
    "run_started_prefix",
    "tenant_deletion_key",
    "tenant_key",
    "version_key",
    "version_prefix",
]


def run_key(tenant: str, run: str) -> tuple[str, str]:
    """Return (pk, sk) of a run's log."""
    return f"TENANT#{tenant}", f"RUN#{run}"


def run_started_prefix(tenant: str, model: str | None = None) -> tuple[str, str]:
    """Return (pk, sk prefix) of the references to a tenant's runs, or to the runs of one model, oldest first.

    A reference never changes, so that a run's progress updates no index.
    """
    return f"TENANT#{tenant}", "STARTED#" if model is None else f"STARTED-OF#{model}#"


def rejected_upload_key(tenant: str, rejected_at: str) -> tuple[str, str]:
    """Return (pk, sk) of an upload that started no run.

    Args:
        tenant: Tenant in the upload's key; empty if the key names none.
        rejected_at: Time and digest. ``~`` sorts it after the items of older releases, which have only the digest.
    """
    return f"TENANT#{tenant or '_'}", f"REJECTED#~{rejected_at}"


def rejected_uploads_of(tenant: str) -> tuple[str, str]:
    """Return (pk, sk prefix) of all uploads of a tenant that started no run, oldest first."""
    return f"TENANT#{tenant}", "REJECTED#"


def model_key(tenant: str, model: str) -> tuple[str, str]:
    """Return (pk, sk) of a model's summary: ``latest_version``, ``live_version``."""
    return f"TENANT#{tenant}", f"MODEL#{model}"


def models_of(tenant: str) -> tuple[str, str]:
    """Return (pk, sk prefix) of all models of a tenant."""
    return f"TENANT#{tenant}", "MODEL#"


def version_key(tenant: str, model: str, version: int) -> tuple[str, str]:
    """Return (pk, sk) of a version; its attribute ``record`` is the JSON text of a VersionRecord."""
    return f"TENANT#{tenant}#MODEL#{model}", f"VERSION#{version:06d}"


def registration_key(tenant: str, model: str, run: str) -> tuple[str, str]:
    """Return (pk, sk) of the marker that a run has registered its version: ``version``."""
    return f"TENANT#{tenant}#MODEL#{model}", f"RUN#{run}"


def version_prefix(tenant: str, model: str) -> tuple[str, str]:
    """Return (pk, sk prefix) of all versions, oldest first."""
    return f"TENANT#{tenant}#MODEL#{model}", "VERSION#"


def alias_key(tenant: str, model: str, alias: str) -> tuple[str, str]:
    """Return (pk, sk) of an alias; its attribute ``version`` is a number."""
    return f"TENANT#{tenant}#MODEL#{model}", f"ALIAS#{alias}"


def alias_prefix(tenant: str, model: str) -> tuple[str, str]:
    """Return (pk, sk prefix) of all aliases of a model."""
    return alias_key(tenant, model, "")


def history_prefix(tenant: str, model: str) -> tuple[str, str]:
    """Return (pk, sk prefix) of the alias moves, oldest first; their attributes are those of an AliasMove."""
    return f"TENANT#{tenant}#MODEL#{model}", "HISTORY#"


def rollout_key(tenant: str, model: str, rollout: str) -> tuple[str, str]:
    """Return (pk, sk) of the counters of a rollout, which the predict function increments."""
    return f"ROLLOUT#{tenant}#{model}", f"COUNTERS#{rollout}"


def api_key_key(key_sha256: str) -> tuple[str, str]:
    """Return (pk, sk) of an API key by its hash; its attributes are those of an ApiKey, and ``permissions``."""
    return f"KEY#{key_sha256}", "KEY"


def key_prefix_key(prefix: str, key_sha256: str) -> tuple[str, str]:
    """Return (pk, sk) of the reference to an API key by its first characters; it has no attributes."""
    return f"KEY-PREFIX#{prefix}", f"KEY#{key_sha256}"


def keys_of_tenant(tenant: str) -> tuple[str, str]:
    """Return (pk, sk prefix) of the references to a tenant's API keys, oldest first; attribute ``key_sha256``."""
    return f"ACCOUNT#{tenant}", "KEY#"


def tenant_key(tenant: str) -> tuple[str, str]:
    """Return (pk, sk) of a tenant: ``status``, ``tier``, ``gateway_key`` and the models shared with it."""
    return f"ACCOUNT#{tenant}", "ACCOUNT"


def tenant_deletion_key(tenant: str) -> tuple[str, str]:
    """Return (pk, sk) of the marker that a tenant was deleted recently: ``expires_at``."""
    return f"ACCOUNT#{tenant}", "DELETED"


def grant_key(owner: str, model: str, tenant: str) -> tuple[str, str]:
    """Return (pk, sk) of an owner's record of a model that it shares: ``model``, ``tenant`` and ``role``."""
    return f"TENANT#{owner}", f"GRANT#{model}#{tenant}"


def grant_prefix(owner: str, model: str | None = None) -> tuple[str, str]:
    """Return (pk, sk prefix) of an owner's grants, or of those on one model."""
    return f"TENANT#{owner}", "GRANT#" if model is None else f"GRANT#{model}#"


def audit_key(tenant: str, entry: str) -> tuple[str, str]:
    """Return (pk, sk) of an entry of the audit log; ``entry`` begins with its time."""
    return f"AUDIT#{tenant}", f"ENTRY#{entry}"
