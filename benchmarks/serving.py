"""How much more does a prediction cost than the minimum? One row of 14 raw columns, event in, response out.

Three ratios, each to a floor in the same run: the core (decode, session.run, encode) to only orjson and session.run;
the whole handler to a bare one with the same duties; the start of a process up to its first response to a bare one with
the same libraries, clients and session.
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
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # before benchmarks/, whose pipeline.py hides the package

import numpy as np
import onnxruntime
import orjson
from common import alternate, report, sample
from serving_stub import Items, serve

from pipeline.contracts.signature import Signature
from pipeline.contracts.table_keys import alias_key, version_key
from pipeline.serving.api.messages import HttpRequest
from pipeline.serving.api.protocols.infer import infer
from pipeline.serving.loaded_model import LoadedModel
from pipeline.serving.model_loader import make_session_factory

ROOT = Path(__file__).parents[1]
BARE, OURS = ROOT / "benchmarks" / "serving_bare.py", ROOT / "functions" / "predict" / "app.py"
ALGORITHMS = ("gradient_boosting", "linear", "mlp")  # the first wins on Adult; handler and start are measured with it
ROUNDS, STARTS = 3000, 15
WANTED = {"handler": 1.2, "start": 1.3}
MAX_RATIO = {"rows": 1.3, "tensors": 1.3, "binary": 1.15}  # of the core to its floor
MAX_SPREAD = 3  # p99 as a multiple of p50
GIVEN = {"numpy", "onnxruntime", "orjson"}  # packages that every serving process must import
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
    """Train a model of each of ALGORITHMS into a subfolder, in separate processes."""
    for algorithm in ALGORITHMS:
        (folder / algorithm).mkdir()
        script = ROOT / "benchmarks" / "serving_model.py"
        subprocess.run([sys.executable, script, folder / algorithm, algorithm], check=True)


def core(folder: Path) -> dict[str, dict[str, float]]:
    """Return p50 and p99 in microseconds: one row as ``rows``, ``tensors``, ``binary``, each with its floor.

    A floor parses the same body into arrays (orjson, numpy), calls onnxruntime's own InferenceSession.run, and writes
    the outputs, without any checks.
    """
    taken = sample(_core_calls(folder), ROUNDS)
    return {
        name: {"p50": round(times[len(times) // 2], 2), "p99": round(times[int(0.99 * len(times))], 2)}
        for name, times in taken.items()
    }


def _core_calls(folder: Path) -> dict[str, Callable[[], object]]:
    """Return the calls for one row in three forms, and their floors, by name."""
    signature = Signature.from_dict(json.loads((folder / "signature.json").read_text()))
    file = (folder / "model.onnx").read_bytes()
    session = make_session_factory(1)(file)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    run = onnxruntime.InferenceSession(file, options).run
    model = LoadedModel(tenant="demo", model="adult", version=1, signature=signature, session=session)
    row = json.loads((folder / "row.json").read_text())
    dtypes = {c.name: object if c.datatype == "BYTES" else np.float32 for c in signature.columns}
    tensors = [{"name": c.name, "shape": [1], "datatype": c.datatype, "data": [row[c.name]]} for c in signature.columns]
    data = [_to_bytes(row[c.name]) for c in signature.columns]
    sized = [
        {"name": c.name, "shape": [1], "datatype": c.datatype, "parameters": {"binary_data_size": len(content)}}
        for c, content in zip(signature.columns, data, strict=True)
    ]
    header = json.dumps({"inputs": sized, "parameters": {"binary_data_output": True}}).encode()
    as_rows, as_tensors = json.dumps({"rows": [row]}).encode(), json.dumps({"inputs": tensors}).encode()
    as_binary, length = header + b"".join(data), len(header)
    names, classes, numpy = list(signature.outputs), signature.classes, orjson.OPT_SERIALIZE_NUMPY
    path, headers = "/v2/models/adult/infer", {"inference-header-content-length": str(length)}

    def row_floor() -> bytes:
        (cells,) = orjson.loads(as_rows)["rows"]
        label, scores = run(names, {name: np.array([cells[name]], dtype) for name, dtype in dtypes.items()})
        scores_by_class = dict(zip(classes, scores[0], strict=True))
        return orjson.dumps({"predictions": [{"label": label[0], "probabilities": scores_by_class}]}, option=numpy)

    def tensor_floor() -> bytes:
        inputs = orjson.loads(as_tensors)["inputs"]
        label, scores = run(names, {t["name"]: np.array(t["data"], dtypes[t["name"]]) for t in inputs})
        outputs = [{"name": "label", "data": label.tolist()}, {"name": "probabilities", "data": scores.ravel()}]
        return orjson.dumps({"outputs": outputs}, option=numpy)

    def binary_floor() -> bytes:
        feeds, start = {}, length
        for tensor in orjson.loads(as_binary[:length])["inputs"]:
            end = start + tensor["parameters"]["binary_data_size"]
            if tensor["datatype"] == "BYTES":
                feeds[tensor["name"]] = np.array([as_binary[start + 4 : end].decode()], object)
            else:
                feeds[tensor["name"]] = np.frombuffer(as_binary, np.float32, 1, start)
            start = end
        label, scores = run(names, feeds)
        text = label[0].encode()
        pieces = (len(text).to_bytes(4, "little") + text, scores.tobytes())
        outputs = [{"name": name, "size": len(piece)} for name, piece in zip(names, pieces, strict=True)]
        return b"".join((orjson.dumps({"outputs": outputs}), *pieces))

    return {
        "rows": lambda: infer(model, HttpRequest("POST", path, as_rows)),
        "rows_floor": row_floor,
        "tensors": lambda: infer(model, HttpRequest("POST", path, as_tensors)),
        "tensors_floor": tensor_floor,
        "binary": lambda: infer(model, HttpRequest("POST", path, as_binary, headers)),
        "binary_floor": binary_floor,
    }


def _to_bytes(cell: str | float) -> bytes:
    """Return the binary form of one element: a text with its length, or a float32."""
    if isinstance(cell, str):
        return len(cell.encode()).to_bytes(4, "little") + cell.encode()
    return np.float32(cell).tobytes()


def handlers(event: Path) -> dict[str, float]:
    """Return the median microseconds of a warm call of ``handler`` and ``bare``."""
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
    """Return the median milliseconds from a process's start to its first response, for ``start`` and ``bare``."""
    taken: dict[str, list[float]] = {"start": [], "bare": []}
    for number in range(STARTS + 1):
        for name, path in (("start", OURS), ("bare", BARE)):
            seconds = seconds_to_answer([sys.executable, "-c", FIRST_ANSWER, path, event], environ)
            if number:  # the first process writes the .pyc files
                taken[name].append(1e3 * seconds)
    return {name: round(statistics.median(times), 1) for name, times in taken.items()}


def seconds_to_answer(command: Sequence[str | Path], environ: Mapping[str, str]) -> float:
    """Return the seconds from the start of a process to its line ``ANSWERED 200``."""
    began = time.perf_counter()
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("ANSWERED 200"):
                return time.perf_counter() - began
    raise SystemExit(f"{command} gave no answer")


def imports(event: Path, environ: Mapping[str, str]) -> dict[str, float]:
    """Return the import milliseconds of packages other than GIVEN at a start, from 0.5 ms, the slowest first."""
    command = [sys.executable, "-X", "importtime", "-c", FIRST_ANSWER, OURS, event]
    process = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    durations: Counter[str] = Counter()
    for line in process.stderr.splitlines():
        microseconds, *_, module = line.removeprefix("import time:").split("|")
        if microseconds.strip().isdigit():
            package = module.strip().split(".")[0]
            durations["Python's own" if package in sys.stdlib_module_names else package] += int(microseconds)
    return {name: round(took / 1e3, 1) for name, took in durations.most_common() if name not in GIVEN and took >= 500}


def registry(file: bytes, signature: Any) -> tuple[Items, dict[str, bytes]]:
    """Return the items of the table and the objects of the bucket for version 1 of the model adult of tenant demo."""
    key = f"tenants/demo/artifacts/{hashlib.sha256(file).hexdigest()}"
    artifact = {"key": key, "sha256": hashlib.sha256(file).hexdigest(), "bytes": len(file)}
    record = json.dumps({"status": "READY", "artifact": artifact, "signature": signature})
    items = {alias_key("demo", "adult", "live"): {"version": {"N": "1"}}}
    items[version_key("demo", "adult", 1)] = {"record": {"S": record}}
    return items, {key: file}


def environment(endpoint: str) -> dict[str, str]:
    """Return the environment variables of the function in the template, with writing of .pyc files, as in layers."""
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
    """Write the event of one row in API Gateway's format, and return its path."""
    event = json.loads((ROOT / "tests" / "events" / "predict.json").read_text())
    event["body"] = json.dumps({"rows": [json.loads((folder / "row.json").read_text())]})
    path = folder / "event.json"
    path.write_text(json.dumps(event))
    return path


def around(folder: Path) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    """Return the results of ``handlers``, ``starts`` and ``imports``, with the registry on loopback."""
    event = event_of(folder)
    held = registry((folder / "model.onnx").read_bytes(), json.loads((folder / "signature.json").read_text()))
    with serve(*held) as endpoint:
        environ = environment(endpoint)
        command = [sys.executable, __file__, "handlers", event]
        process = subprocess.run(
            command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True
        )
        return json.loads(process.stderr), starts(event, environ), imports(event, environ)


def main() -> None:
    """Measure core, handler and start, and print the report."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        train(folder)
        cores = {algorithm: core(folder / algorithm) for algorithm in ALGORITHMS}
        warm, cold, imported = around(folder / ALGORITHMS[0])
    ratios = {"handler": warm["handler"] / warm["bare"], "start": cold["start"] / cold["bare"]}
    bounds = dict(WANTED)
    for algorithm, took in cores.items():
        for form, bound in MAX_RATIO.items():
            name = f"{form}, {algorithm}"
            ratios[name] = took[form]["p50"] / took[f"{form}_floor"]["p50"]
            bounds[name] = bound
            ratios[f"p99/p50, {name}"] = took[form]["p99"] / took[form]["p50"]
            bounds[f"p99/p50, {name}"] = MAX_SPREAD
    report(
        "serving",
        results={"core_us": cores, "handler_us": warm["handler"], "start_ms": cold["start"], "imports_ms": imported},
        floor={"handler_us": warm["bare"], "start_ms": cold["bare"]},
        peers={},
        ratios={ratio: round(value, 3) for ratio, value in ratios.items()},
        met=all(ratios[ratio] <= bound for ratio, bound in bounds.items()),
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["handlers"]:
        print(json.dumps(handlers(Path(sys.argv[2]))), file=sys.stderr)
    else:
        main()
