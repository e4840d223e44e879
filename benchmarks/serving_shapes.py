"""How much more does a prediction cost than the minimum, by the shape of the request and its form?

One row of 14 and of 2,000 columns, 1,000 rows of 14: as rows, as JSON tensors, as binary tensors. Each form has its own
floor in the same run, without checks: orjson (numpy for binary data) parses the same body into arrays, onnxruntime's
own InferenceSession.run predicts, and orjson (or tobytes) writes the outputs. p99 is reported, too.
"""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # before benchmarks/, whose pipeline.py hides the package

import numpy as np
import onnxruntime
import orjson
from common import report, sample
from onnx import TensorProto, helper, numpy_helper

from pipeline.contracts.signature import Column, Signature
from pipeline.serving.api.messages import HttpRequest
from pipeline.serving.api.protocols.infer import infer
from pipeline.serving.loaded_model import LoadedModel
from pipeline.serving.model_loader import make_session_factory

SHAPES = ((1, 14), (1, 2_000), (1_000, 14))  # rows, columns
MAX_RATIO = {"rows": 1.3, "tensors": 1.3, "binary": 1.15}
MAX_RATIO_OF_MANY_ROWS = 1.2
MAX_SPREAD = 3  # p99 as a multiple of the median
MANY_COLUMNS = 1_000  # from here the floor, like modeldrop, skips onnxruntime's check of inputs: its time is quadratic
ROUNDS, FEW_ROUNDS = 3_000, 400


def make_model(columns: int) -> tuple[LoadedModel, onnxruntime.InferenceSession]:
    """Return a regression, the sum of one input per column, and the floor's session of the same file."""
    names = [f"column {number}" for number in range(columns)]
    nodes = [helper.make_node("Reshape", [name, "shape"], [f"{name}/wide"]) for name in names]
    nodes.append(helper.make_node("Concat", [f"{name}/wide" for name in names], ["features"], axis=1))
    nodes.append(helper.make_node("MatMul", ["features", "weights"], ["sums"]))
    nodes.append(helper.make_node("Reshape", ["sums", "flat"], ["value"]))
    constants = {"shape": np.array([-1, 1]), "flat": np.array([-1]), "weights": np.ones((columns, 1), np.float32)}
    graph = helper.make_graph(
        nodes,
        "sum",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in names],
        [helper.make_tensor_value_info("value", TensorProto.FLOAT, ["n"])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    file = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10).SerializeToString()
    signature = Signature(
        task="regression", target="target", columns=tuple(Column(name=name, kind="numeric") for name in names)
    )
    session = make_session_factory(1)(file)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    plain = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    model = LoadedModel(tenant="demo", model="sum", version=1, signature=signature, session=session)
    return model, session if columns >= MANY_COLUMNS else plain


def calls_of(rows: int, columns: int) -> dict[str, Callable[[], object]]:
    """Return the calls in three forms for this shape, and their floors, by name."""
    model, session = make_model(columns)
    run, names = session.run, [column.name for column in model.signature.columns]
    table = np.random.default_rng(0).normal(size=(rows, columns)).astype(np.float32)
    feeds = {name: np.ascontiguousarray(table[:, number]) for number, name in enumerate(names)}
    outputs = list(model.outputs)
    path, options = "/v2/models/sum/infer", orjson.OPT_SERIALIZE_NUMPY
    as_rows = json.dumps({"rows": [dict(zip(names, row, strict=True)) for row in table.tolist()]}).encode()
    tensors = [{"name": n, "shape": [rows], "datatype": "FP32", "data": feeds[n].tolist()} for n in names]
    as_tensors = json.dumps({"inputs": tensors}).encode()
    sized = [
        {"name": n, "shape": [rows], "datatype": "FP32", "parameters": {"binary_data_size": 4 * rows}} for n in names
    ]
    header = json.dumps({"inputs": sized, "parameters": {"binary_data_output": True}}).encode()
    as_binary, length = header + b"".join(feeds[name].tobytes() for name in names), len(header)
    binary_headers = {"inference-header-content-length": str(length)}

    def row_floor() -> bytes:
        read = orjson.loads(as_rows)["rows"]
        columns_read = {name: np.array([row[name] for row in read], np.float32) for name in names}
        (value,) = run(outputs, columns_read)
        return orjson.dumps({"predictions": [{"value": number} for number in value]}, option=options)

    def tensor_floor() -> bytes:
        read = {tensor["name"]: np.array(tensor["data"], np.float32) for tensor in orjson.loads(as_tensors)["inputs"]}
        (value,) = run(outputs, read)
        return orjson.dumps({"outputs": [{"name": "value", "data": value}]}, option=options)

    def binary_floor() -> bytes:
        read, offset = {}, length
        for tensor in orjson.loads(as_binary[:length])["inputs"]:
            size = tensor["parameters"]["binary_data_size"]
            read[tensor["name"]] = np.frombuffer(as_binary, np.float32, size // 4, offset)
            offset += size
        (value,) = run(outputs, read)
        return orjson.dumps({"outputs": [{"name": "value"}]}) + value.tobytes()

    return {
        "rows": lambda: infer(model, HttpRequest("POST", path, as_rows)),
        "rows_floor": row_floor,
        "tensors": lambda: infer(model, HttpRequest("POST", path, as_tensors)),
        "tensors_floor": tensor_floor,
        "binary": lambda: infer(model, HttpRequest("POST", path, as_binary, binary_headers)),
        "binary_floor": binary_floor,
    }


def main() -> None:
    """Measure every shape and form."""
    gc.freeze()  # functions/predict/app.py does the same
    results, floors, ratios = {}, {}, {}
    met = True
    for rows, columns in SHAPES:
        taken = sample(calls_of(rows, columns), ROUNDS if columns < MANY_COLUMNS and rows < 100 else FEW_ROUNDS)
        for form, max_ratio in MAX_RATIO.items():
            name = f"{form}/{rows}x{columns}"
            for side, key in ((results, form), (floors, f"{form}_floor")):
                median, p99 = (taken[key][int(quantile * len(taken[key]))] for quantile in (0.5, 0.99))
                side[name] = {"p50": round(median, 2), "p99": round(p99, 2)}
            ratios[name] = round(results[name]["p50"] / floors[name]["p50"], 2)
            met &= ratios[name] <= (max_ratio if rows == 1 else MAX_RATIO_OF_MANY_ROWS)
            met &= results[name]["p99"] <= MAX_SPREAD * results[name]["p50"]
    report("serving_shapes", results=results, floor=floors, peers={}, ratios=ratios, met=met)


if __name__ == "__main__":
    main()
