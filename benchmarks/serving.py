"""How far is a prediction from the least that it can cost? One row of 14 raw columns, event in, response out.

Three ratios, each against a floor in the same run: the core (decode, session.run, encode) against orjson and
session.run alone; the whole handler against a bare one with the same duties; a process's start to its first answer
against a bare one with the same libraries, clients and session.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # before this folder, where pipeline.py is a benchmark

import numpy as np
import orjson
from common import alternate, report
from serving_stub import Items, serve

from pipeline.contracts.signature import Signature
from pipeline.contracts.table_keys import alias_key, version_key
from pipeline.serving.api.protocols.infer import infer_document
from pipeline.serving.loaded_model import LoadedModel
from pipeline.serving.model_loader import make_session_factory

ROOT = Path(__file__).parents[1]
BARE, OURS = ROOT / "benchmarks" / "serving_bare.py", ROOT / "functions" / "predict" / "app.py"
ALGORITHMS = ("gradient_boosting", "linear", "mlp")  # the first is what wins on Adult: the ratios are its
ROUNDS, STARTS = 3000, 15
WANTED = {"core": 1.5, "handler": 1.3, "start": 1.3}
GIVEN = {"numpy", "onnxruntime", "orjson"}  # what serving is made of
FIRST_ANSWER = """
import importlib.util, json, pathlib, sys, types
spec = importlib.util.spec_from_file_location("app", sys.argv[1])
app = importlib.util.module_from_spec(spec)
spec.loader.exec_module(app)
context = types.SimpleNamespace(function_name="predict", aws_request_id="id")
answer = app.handler(json.loads(pathlib.Path(sys.argv[2]).read_text()), context)
print("ANSWERED", answer["statusCode"], flush=True)
"""


def train(folder: Path) -> None:
    for algorithm in ALGORITHMS:
        (folder / algorithm).mkdir()
        script = ROOT / "benchmarks" / "serving_model.py"
        subprocess.run([sys.executable, script, folder / algorithm, algorithm], check=True)


def core(folder: Path) -> dict[str, float]:
    """Microseconds at the median: ``core`` and its ``floor``; the same row as tensors: ``oip``, ``oip_floor``."""
    signature = Signature.from_dict(json.loads((folder / "signature.json").read_text()))
    session = make_session_factory(1)((folder / "model.onnx").read_bytes())
    model = LoadedModel(tenant="demo", model="adult", version=1, signature=signature, session=session)
    row = json.loads((folder / "row.json").read_text())
    kinds = {"categorical": object, "numeric": np.float32, "boolean": np.float32}
    feeds = {column.name: np.array([row[column.name]], kinds[column.kind]) for column in signature.columns}
    inputs = [{"name": c.name, "shape": [1], "datatype": c.datatype, "data": [row[c.name]]} for c in signature.columns]
    as_rows, as_tensors = json.dumps({"rows": [row]}), json.dumps({"inputs": inputs})
    names = list(signature.outputs)

    def floor(body: str) -> bytes:
        orjson.loads(body)
        label, probabilities = session.run(names, feeds)
        answer = {"label": label.tolist(), "probabilities": probabilities}
        return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)

    return alternate(
        {
            "core": lambda: infer_document(model, orjson.loads(as_rows)),
            "floor": lambda: floor(as_rows),
            "oip": lambda: infer_document(model, orjson.loads(as_tensors)),
            "oip_floor": lambda: floor(as_tensors),
        },
        ROUNDS,
    )


def handlers(event: Path) -> dict[str, float]:
    """Microseconds at the median of a warm call: ``handler``, ``bare``."""
    document = json.loads(event.read_text())
    context = SimpleNamespace(function_name="predict", aws_request_id="id")
    calls = {name: _handler(path) for name, path in (("handler", OURS), ("bare", BARE))}
    return alternate({name: partial(call, document, context) for name, call in calls.items()}, ROUNDS)


def _handler(path: Path) -> Callable[..., Any]:
    spec = importlib.util.spec_from_file_location(path.parent.name + path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    handler: Callable[..., Any] = module.handler
    return handler


def starts(event: Path, environ: Mapping[str, str]) -> dict[str, float]:
    """Milliseconds at the median from a process's start to its first answer: ``start``, ``bare``."""
    taken: dict[str, list[float]] = {"start": [], "bare": []}
    for number in range(STARTS + 1):
        for name, path in (("start", OURS), ("bare", BARE)):
            seconds = _first_answer(path, event, environ)
            if number:  # the first writes the .pyc files
                taken[name].append(1e3 * seconds)
    return {name: round(statistics.median(found), 1) for name, found in taken.items()}


def _first_answer(path: Path, event: Path, environ: Mapping[str, str]) -> float:
    began = time.perf_counter()
    command = [sys.executable, "-c", FIRST_ANSWER, path, event]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line == "ANSWERED 200\n":
                return time.perf_counter() - began
    raise SystemExit(f"{path} gave no answer")


def imports(event: Path, environ: Mapping[str, str]) -> dict[str, float]:
    """Milliseconds of a start's imports beyond onnxruntime, numpy and orjson, by package, the dearest first."""
    command = [sys.executable, "-X", "importtime", "-c", FIRST_ANSWER, OURS, event]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    found: Counter[str] = Counter()
    for line in done.stderr.splitlines():
        microseconds, *_, module = line.removeprefix("import time:").split("|")
        if microseconds.strip().isdigit():
            package = module.strip().split(".")[0]
            found["Python's own" if package in sys.stdlib_module_names else package] += int(microseconds)
    return {name: round(took / 1e3, 1) for name, took in found.most_common() if name not in GIVEN and took >= 500}


def registry(file: bytes, signature: Any) -> tuple[Items, dict[str, bytes]]:
    """What the table and the bucket hold of version 1 of demo's adult."""
    key = f"tenants/demo/artifacts/{hashlib.sha256(file).hexdigest()}"
    artifact = {"key": key, "sha256": hashlib.sha256(file).hexdigest(), "bytes": len(file)}
    record = json.dumps({"status": "READY", "artifact": artifact, "signature": signature})
    items = {alias_key("demo", "adult", "live"): {"version": {"N": "1"}}}
    items[version_key("demo", "adult", 1)] = {"record": {"S": record}}
    return items, {key: file}


def environment(endpoint: str) -> dict[str, str]:
    """What the template gives to the function, and its memory's one vCPU; .pyc files, as layers have them."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHONDONTWRITE"))},
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
        "POWERTOOLS_SERVICE_NAME": "predict",
        "POWERTOOLS_METRICS_NAMESPACE": "modeldrop",
        "TABLE_NAME": "modeldrop-table",
        "ARTIFACTS_BUCKET": "modeldrop-artifacts",
    }


def event_of(folder: Path) -> Path:
    """The event of one row, as API Gateway sends it."""
    event = json.loads((ROOT / "tests" / "events" / "predict.json").read_text())
    event["body"] = json.dumps({"rows": [json.loads((folder / "row.json").read_text())]})
    path = folder / "event.json"
    path.write_text(json.dumps(event))
    return path


def around(folder: Path) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    """Warm handlers, process starts, imports."""
    event = event_of(folder)
    held = registry((folder / "model.onnx").read_bytes(), json.loads((folder / "signature.json").read_text()))
    with serve(*held) as endpoint:
        environ = environment(endpoint)
        command = [sys.executable, __file__, "handlers", event]
        done = subprocess.run(
            command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True
        )
        return json.loads(done.stderr), starts(event, environ), imports(event, environ)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        train(folder)
        cores = {algorithm: core(folder / algorithm) for algorithm in ALGORITHMS}
        warm, cold, imported = around(folder / ALGORITHMS[0])
    first = cores[ALGORITHMS[0]]
    ratios = {
        "core": first["core"] / first["floor"],
        "handler": warm["handler"] / warm["bare"],
        "start": cold["start"] / cold["bare"],
        **{f"core, {algorithm}": took["core"] / took["floor"] for algorithm, took in cores.items()},
        **{f"core as tensors, {algorithm}": took["oip"] / took["oip_floor"] for algorithm, took in cores.items()},
    }
    report(
        "serving",
        results={"core_us": cores, "handler_us": warm["handler"], "start_ms": cold["start"], "imports_ms": imported},
        floor={"core_us": first["floor"], "handler_us": warm["bare"], "start_ms": cold["bare"]},
        peers={},
        ratios={ratio: round(value, 3) for ratio, value in ratios.items()},
        met=all(ratios[ratio] <= most for ratio, most in WANTED.items()),
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["handlers"]:
        print(json.dumps(handlers(Path(sys.argv[2]))), file=sys.stderr)
    else:
        main()
