"""Small trained networks as candidates, without torch; and one corrupted weight, like that of a faulty exporter."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import onnx
import polars as pl
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.neural_network import MLPClassifier, MLPRegressor

from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.records.dataset import ColumnProfile, Dataset, SplitRows
from pipeline.contracts.records.outcome import TrainedCandidate
from pipeline.evaluation.predictions import Predictions
from pipeline.graphs.encoding import CAT, NUM, Encoding
from pipeline.graphs.served_graph import wrap
from tests.fakes.objects import FakeObjectStore

_LOADERS = {
    "breast_cancer": load_breast_cancer,
    "wine": load_wine,
    "diabetes": lambda: load_diabetes(scaled=False),
}


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A candidate's serialized body and model, its data set, and ``predicted``, the reference predictions."""

    dataset: Dataset
    validation: pl.DataFrame
    body: bytes
    model: bytes
    predicted: np.ndarray

    @property
    def answers(self) -> Predictions:
        return Predictions.of(self.dataset.signature, self.predicted)

    def stored(
        self, artifacts: FakeObjectStore, keys: RunKeys, name: str = "mlp", model: bytes | None = None, **changes: Any
    ) -> TrainedCandidate:
        """Store the files under the keys of training, with ``model`` instead of the correct export if it is given."""
        content = self.model if model is None else model
        key = "probabilities" if self.dataset.task == "classification" else "value"
        reference = BytesIO()
        np.savez(reference, **{key: self.predicted})
        fields = {
            "candidate": name,
            "algorithm": "mlp",
            "device": "cpu",
            "seconds": 1.5,
            "quality": {},
            "tolerance": 1e-4,
            "model_sha256": hashlib.sha256(content).hexdigest(),
        }
        trained = TrainedCandidate.model_validate(fields | changes)
        artifacts.put(keys.candidate(name, "model.onnx"), content)
        artifacts.put(keys.candidate(name, "body.onnx"), self.body)
        artifacts.put(keys.candidate(name, "reference.npz"), reference.getvalue())
        artifacts.put(keys.candidate(name, "trained.json"), trained.to_bytes())
        return trained


def trained(name: str, hidden: Sequence[int] = (64, 32), seed: int = 0) -> Trained:
    """Train a network on one of scikit-learn's data sets; a tenth of the rows are validation rows."""
    bunch = _LOADERS[name]()
    classes = tuple(map(str, getattr(bunch, "target_names", ())))
    rows = np.random.default_rng(seed).permutation(len(bunch.data))
    validation, train = np.split(rows, [len(rows) // 10])
    x = bunch.data.astype(np.float32)
    mean, std = x[train].mean(axis=0), x[train].std(axis=0)
    network = _fit((x[train] - mean) / std, bunch.target[train], classes, hidden, seed)
    names = [str(column).replace(" ", "_") for column in bunch.feature_names]
    target = [classes[y] for y in bunch.target] if classes else bunch.target.astype(float)
    frame = pl.DataFrame(x, schema=names).with_columns(pl.Series("target", target))
    columns = tuple(ColumnProfile(name=column, kind="numeric", missing=0, distinct=9) for column in names)
    return _exported(network, mean=mean, std=std, validation=frame[validation], columns=columns, classes=classes)


def _fit(x: np.ndarray, y: np.ndarray, classes: Sequence[str], hidden: Sequence[int], seed: int) -> list[np.ndarray]:
    """Return weights and biases of each layer in turns; the last layer has one output per class, or one value."""
    kind = MLPClassifier if classes else MLPRegressor
    options = {"hidden_layer_sizes": tuple(hidden), "random_state": seed, "early_stopping": True, "max_iter": 400}
    scale = 1.0 if classes else float(y.std())
    network = kind(**options).fit(x, y if classes else (y - y.mean()) / scale)
    layers = [
        part.astype(np.float32) for pair in zip(network.coefs_, network.intercepts_, strict=True) for part in pair
    ]
    if len(classes) == 2:  # scikit-learn has one logit; that of the first class is 0
        layers[-2:] = [np.concatenate([0 * part, part], axis=-1) for part in layers[-2:]]
    if not classes:
        layers[-2:] = [layers[-2] * scale, layers[-1] * scale + y.mean()]
    return [layer.astype(np.float32) for layer in layers]


def _exported(
    layers: list[np.ndarray],
    *,
    mean: np.ndarray,
    std: np.ndarray,
    validation: pl.DataFrame,
    columns: tuple[ColumnProfile, ...],
    classes: tuple[str, ...],
) -> Trained:
    dataset = Dataset(
        task="classification" if classes else "regression",
        target="target",
        columns=columns,
        classes=classes,
        rows=SplitRows(train=9, validation=validation.height, test=9),
        sha256="0" * 64,
    )
    body = dense_body(layers, mean, std, classification=bool(classes))
    num = Encoding.of(dataset).encode(validation)[NUM]
    return Trained(
        dataset=dataset,
        validation=validation,
        body=body.SerializeToString(),
        model=wrap(body, dataset, dataset.signature).SerializeToString(),
        predicted=_answer(layers, (num - mean) / std, classification=bool(classes)),
    )


def _answer(layers: list[np.ndarray], hidden: np.ndarray, *, classification: bool) -> np.ndarray:
    """Return the trained model's predictions, computed by numpy."""
    for weights, bias in zip(layers[:-2:2], layers[1:-2:2], strict=True):
        hidden = np.maximum(hidden @ weights + bias, 0)
    output = hidden @ layers[-2] + layers[-1]
    if not classification:
        return output[:, 0].astype(np.float64)
    exponents = np.exp(output - output.max(axis=1, keepdims=True))
    return (exponents / exponents.sum(axis=1, keepdims=True)).astype(np.float32)


def dense_body(layers: list[np.ndarray], mean: np.ndarray, std: np.ndarray, *, classification: bool) -> onnx.ModelProto:
    """Return a body: ``num`` -> standardize -> Gemm and Relu in turns -> probabilities or values."""
    constants = {"mean": mean, "std": std} | {f"w{i}": layer for i, layer in enumerate(layers)}
    nodes = [helper.make_node("Sub", [NUM, "mean"], ["centered"]), helper.make_node("Div", ["centered", "std"], ["x0"])]
    for i in range(0, len(layers), 2):
        nodes.append(helper.make_node("Gemm", [f"x{i}", f"w{i}", f"w{i + 1}"], [f"z{i}"], name=f"gemm_{i}"))
        last = i == len(layers) - 2
        end = ("Softmax" if classification else "Identity") if last else "Relu"
        nodes.append(helper.make_node(end, [f"z{i}"], ["answer" if last else f"x{i + 2}"]))
    inputs = [helper.make_tensor_value_info(NUM, TensorProto.FLOAT, ["batch", len(mean)])]
    return _model(nodes, inputs, layers[-1].shape[0], constants)


def embedding_body(cardinality: int, width: int, hidden: int) -> onnx.ModelProto:
    """Return a body: ``cat`` [batch, 1] -> row of an embedding -> MatMul, Relu, MatMul -> two probabilities."""
    draw = np.random.default_rng(0)
    constants = {
        "table": draw.normal(size=(cardinality, width)).astype(np.float32),
        "w0": draw.normal(size=(width, hidden)).astype(np.float32),
        "w1": draw.normal(size=(hidden, 2)).astype(np.float32),
    }
    first = numpy_helper.from_array(np.array(0, np.int64), "first")
    nodes = [
        helper.make_node("Gather", [CAT, "first"], ["ids"], axis=1, name="pick"),
        helper.make_node("Gather", ["table", "ids"], ["x0"], name="embed"),
        helper.make_node("MatMul", ["x0", "w0"], ["z0"], name="hidden"),
        helper.make_node("Relu", ["z0"], ["x1"]),
        helper.make_node("MatMul", ["x1", "w1"], ["z1"], name="out"),
        helper.make_node("Softmax", ["z1"], ["answer"]),
    ]
    inputs = [helper.make_tensor_value_info(CAT, TensorProto.INT64, ["batch", 1])]
    model = _model(nodes, inputs, 2, constants)
    model.graph.initializer.append(first)
    return model


def treeless_body(columns: int) -> onnx.ModelProto:
    """Return a body without weights: the softmax of its inputs."""
    nodes = [helper.make_node("Softmax", [NUM], ["answer"])]
    inputs = [helper.make_tensor_value_info(NUM, TensorProto.FLOAT, ["batch", columns])]
    return _model(nodes, inputs, columns, {})


def _model(
    nodes: list[onnx.NodeProto], inputs: list[onnx.ValueInfoProto], outputs: int, constants: dict[str, np.ndarray]
) -> onnx.ModelProto:
    answer = helper.make_tensor_value_info("answer", TensorProto.FLOAT, ["batch", outputs])
    tensors = [numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "body", inputs, [answer], tensors)
    return helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 20)])


def with_one_wrong_weight(model: bytes) -> bytes:
    """Return the graph with one number of its largest weight tensor changed: it runs, but its predictions are wrong."""
    graph = onnx.load_from_string(model)
    weights = max(graph.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    values = numpy_helper.to_array(weights).copy()
    values.flat[0] += 25
    weights.CopyFrom(numpy_helper.from_array(values, weights.name))
    return graph.SerializeToString()
