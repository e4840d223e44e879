"""Texts as tokens and as counted terms, by operators of onnxruntime.

Texts are read one row at a time (Scan), so that memory does not grow with rows x longest text or rows x vocabulary. A
batch must have at least one row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper

from pipeline.graphs.compose import make_model
from pipeline.graphs.encoding import TEXT
from pipeline.graphs.writer import NamedGraph

__all__ = ["MIN_TEXT_NORM", "NgramTable", "Unit", "id_graph", "scan_rows", "score_graph", "token_graph", "token_nodes"]

Unit = Literal["word", "letter"]
Matrix = npt.NDArray[np.float32]

# Scripts without spaces between words: each character, with its marks, is a token. The last two code points lengthen a
# vowel of Katakana; Unicode assigns them to no single script.
_SPACELESS = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\x{30FC}\x{FF70}"
# RE2's \w is only ASCII. Here words are letters, marks and digits of any other script; each other sign is a token.
# [^\P{L}...] are the letters in none of the classes that follow.
_WORDS = (
    rf"(?:[^\P{{L}}{_SPACELESS}]|[^\P{{M}}{_SPACELESS}]|[^\P{{N}}{_SPACELESS}]|[_'])+"
    rf"|[{_SPACELESS}]\p{{M}}*"
    r"|[^\s\p{L}\p{M}\p{N}]"
)
MIN_TEXT_NORM = 1e-6  # smallest norm to divide by: a text without known terms has the norm 0
_value = helper.make_tensor_value_info


@dataclass(frozen=True, kw_only=True, slots=True)
class NgramTable:
    """The terms of a text column that are counted, with their weights.

    Attributes:
        unit: Whether a token is a word or a letter.
        grams: The terms, each some consecutive tokens, sorted by the number of tokens.
        idf: Inverse document frequencies [terms]. A term with ``n`` occurrences in a text has the value
            ``(1 + log n) * idf``; the values of a text are then scaled to unit length.
        weights: Weight of each term in each score [terms, scores].
    """

    unit: Unit
    grams: Sequence[tuple[str, ...]]
    idf: Matrix
    weights: Matrix


def token_nodes(text: str, tokens: str, unit: Unit) -> list[onnx.NodeProto]:
    """Return nodes from ``text`` [rows] to lower-case ``tokens`` [rows, tokens], padded with ''.

    Words of scripts without spaces are read character by character. With letters, marks are added at the begin and the
    end of a text.
    """
    form = {"tokenexp": _WORDS} if unit == "word" else {"separators": [""]}
    lower, marked = f"{tokens}_lower", int(unit == "letter")
    return [
        helper.make_node("StringNormalizer", [text], [lower], case_change_action="LOWER", locale="C.UTF-8"),
        helper.make_node(
            "Tokenizer", [lower], [tokens], domain="com.microsoft", mark=marked, mincharnum=1, pad_value="", **form
        ),
    ]


def token_graph(unit: Unit) -> onnx.ModelProto:
    """Return the graph from a column's texts [rows] to tokens [rows, tokens]; training runs it, so serving agrees."""
    return make_model(
        "tokens",
        token_nodes("texts", "tokens", unit),
        [_value("texts", TensorProto.STRING, ["rows"])],
        [_value("tokens", TensorProto.STRING, ["rows", "tokens"])],
    )


def score_graph(columns: Sequence[NgramTable | None], bias: Matrix) -> onnx.ModelProto:
    """Return the graph from ``text`` to ``scores`` float [batch, scores]: ``bias`` plus each column's weighted terms.

    The graph skips text columns whose entry in ``columns`` is None.
    """
    graph = NamedGraph()
    graph.constant("bias", bias[None].astype(np.float32))
    graph.constant("first", np.array([0]))
    graph.constant("second", np.array(1))
    scores = [_add_scores(graph, index, terms) for index, terms in enumerate(columns) if terms is not None]
    graph.add("Squeeze", graph.add("Sum", "bias", *scores, name="sum"), "first", name="row_scores")
    row = _row_subgraph(graph, _value("row_scores", TensorProto.FLOAT, [len(bias)]), len(columns))
    return scan_rows(row, TEXT, _value("scores", TensorProto.FLOAT, ["batch", len(bias)]), columns=len(columns))


def id_graph(columns: Sequence[tuple[Unit, Sequence[str]]], length: int, output: str) -> onnx.ModelProto:
    """Return the graph from ``text`` to ``output`` int64 [batch, columns x length]: ids of each column's first tokens.

    Args:
        columns: Unit and vocabulary of each column; the ids of the vocabulary are 2, 3 ...; 1 is an unknown token, 0
            is padding.
        length: Number of tokens per column.
        output: Name of the output.
    """
    graph = NamedGraph()
    none, start, end = (
        graph.constant("none", np.zeros((1, length), np.int64)),
        graph.constant("start", np.array([0])),
        graph.constant("end", np.array([length])),
    )
    along, slices = graph.constant("along", np.array([1])), []
    for index, (unit, vocabulary) in enumerate(columns):
        column = graph.constant(f"column_{index}", np.array([index]))
        text = graph.add("Gather", "row", column, name=f"text_{index}")
        graph.nodes.extend(token_nodes(text, f"tokens_{index}", unit))
        ids = graph.add(
            "LabelEncoder",
            f"tokens_{index}",
            name=f"ids_{index}",
            domain="ai.onnx.ml",
            keys_strings=list(vocabulary),
            values_int64s=list(range(2, len(vocabulary) + 2)),
            default_int64=1,
        )
        padded = graph.add("Concat", ids, none, name=f"padded_{index}", axis=1)
        slices.append(graph.add("Slice", padded, start, end, along, name=f"first_{index}"))
    graph.add("Squeeze", graph.add("Concat", *slices, name="together", axis=1), start, name="row_ids")
    width = length * len(columns)
    row = _row_subgraph(graph, _value("row_ids", TensorProto.INT64, [width]), len(columns))
    return scan_rows(row, TEXT, _value(output, TensorProto.INT64, ["batch", width]), columns=len(columns))


def _row_subgraph(graph: NamedGraph, output: onnx.ValueInfoProto, columns: int) -> onnx.GraphProto:
    """Return the subgraph for one row's texts. It declares the type of tokens: without it onnx crashes on Tokenizer."""
    tokens = [node.output[0] for node in graph.nodes if node.op_type == "Tokenizer"]
    return helper.make_graph(
        graph.nodes,
        "row",
        [_value("row", TensorProto.STRING, [columns])],
        [output],
        graph.constants,
        value_info=[_value(name, TensorProto.STRING, [1, None]) for name in tokens],
    )


def scan_rows(row: onnx.GraphProto, text: str, output: onnx.ValueInfoProto, *, columns: int) -> onnx.ModelProto:
    """Return the graph from ``text`` [batch, columns] to ``output``: a Scan of ``row``, which reads a row [columns]."""
    scan = helper.make_node("Scan", [text], [output.name], body=row, num_scan_inputs=1)
    return make_model("texts", [scan], [_value(text, TensorProto.STRING, ["batch", columns])], [output])


def _add_scores(graph: NamedGraph, column: int, terms: NgramTable) -> str:
    """Add nodes from ``row`` [columns] to scores [1, scores], which compute only with nonzero counts of [1, terms]."""
    names = {
        name: graph.constant(f"{name}_{column}", values)
        for name, values in {
            "column": np.array([column]),
            "one": np.array(1, np.float32),
            "least": np.array(MIN_TEXT_NORM, np.float32),
            "idf": terms.idf.astype(np.float32),
            "weights": terms.weights.astype(np.float32),
        }.items()
    }

    def add(operator: str, *inputs: str, name: str, **attributes: Any) -> str:
        return graph.add(operator, *inputs, name=f"{name}_{column}", **attributes)

    graph.nodes.extend(token_nodes(add("Gather", "row", names["column"], name="text"), f"tokens_{column}", terms.unit))
    counts = add("TfIdfVectorizer", f"tokens_{column}", name="counts", **_count_attributes(terms.grams))
    indices = add("Gather", add("NonZero", counts, name="there"), "second", name="found", axis=0)
    logarithms = add("Log", add("Gather", counts, indices, name="times", axis=1), name="more")
    frequencies = add("Add", logarithms, names["one"], name="worth")
    values = add("Mul", frequencies, add("Gather", names["idf"], indices, name="rare"), name="values")
    length = add("ReduceL2", values, name="length", keepdims=1)
    scale = add("Max", length, names["least"], name="scale")
    weights = add("Gather", names["weights"], indices, name="told", axis=0)
    return add("Div", add("MatMul", values, weights, name="whole"), scale, name="scores")


def _count_attributes(grams: Sequence[tuple[str, ...]]) -> dict[str, Any]:
    """Return the attributes of the TfIdfVectorizer that counts ``grams``."""
    sizes = [len(gram) for gram in grams]
    assert sizes == sorted(sizes), "the pool holds the shorter ones first"
    widths = [size * sizes.count(size) for size in range(1, sizes[-1])]
    return {
        "mode": "TF",
        "min_gram_length": sizes[0],
        "max_gram_length": sizes[-1],
        "max_skip_count": 0,
        "ngram_counts": list(accumulate(widths, initial=0)),
        "ngram_indexes": list(range(len(sizes))),
        "pool_strings": [token for gram in grams for token in gram],
    }
