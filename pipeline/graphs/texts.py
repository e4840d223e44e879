"""Texts as tokens and as counted terms, in plain onnxruntime. Texts are read one row at a time (Scan), so that neither
the longest text of a batch nor the size of the vocabulary multiplies by its rows. A batch has one row at least.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from pipeline.graphs.compose import make_model
from pipeline.graphs.encoding import TEXT

__all__ = ["MIN_TEXT_NORM", "NgramTable", "Unit", "id_graph", "over_rows", "score_graph", "token_graph", "token_nodes"]

Unit = Literal["word", "letter"]
Matrix = npt.NDArray[np.float32]

# Scripts that put no blanks between words: each character, with its marks, is a token of its own. The last two signs
# lengthen a vowel of Katakana, and are of no script.
_SPACELESS = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\x{30FC}\x{FF70}"
# RE2's \w is ASCII alone: words are letters, marks and digits of any other script; each other sign is a token of its
# own. [^\P{L}...] are the letters that are in none of the classes that follow.
_WORDS = (
    rf"(?:[^\P{{L}}{_SPACELESS}]|[^\P{{M}}{_SPACELESS}]|[^\P{{N}}{_SPACELESS}]|[_'])+"
    rf"|[{_SPACELESS}]\p{{M}}*"
    r"|[^\s\p{L}\p{M}\p{N}]"
)
MIN_TEXT_NORM = 1e-6  # that a text is scaled by: one without a known term is of length 0
_value = helper.make_tensor_value_info


@dataclass(frozen=True, kw_only=True, slots=True)
class NgramTable:
    """What of a text column is counted: ``grams``, each some tokens in a row, sorted by their number of tokens.

    ``idf`` [terms]: a term of ``n`` occurrences in a text is worth ``(1 + log n) * idf``; a text is then scaled to unit
    length. ``weights`` [terms, scores].
    """

    unit: Unit
    grams: Sequence[tuple[str, ...]]
    idf: Matrix
    weights: Matrix


def token_nodes(text: str, tokens: str, unit: Unit) -> list[onnx.NodeProto]:
    """Return nodes from ``text`` [rows] to lower-case ``tokens`` [rows, tokens], '' after a row's last one.

    Words of scripts without blanks between them are read character by character. Letters are marked where the text
    begins and where it ends.
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
    """One column's texts [rows] -> tokens [rows, tokens]: what training reads, so that serving reads the same."""
    return make_model(
        "tokens",
        token_nodes("texts", "tokens", unit),
        [_value("texts", TensorProto.STRING, ["rows"])],
        [_value("tokens", TensorProto.STRING, ["rows", "tokens"])],
    )


def score_graph(columns: Sequence[NgramTable | None], bias: Matrix) -> onnx.ModelProto:
    """Return the graph from ``text`` to ``scores`` float [batch, scores]: ``bias`` plus each column's weighted terms.

    A column of None is not read.
    """
    column_scores = [_ColumnScores(index, terms) for index, terms in enumerate(columns) if terms is not None]
    nodes = [node for scores in column_scores for node in scores.nodes()]
    nodes += [
        helper.make_node("Sum", ["bias", *(scores.name("scores") for scores in column_scores)], ["sum"]),
        helper.make_node("Squeeze", ["sum", "first"], ["row_scores"]),
    ]
    constants = {"bias": bias[None].astype(np.float32), "first": np.array([0]), "second": np.array(1)}
    constants |= {name: values for scores in column_scores for name, values in scores.constants().items()}
    row = _row_subgraph(nodes, _value("row_scores", TensorProto.FLOAT, [len(bias)]), constants, len(columns))
    return over_rows(row, TEXT, _value("scores", TensorProto.FLOAT, ["batch", len(bias)]), columns=len(columns))


def id_graph(columns: Sequence[tuple[Unit, Sequence[str]]], length: int, output: str) -> onnx.ModelProto:
    """Return the graph from ``text`` to ``output`` int64 [batch, columns x length]: ids of each column's first tokens.

    ``columns``: how a column is read, and the tokens that are known, whose ids are 2, 3 ...; 1 is unknown, 0 is none.
    """
    nodes: list[onnx.NodeProto] = []
    constants = {"none": np.zeros((1, length), np.int64), "start": np.array([0]), "end": np.array([length])}
    constants |= {"along": np.array([1])}
    for index, (unit, vocabulary) in enumerate(columns):
        constants[f"column_{index}"] = np.array([index])
        nodes += [
            helper.make_node("Gather", ["row", f"column_{index}"], [f"text_{index}"]),
            *token_nodes(f"text_{index}", f"tokens_{index}", unit),
            helper.make_node(
                "LabelEncoder",
                [f"tokens_{index}"],
                [f"ids_{index}"],
                domain="ai.onnx.ml",
                keys_strings=list(vocabulary),
                values_int64s=list(range(2, len(vocabulary) + 2)),
                default_int64=1,
            ),
            helper.make_node("Concat", [f"ids_{index}", "none"], [f"padded_{index}"], axis=1),
            helper.make_node("Slice", [f"padded_{index}", "start", "end", "along"], [f"first_{index}"]),
        ]
    nodes += [
        helper.make_node("Concat", [f"first_{index}" for index in range(len(columns))], ["together"], axis=1),
        helper.make_node("Squeeze", ["together", "start"], ["row_ids"]),
    ]
    width = length * len(columns)
    row = _row_subgraph(nodes, _value("row_ids", TensorProto.INT64, [width]), constants, len(columns))
    return over_rows(row, TEXT, _value(output, TensorProto.INT64, ["batch", width]), columns=len(columns))


def _row_subgraph(
    nodes: Sequence[onnx.NodeProto],
    output: onnx.ValueInfoProto,
    constants: Mapping[str, npt.NDArray[Any]],
    columns: int,
) -> onnx.GraphProto:
    """Return the subgraph of one row's texts. It declares the tokens' type: without that onnx crashes on Tokenizer."""
    tokens = [node.output[0] for node in nodes if node.op_type == "Tokenizer"]
    return helper.make_graph(
        nodes,
        "row",
        [_value("row", TensorProto.STRING, [columns])],
        [output],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
        value_info=[_value(name, TensorProto.STRING, [1, None]) for name in tokens],
    )


def over_rows(row: onnx.GraphProto, text: str, output: onnx.ValueInfoProto, *, columns: int) -> onnx.ModelProto:
    """Return nodes from ``text`` [batch, columns] to ``output``: a Scan of a graph that reads one row [columns]."""
    scan = helper.make_node("Scan", [text], [output.name], body=row, num_scan_inputs=1)
    return make_model("texts", [scan], [_value(text, TensorProto.STRING, ["batch", columns])], [output])


@dataclass(frozen=True, slots=True)
class _ColumnScores:
    """``row`` [columns] -> scores [1, scores]. Of the counts [1, terms] only those that are there are worked on."""

    column: int
    terms: NgramTable

    def name(self, value: str) -> str:
        return f"{value}_{self.column}"

    def nodes(self) -> list[onnx.NodeProto]:
        name = self.name
        return [
            helper.make_node("Gather", ["row", name("column")], [name("text")]),
            *token_nodes(name("text"), name("tokens"), self.terms.unit),
            helper.make_node("TfIdfVectorizer", [name("tokens")], [name("counts")], **self._counting()),
            helper.make_node("NonZero", [name("counts")], [name("there")]),
            helper.make_node("Gather", [name("there"), "second"], [name("found")], axis=0),
            helper.make_node("Gather", [name("counts"), name("found")], [name("times")], axis=1),
            helper.make_node("Log", [name("times")], [name("more")]),
            helper.make_node("Add", [name("more"), name("one")], [name("worth")]),
            helper.make_node("Gather", [name("idf"), name("found")], [name("rare")]),
            helper.make_node("Mul", [name("worth"), name("rare")], [name("values")]),
            helper.make_node("ReduceL2", [name("values")], [name("length")], keepdims=1),
            helper.make_node("Max", [name("length"), name("least")], [name("scale")]),
            helper.make_node("Gather", [name("weights"), name("found")], [name("told")], axis=0),
            helper.make_node("MatMul", [name("values"), name("told")], [name("whole")]),
            helper.make_node("Div", [name("whole"), name("scale")], [name("scores")]),
        ]

    def constants(self) -> dict[str, npt.NDArray[np.generic]]:
        return {
            self.name("column"): np.array([self.column]),
            self.name("one"): np.array(1, np.float32),
            self.name("least"): np.array(MIN_TEXT_NORM, np.float32),
            self.name("idf"): self.terms.idf.astype(np.float32),
            self.name("weights"): self.terms.weights.astype(np.float32),
        }

    def _counting(self) -> dict[str, Any]:
        sizes = [len(gram) for gram in self.terms.grams]
        assert sizes == sorted(sizes), "the pool holds the shorter ones first"
        starts, position = [], 0
        for size in range(1, sizes[-1] + 1):
            starts.append(position)
            position += size * sizes.count(size)
        return {
            "mode": "TF",
            "min_gram_length": sizes[0],
            "max_gram_length": sizes[-1],
            "max_skip_count": 0,
            "ngram_counts": starts,
            "ngram_indexes": list(range(len(sizes))),
            "pool_strings": [token for gram in self.terms.grams for token in gram],
        }
