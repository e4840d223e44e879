"""Settings classes read their environment variables and refuse invalid values by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.bootstrap import settings
from pipeline.bootstrap.settings import (
    CommandSettings,
    EnvVar,
    JobSettings,
    NodeSettings,
    PredictorSettings,
    SmokeTestSettings,
    StageSettings,
    StarterSettings,
)
from pipeline.contracts.errors import ConfigurationError

ENVIRON = {
    "TABLE_NAME": "modeldrop-table",
    "UPLOADS_BUCKET": "modeldrop-uploads-123456789012-us-east-1",
    "ARTIFACTS_BUCKET": "modeldrop-artifacts",
    "STATE_MACHINE_ARN": "arn:aws:states:us-east-1:123456789012:stateMachine:modeldrop-pipeline",
    "PREDICT_FUNCTION": "modeldrop-predict",
    "CODE_VERSION": "0.1.0",
    "MODELDROP_QUEUE": "gpu",
}
CLASSES = [getattr(settings, name) for name in settings.__all__]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_a_full_environment_satisfies_every_class(kind: type[StageSettings]) -> None:
    read = kind.from_env(ENVIRON)
    first = next(iter(kind.variables()))
    assert not [field for field in dir(kind) if isinstance(getattr(read, field), EnvVar)], "a field was not read"
    with pytest.raises(AttributeError, match="read-only"):
        setattr(read, first, "another")


@pytest.mark.parametrize("name", ["TABLE_NAME", "UPLOADS_BUCKET", "ARTIFACTS_BUCKET", "STATE_MACHINE_ARN"])
@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_variable_is_named(name: str, value: str | None) -> None:
    environ = {k: v for k, v in ENVIRON.items() if k != name} | ({name: value} if value is not None else {})
    with pytest.raises(ConfigurationError, match=f"{name} is not set"):
        StarterSettings.from_env(environ)


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (StarterSettings, "UPLOADS_BUCKET", "No_Bucket"),
        (StarterSettings, "STATE_MACHINE_ARN", "modeldrop-pipeline"),
        (StarterSettings, "TABLE_NAME", "a b"),
        (SmokeTestSettings, "PREDICT_FUNCTION", "my function"),
        (PredictorSettings, "ALIAS_SECONDS", "-1"),
        (PredictorSettings, "ALIAS_SECONDS", "soon"),
        (JobSettings, "MODELDROP_QUEUE", "tpu"),
        (JobSettings, "AWS_BATCH_JOB_ATTEMPT", "first"),
        (JobSettings, "RANK", "first"),
        (NodeSettings, "AWS_BATCH_JOB_NUM_NODES", "-2"),
        (NodeSettings, "AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS", "a node"),
    ],
)
def test_an_invalid_value_is_refused_with_the_name_of_the_variable_and_not_quoted(
    kind: type[StageSettings], name: str, value: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name} is not .+") as raised:
        kind.from_env(ENVIRON | {name: value})
    assert value not in raised.value.message


def test_defaults_apply_when_a_variable_is_absent() -> None:
    assert PredictorSettings.from_env(ENVIRON).alias_seconds == 5.0
    assert PredictorSettings.from_env(ENVIRON | {"ALIAS_SECONDS": "0.5"}).alias_seconds == 0.5
    job = JobSettings.from_env(ENVIRON)
    assert (job.queue, job.attempt) == ("gpu", 1)
    assert JobSettings.from_env(ENVIRON | {"AWS_BATCH_JOB_ATTEMPT": "3"}).attempt == 3


def test_the_settings_of_the_command_are_optional() -> None:
    assert CommandSettings.from_env({}) == CommandSettings(api_key=None, api_url=None, token=None, home=None)
    command_settings = CommandSettings.from_env({"MODELDROP_API_KEY": "md_x", "MODELDROP_HOME": "/home/me"})
    assert command_settings == CommandSettings(api_key="md_x", api_url=None, token=None, home=Path("/home/me"))
