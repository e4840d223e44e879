"""The settings: one frozen class per function, read once from the environment; errors name the invalid variable."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, NamedTuple, Self, dataclass_transform

from pipeline.contracts.errors import ConfigurationError

__all__ = [
    "AuthorizerSettings",
    "CommandSettings",
    "DescriberSettings",
    "FailureSettings",
    "JobSettings",
    "LostRunSettings",
    "ManagerSettings",
    "NodeSettings",
    "PlannerSettings",
    "PredictorSettings",
    "PublisherSettings",
    "RegistrarSettings",
    "RegistryTaskSettings",
    "SmokeTestSettings",
    "StageSettings",
    "StarterSettings",
    "TokenSettings",
    "UploadSettings",
    "ValidatorSettings",
]

Environ = Mapping[str, str]
Isolation = Literal["user", "none", "refused"]  # how model.py runs: as a separate user, not isolated, or not at all


class EnvVar(NamedTuple):
    """An environment variable.

    Attributes:
        name: Name of the variable.
        pattern: Regular expression that the whole value must match.
        expected: Description of a valid value, for error messages.
        read: Converts the matched text.
        default: Text to use if the variable is absent or empty.
        optional: Whether it may be absent without a default.
    """

    name: str
    pattern: str
    expected: str
    read: Callable[[str], Any] = str
    default: str | None = None
    optional: bool = False

    def of(self, environ: Environ) -> Any:
        """Read the variable from ``environ``; None if it is optional and absent.

        Raises:
            ConfigurationError: The variable is required but absent, or does not match its pattern.
        """
        text = environ.get(self.name) or self.default
        if text is None and self.optional:
            return None
        if text is None:
            raise ConfigurationError(f"{self.name} is not set: {self.expected} is expected")
        if not re.fullmatch(self.pattern, text):
            raise ConfigurationError(f"{self.name} is not {self.expected}")
        return self.read(text)


_BUCKET = {"pattern": r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "expected": "the name of a bucket"}
_TABLE = {"pattern": r"[A-Za-z0-9_.-]{3,255}", "expected": "the name of a table"}


def _setting(name: str, *, pattern: str, expected: str, **options: Any) -> Any:
    return EnvVar(name=name, pattern=pattern, expected=expected, **options)


def _number(name: str, default: str) -> Any:
    return _setting(name, pattern=r"\d{1,5}", expected="a number", read=int, default=default)


def _table() -> Any:
    return _setting("TABLE_NAME", **_TABLE)


def _uploads() -> Any:
    return _setting("UPLOADS_BUCKET", **_BUCKET)


def _artifacts() -> Any:
    return _setting("ARTIFACTS_BUCKET", **_BUCKET)


def _tenant_role() -> Any:
    """Return the setting for the role to assume for a tenant; without it the function uses its own permissions."""
    return _setting(
        "TENANT_ROLE_ARN",
        pattern=r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]{1,512}",
        expected="the ARN of a role",
        optional=True,
    )


def _isolation() -> Any:
    return _setting("MODELDROP_CODE", pattern="user|none|refused", expected="user, none or refused", default="refused")


def _claim(name: str, default: str) -> Any:
    return _setting(name, pattern=r"[A-Za-z0-9_.:/#@-]{1,128}", expected="the name of a claim", default=default)


def _vcpus(memory_mb: str) -> int:
    """Return the vCPUs of a function: Lambda gives one for each 1,769 MB of memory."""
    return max(1, int(memory_mb) // 1769)


def _models(text: str) -> tuple[tuple[str, str], ...]:
    pairs = (name.partition("/") for name in text.split(",") if name)
    return tuple((tenant, model) for tenant, _, model in pairs)


@dataclass_transform(kw_only_default=True, frozen_default=True)
class _Settings(SimpleNamespace):
    """Settings of one function: each class attribute that is an EnvVar is a field.

    The subclasses are not dataclasses: each dataclass would take 1 ms of every function's cold start.
    """

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__}.{name} is read-only")

    @classmethod
    def variables(cls) -> Mapping[str, EnvVar]:
        """Return the variable of each field, the fields of base classes first."""
        fields = {name: value for kind in reversed(cls.__mro__) for name, value in vars(kind).items()}
        return {name: variable for name, variable in fields.items() if isinstance(variable, EnvVar)}

    @classmethod
    def from_env(cls, environ: Environ) -> Self:
        """Read every field from its variable.

        Raises:
            ConfigurationError: A variable is missing or invalid; the message names it.
        """
        return cls(**{name: variable.of(environ) for name, variable in cls.variables().items()})


def _state_machine() -> Any:
    return _setting(
        "STATE_MACHINE_ARN",
        pattern=r"arn:aws[a-z-]*:states:[a-z0-9-]+:\d{12}:stateMachine:[A-Za-z0-9_-]{1,80}",
        expected="the ARN of a state machine",
    )


class _StoreSettings(_Settings):
    """Settings of functions that use the table and the artifacts bucket."""

    table: str = _table()
    artifacts: str = _artifacts()


class StarterSettings(_StoreSettings):
    """Settings of the function ``start_run``.

    Attributes:
        large_bytes: Estimated uncompressed size above which a job validates an upload.
    """

    uploads: str = _uploads()
    state_machine: str = _state_machine()
    large_bytes: int = _setting(
        "LARGE_BYTES", pattern=r"\d{1,15}", expected="a number of bytes", read=int, default="268435456"
    )


class StageSettings(_StoreSettings):
    """Settings of the functions that need the table and the artifacts: collect, select, evaluate, promote."""

    tenant_role: str | None = _tenant_role()


class ValidatorSettings(StageSettings):
    """Settings of the function ``validate_dataset``."""

    uploads: str = _uploads()


class PlannerSettings(StageSettings):
    """Settings of the function ``plan_training``; with ``isolation`` ``refused`` it plans no job that runs model.py."""

    isolation: Isolation = _isolation()


class DescriberSettings(_StoreSettings):
    """Settings of the function ``describe_models``."""


class ManagerSettings(StageSettings):
    """Settings of the function ``manage_registry``."""

    state_machine: str = _state_machine()


class PublisherSettings(_Settings):
    """Settings of the function ``publish_changes``."""

    table: str = _table()
    webhook_url: str | None = _setting("WEBHOOK_URL", pattern=r"https?://\S+", expected="a URL", optional=True)
    webhook_secret: str = _setting("WEBHOOK_SECRET", pattern=r".*", expected="a secret", default="")


class UploadSettings(_Settings):
    """Settings of the function ``grant_upload``."""

    table: str = _table()
    uploads: str = _uploads()
    tenant_role: str | None = _tenant_role()


class RegistrarSettings(StageSettings):
    """Settings of the function ``register_model``."""

    code_version: str = _setting("CODE_VERSION", pattern=r"[\w.+-]{1,128}", expected="a version of the code")


class SmokeTestSettings(StageSettings):
    """Settings of the function ``smoke_test``."""

    predict_function: str = _setting(
        "PREDICT_FUNCTION", pattern=r"[A-Za-z0-9_:-]{1,170}", expected="the name or ARN of a function"
    )


class FailureSettings(_Settings):
    """Settings of the function ``record_failure``."""

    table: str = _table()
    tenant_role: str | None = _tenant_role()


class LostRunSettings(_Settings):
    """Settings of the function ``fail_lost_runs``."""

    table: str = _table()
    state_machine: str = _state_machine()


class RegistryTaskSettings(_StoreSettings):
    """Settings of the functions ``check_rollouts`` and ``purge_versions``."""


class PredictorSettings(_StoreSettings):
    """Settings of the function ``predict``.

    Attributes:
        alias_seconds: Maximum time in seconds until a warm function notices that an alias has moved.
        threads: Number of threads of onnxruntime: the vCPUs of the function.
        prefetch: Tenant and name of the models to load before the first request.
    """

    alias_seconds: float = _setting(
        "ALIAS_SECONDS", pattern=r"\d{1,5}(\.\d{1,3})?", expected="a number of seconds", read=float, default="5"
    )
    threads: int = _setting(
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", pattern=r"\d{2,5}", expected="MB", read=_vcpus, default="1769"
    )
    prefetch: tuple[tuple[str, str], ...] = _setting(
        "PREFETCH_MODELS",
        pattern=r"([a-z0-9-]{1,32}/[A-Za-z0-9_.-]{1,32}(,|$))*",
        expected="models as tenant/model, separated by commas",
        read=_models,
        default="",
    )


class AuthorizerSettings(_Settings):
    """Settings of the function ``authorize_request``.

    Attributes:
        gateway_key: API Gateway key with the default usage plan, for tenants that have no gateway key of their own.
        header: Request header that API Gateway uses as the cache key of authorizer responses.
    """

    table: str = _table()
    gateway_key: str | None = _setting(
        "GATEWAY_KEY", pattern=r"[\w-]{20,128}", expected="the value of a gateway key", optional=True
    )
    header: str = _setting(
        "CREDENTIAL_HEADER",
        pattern="x-api-key|Authorization|Host",
        expected="x-api-key, Authorization or Host",
        read=str.lower,
        default="x-api-key",
    )


class TokenSettings(_Settings):
    """Settings of a TokenIssuer (registry.sign_in.issuer); without ``issuer`` no tokens are accepted."""

    issuer: str | None = _setting("JWT_ISSUER", pattern=r"https?://\S+", expected="the URL of an issuer", optional=True)
    audiences: tuple[str, ...] = _setting(
        "JWT_AUDIENCE",
        pattern=r"[^\s,]+(,[^\s,]+)*",
        expected="audiences, separated by commas",
        read=lambda text: tuple(text.split(",")),
        default="modeldrop",
    )
    keys_url: str | None = _setting("JWT_KEYS_URL", pattern=r"https?://\S+", expected="a URL", optional=True)
    tenant_claim: str = _claim("JWT_TENANT_CLAIM", default="tenant")
    roles_claim: str = _claim("JWT_ROLES_CLAIM", default="roles")
    models_claim: str = _claim("JWT_MODELS_CLAIM", default="models")


class JobSettings(_StoreSettings):
    """Settings of a Batch container.

    Attributes:
        queue: ``cpu`` or ``gpu``: kind of the machine; ``code`` if the job runs a user's code.
        isolation: How a user's code is isolated from the job.
        tenant_role: ARN of the role to assume for the run's tenant.
        attempt: Number of this attempt, from 1; set by Batch.
        rank: Index of this process among all processes; set by torchrun.
        size: Number of processes; set by torchrun.
        local_rank: Index of this process among those of its node; set by torchrun.
    """

    queue: Literal["cpu", "gpu", "code"] = _setting(
        "MODELDROP_QUEUE", pattern="cpu|gpu|code", expected="cpu, gpu or code"
    )
    isolation: Isolation = _isolation()
    tenant_role: str | None = _tenant_role()
    attempt: int = _number("AWS_BATCH_JOB_ATTEMPT", default="1")
    rank: int = _number("RANK", default="0")
    size: int = _number("WORLD_SIZE", default="1")
    local_rank: int = _number("LOCAL_RANK", default="0")


class NodeSettings(_Settings):
    """Settings of one node of a multi-node Batch job; Batch does not set ``address`` on the main node itself."""

    queue: Literal["cpu", "gpu"] = _setting("MODELDROP_QUEUE", pattern="cpu|gpu", expected="cpu or gpu")
    nodes: int = _number("AWS_BATCH_JOB_NUM_NODES", default="1")
    node_index: int = _number("AWS_BATCH_JOB_NODE_INDEX", default="0")
    address: str = _setting(
        "AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS",
        pattern=r"\d{1,3}(\.\d{1,3}){3}",
        expected="an IPv4 address",
        default="127.0.0.1",
    )
    port: int = _number("MODELDROP_PORT", default="29500")


class CommandSettings(_Settings):
    """Settings of the ``modeldrop`` command, which its options override. ``home`` is the embedded cloud's folder."""

    api_key: str | None = _setting("MODELDROP_API_KEY", pattern=r"\S+", expected="an API key", optional=True)
    token: str | None = _setting("MODELDROP_TOKEN", pattern=r"\S+", expected="a token (JWT)", optional=True)
    api_url: str | None = _setting("MODELDROP_API_URL", pattern=r"https?://\S+", expected="a URL", optional=True)
    home: Path | None = _setting("MODELDROP_HOME", pattern=r".+", expected="a folder", read=Path, optional=True)
