"""The output of `sam build` is small enough for Lambda, compiled and complete; no Docker is needed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.helpers.template import ROOT, resources

BUILD = ROOT / ".aws-sam" / "build"
RUNTIME = ROOT / ".aws-sam" / "runtime"  # what Lambda's own Python has: boto3 and its kin
FUNCTIONS = resources("AWS::Serverless::Function")
LAYERS = resources("AWS::Serverless::LayerVersion")
LAMBDA_LIMIT = 262_144_000  # bytes, unzipped: a function and its layers together


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _layers(function: str) -> list[Path]:
    return [BUILD / layer["Ref"] for layer in FUNCTIONS[function]["Layers"]]


def test_the_inference_layer_is_under_95_megabytes() -> None:
    assert _bytes(BUILD / "InferenceLayer") < 95_000_000


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_and_its_layers_fit_into_lambda(function: str) -> None:
    assert sum(map(_bytes, [BUILD / function, *_layers(function)])) < LAMBDA_LIMIT


@pytest.mark.parametrize("layer", LAYERS)
def test_every_module_of_a_layer_is_compiled(layer: str) -> None:
    """Compiled files lie beside the sources, or replace them where the sources are left out."""
    sources = list((BUILD / layer).rglob("*.py"))
    compiled = list((BUILD / layer).rglob("*.pyc"))
    missing = [path for path in sources if not (path.parent / "__pycache__" / f"{path.stem}.cpython-312.pyc").exists()]
    assert compiled
    assert missing == []


def test_the_pipeline_layer_has_no_training_or_command_line_code() -> None:
    shipped = {path.name for path in (BUILD / "PipelineLayer" / "python" / "pipeline").iterdir()}
    assert {"bootstrap", "cloud", "contracts", "serving"} <= shipped
    assert not shipped & {"cli", "compression", "deployment", "graphs", "jobs", "local", "training"}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_handler_imports_only_from_its_layers(function: str) -> None:
    path = [BUILD / function, *(layer / "python" for layer in _layers(function)), RUNTIME]
    variables = {
        "TABLE_NAME": "table",
        "UPLOADS_BUCKET": "uploads",
        "ARTIFACTS_BUCKET": "artifacts",
        "STATE_MACHINE_ARN": "arn:aws:states:us-east-1:123456789012:stateMachine:modeldrop-pipeline",
        "PREDICT_FUNCTION": "predict",
        "CODE_VERSION": "0.1.0",
        "GATEWAY_KEY": "315c1398-40ff-a850-213b-158f73e60175",
        "POWERTOOLS_METRICS_NAMESPACE": "modeldrop",
        "POWERTOOLS_SERVICE_NAME": function,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": "",
        "PYTHONPATH": os.pathsep.join(map(str, path)),
        "PATH": os.environ["PATH"],
    }
    script = "import app; assert callable(app.handler)"
    done = subprocess.run(
        ["python3.12", "-S", "-c", script],
        env=variables,
        cwd=BUILD / function,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
