"""The responses of `modeldrop serve` match its /openapi.json, for valid and invalid requests."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import Phase, given, settings
from schemathesis.specs.openapi.checks import (
    ignored_auth,
)

from tests.helpers.openapi_requests import CHECKS, few_requests
from tests.helpers.running_server import write_scaling_model
from tests.helpers.served_models import CLASSIFIER, model_bytes

START = "from pipeline.cli.entry import main; main()"
HEADERS = {"x-api-key": "secret"}
MODELS = {"scale": "/openapi.json", "adult": "/v2/models/adult/openapi.json"}  # by their documents


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("models")
    write_scaling_model(folder)
    version = folder / "adult" / "1"
    version.mkdir(parents=True)
    (version / "model.onnx").write_bytes(model_bytes(CLASSIFIER))
    (version / "signature.json").write_text(json.dumps(CLASSIFIER.to_dict()))
    keys = folder / "keys"
    keys.write_text("secret\n")
    command = [sys.executable, "-c", START, "serve", "--folder", folder, "--http-port", "0", "--grpc-port", "0"]
    with subprocess.Popen(
        [*command, "--api-key-file", keys, "--no-access-log"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["http"]
        finally:
            process.terminate()
            assert process.wait(20) == 0


@pytest.mark.parametrize("model", MODELS)
def test_responses_to_generated_requests_match_the_document(url: str, model: str) -> None:
    schema = schemathesis.openapi.from_url(url + MODELS[model], headers=HEADERS)
    operations = [operation.ok() for operation in schema.get_all_operations()]
    assert len(operations) > 10
    for operation in operations:
        _check(operation, {"model": model, "version": "1", "label": "live"}, url)


def _check(operation: Any, names: dict[str, str], url: str) -> None:
    """Send requests of one operation, half of them to an existing model."""
    numbers = iter(range(1_000_000))

    @given(case=operation.as_strategy())
    @few_requests(6)
    def check(case: Any) -> None:
        if next(numbers) % 2 == 0:
            case.path_parameters = {name: names[name] for name in case.path_parameters or {}}
        case.call_and_validate(base_url=url, headers=HEADERS, checks=CHECKS)

    check()


def test_no_operation_ignores_a_wrong_key(url: str) -> None:
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json", headers=HEADERS)
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.definition.raw.get("security") == []:
            continue

        @given(case=operation.as_strategy())
        @settings(max_examples=1, deadline=None, database=None, derandomize=True, phases=[Phase.generate])
        def check(case: Any) -> None:
            case.call_and_validate(base_url=url, headers=HEADERS, checks=[ignored_auth])

        check()
