"""The ONNX files of the server's benchmarks, with random weights, since speed does not depend on their values."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

__all__ = ["INPUT_SHAPES", "write_models"]

INPUT_SHAPES = {"table": (14,), "cnn": (1, 28, 28), "wide": (2048,), "text": ()}


def write_models(folder: Path) -> None:
    """Write the models in Triton's layout, ``NAME/1/model.onnx``.

    They are ``table`` (14-256-256-2), ``cnn`` (two convolutions on 28 x 28), ``wide`` (16 x Linear 2048) and ``text``
    (counts of 5,000 words and a linear layer).
    """
    random = np.random.default_rng(0)
    graphs = {
        "table": _dense(random, (14, 256, 256, 2)),
        "cnn": _convolutions(random),
        "wide": _dense(random, (2048,) * 17),
        "text": _bag_of_words(random),
    }
    for name, (nodes, weights) in graphs.items():
        datatype = TensorProto.STRING if name == "text" else TensorProto.FLOAT
        inputs = [helper.make_tensor_value_info("x", datatype, ["rows", *INPUT_SHAPES[name]])]
        outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", None])]
        graph = helper.make_graph(nodes, name, inputs, outputs, weights)
        path = folder / name / "1" / "model.onnx"
        path.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)


def _weight(random: np.random.Generator, name: str, *shape: int) -> onnx.TensorProto:
    scale = 1 / np.sqrt(np.prod(shape[1:]) if len(shape) > 2 else shape[0])
    return numpy_helper.from_array(random.normal(0, scale, shape).astype(np.float32), name)


def _dense(random: np.random.Generator, widths: tuple[int, ...]) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    nodes, weights, previous = [], [], "x"
    last = len(widths) - 2
    for layer, (before, after) in enumerate(itertools.pairwise(widths)):
        weights.append(_weight(random, f"w{layer}", before, after))
        name = "y" if layer == last else f"h{layer}"
        nodes.append(helper.make_node("MatMul", [previous, f"w{layer}"], [name]))
        if layer != last:
            nodes.append(helper.make_node("Relu", [name], [f"r{layer}"]))
            previous = f"r{layer}"
    return nodes, weights


def _convolutions(random: np.random.Generator) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    weights = [
        _weight(random, "c1", 16, 1, 3, 3),
        _weight(random, "c2", 32, 16, 3, 3),
        _weight(random, "d", 32 * 49, 10),
    ]
    pool = {"kernel_shape": [2, 2], "strides": [2, 2]}
    nodes = [
        helper.make_node("Conv", ["x", "c1"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("MaxPool", ["b"], ["e"], **pool),
        helper.make_node("Conv", ["e", "c2"], ["f"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["f"], ["g"]),
        helper.make_node("MaxPool", ["g"], ["h"], **pool),
        helper.make_node("Flatten", ["h"], ["i"]),
        helper.make_node("MatMul", ["i", "d"], ["y"]),
    ]
    return nodes, weights


def _bag_of_words(random: np.random.Generator) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    words = ["the", "and", "was", "fast", "late", "broke", *(f"word{number}" for number in range(4_994))]
    counter = helper.make_node(
        "TfIdfVectorizer", ["words"], ["counts"], mode="TF", min_gram_length=1, max_gram_length=1, max_skip_count=0,
        ngram_counts=[0], ngram_indexes=list(range(len(words))), pool_strings=words,
    )  # fmt: skip
    nodes = [
        helper.make_node("StringSplit", ["x"], ["words", "lengths"], delimiter=" "),
        counter,
        helper.make_node("MatMul", ["counts", "w"], ["y"]),
    ]
    return nodes, [_weight(random, "w", len(words), 4)]
