"""The settings: one frozen class a function, read once from the environment, a bad value refused by name."""

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
Isolation = Literal["user", "none", "refused"]  # of a user's code (jobs.sandbox.sandbox)


class EnvVar(NamedTuple):
    """An environment variable.

    Attributes:
        name: Its name.
        pattern: Regular expression that the whole value must match.
        expected: What the value is, for messages.
        read: Converts the matched text.
        default: Text if the variable is absent or empty.
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
            ConfigurationError: It is absent and required, or does not match its pattern.
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
    """Return the role that is taken with a run's tenant; without one the function works with its own permissions."""
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
    """Return the vCPUs of a function: one for each 1,769 MB."""
    return max(1, int(memory_mb) // 1769)


def _models(text: str) -> tuple[tuple[str, str], ...]:
    pairs = (name.partition("/") for name in text.split(",") if name)
    return tuple((tenant, model) for tenant, _, model in pairs)


@dataclass_transform(kw_only_default=True, frozen_default=True)
class _Settings(SimpleNamespace):
    """Settings of one function: each class attribute that is an EnvVar is a field.

    Not dataclasses, which take 1 ms of a cold start each to generate their methods, for all functions.
    """

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__}.{name} is read-only")

    @classmethod
    def variables(cls) -> Mapping[str, EnvVar]:
        """Return the variable of each field, those of base classes first."""
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
    """The table and the bucket of the artifacts."""

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
    """Settings of the function ``plan_training``; ``isolation`` as of the jobs (JobSettings)."""

    isolation: Isolation = _isolation()


class DescriberSettings(_StoreSettings):
    """Settings of the function ``describe_models``."""


class ManagerSettings(StageSettings):
    """Settings of the function that changes the registry."""

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
    """``alias_seconds``: how long a moved alias may go unnoticed by a warm function. ``threads``: its vCPUs.

    ``prefetch``: tenant and name of the models that are loaded before the first request.
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
    """``gateway_key`` is the opaque key that carries the usage plan; ``header`` what API Gateway caches answers by."""

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
    """The issuer of tokens, as registry.sign_in.issuer has it; without ``issuer`` none are accepted."""

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
    """Of a Batch container. ``attempt`` counts from 1 and is set by Batch.

    ``isolation``: how a user's code is kept apart.
    """

    queue: Literal["cpu", "gpu", "code"] = _setting(
        "MODELDROP_QUEUE", pattern="cpu|gpu|code", expected="cpu, gpu or code"
    )
    isolation: Isolation = _isolation()
    tenant_role: str | None = _tenant_role()
    attempt: int = _number("AWS_BATCH_JOB_ATTEMPT", default="1")
    rank: int = _number("RANK", default="0")  # these three are set by torchrun
    size: int = _number("WORLD_SIZE", default="1")
    local_rank: int = _number("LOCAL_RANK", default="0")


class NodeSettings(_Settings):
    """Of one node of a Batch job of several; Batch does not tell the main node its own address."""

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
    """Of the ``modeldrop`` command, where its options leave them open. ``home`` is the embedded cloud's folder."""

    api_key: str | None = _setting("MODELDROP_API_KEY", pattern=r"\S+", expected="an API key", optional=True)
    token: str | None = _setting("MODELDROP_TOKEN", pattern=r"\S+", expected="a token (JWT)", optional=True)
    api_url: str | None = _setting("MODELDROP_API_URL", pattern=r"https?://\S+", expected="a URL", optional=True)
    home: Path | None = _setting("MODELDROP_HOME", pattern=r".+", expected="a folder", read=Path, optional=True)
