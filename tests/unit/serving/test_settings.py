"""Settings that the functions of the API read from the environment."""

from __future__ import annotations

import pytest

from pipeline.bootstrap.settings import AuthorizerSettings, PredictorSettings
from pipeline.contracts.errors import ConfigurationError

ENVIRON = {"TABLE_NAME": "modeldrop-table", "ARTIFACTS_BUCKET": "modeldrop-artifacts"}


@pytest.mark.parametrize(("megabytes", "threads"), [("128", 1), ("1769", 1), ("3538", 2), ("10240", 5), ("", 1)])
def test_onnxruntime_gets_as_many_threads_as_the_function_has_processors(megabytes: str, threads: int) -> None:
    environ = {**ENVIRON, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": megabytes}
    assert PredictorSettings.from_env(environ).threads == threads


def test_an_alias_is_looked_up_again_after_5_seconds_by_default() -> None:
    assert PredictorSettings.from_env(ENVIRON).alias_seconds == 5
    assert PredictorSettings.from_env({**ENVIRON, "ALIAS_SECONDS": "0.5"}).alias_seconds == 0.5


def test_the_gateway_key_is_optional_and_validated() -> None:
    key = "5f8d0f7e-0c9b-4c3f-9e4e-1d8a1a2b3c4d"
    assert AuthorizerSettings.from_env(ENVIRON).gateway_key is None
    assert AuthorizerSettings.from_env({**ENVIRON, "GATEWAY_KEY": key}).gateway_key == key
    with pytest.raises(ConfigurationError, match="GATEWAY_KEY"):
        AuthorizerSettings.from_env({**ENVIRON, "GATEWAY_KEY": "a b"})
