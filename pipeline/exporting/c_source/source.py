"""Write the C header and source of a model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import onnx
from onnx import TensorProto

from pipeline.exporting.c_source import arrays, elementwise, layers, trees  # noqa: F401 - they register their operators
from pipeline.exporting.c_source.emitter import Emitter, Operation, check_operators
from pipeline.exporting.c_source.one_row import OneRowGraph, fix_batch
from pipeline.exporting.c_source.tensors import CTensor, literal

__all__ = ["CSource", "identifier", "translate"]

_KEYWORDS = """
auto break case char const continue default do double else enum extern float for goto if inline int long register
restrict return short signed sizeof static struct switch typedef union unsigned void volatile while
"""
_FUNCTIONS = """
static int find_text(const char *const *keys, int count, const char *key) {
    int low = 0, high = count - 1;
    if (!key) key = "";
    while (low <= high) {
        int middle = (low + high) / 2, order = strcmp(keys[middle], key);
        if (!order) return middle;
        if (order < 0) low = middle + 1; else high = middle - 1;
    }
    return -1;
}

static int find_number(const int64_t *keys, int count, int64_t key) {
    int low = 0, high = count - 1;
    while (low <= high) {
        int middle = (low + high) / 2;
        if (keys[middle] == key) return middle;
        if (keys[middle] < key) low = middle + 1; else high = middle - 1;
    }
    return -1;
}
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class CSource:
    """A model as C99.

    Attributes:
        name: Prefix of its public names.
        header: Text of ``NAME.h``.
        source: Text of ``NAME.c``.
        fields: C names of the inputs, by their ONNX names.
        graph: The translated graph.
    """

    name: str
    header: str
    source: str
    fields: dict[str, str]
    graph: OneRowGraph


def identifier(text: str, used: Sequence[str] = ()) -> str:
    """Return a C identifier like ``text`` that is not among ``used``."""
    name = re.sub(r"\W", "_", text, flags=re.ASCII)
    if name in _KEYWORDS.split():
        name = f"{name}_"
    elif not name or name[0].isdigit():
        name = f"_{name}"
    candidate, number = name, 2
    while candidate in used:
        candidate, number = f"{name}_{number}", number + 1
    return candidate


def translate(model: onnx.ModelProto, name: str) -> CSource:
    """Translate a model to C99 that predicts one row and only needs the C library.

    Args:
        model: Graph whose inputs and outputs have the batch as their first dimension.
        name: Name of the model; its C identifier is the prefix of the public names.

    Raises:
        InvalidModelError: C source cannot express a node or a tensor; the message names it.
    """
    prefix = identifier(name)
    check_operators(model.graph)
    graph = fix_batch(model)
    emitter = Emitter()
    for node in graph.nodes:
        emitter.emit(Operation(node, graph.tensors))
    fields: dict[str, str] = {}
    for column in graph.inputs:
        fields[column] = identifier(column, tuple(fields.values()))
    return CSource(
        name=prefix,
        header=_header(prefix, graph, fields),
        source=_source(prefix, graph, fields, emitter),
        fields=fields,
        graph=graph,
    )


def _header(prefix: str, graph: OneRowGraph, fields: dict[str, str]) -> str:
    inputs = "\n".join(
        f"    {_field(graph.tensors[column], field)}  /* {_comment(column)} */" for column, field in fields.items()
    )
    outputs = "\n".join(f"    {_field(graph.tensors[output], identifier(output))}" for output in graph.outputs)
    guard = f"{prefix.upper()}_H"
    return f"""/* {prefix}: one row in, one prediction out. C99, thread-safe, no memory is allocated. */
#ifndef {guard}
#define {guard}
#include <stdint.h>

/* Missing: NAN for a number, "" or NULL for a text. Texts are UTF-8. */
typedef struct {{
{inputs}
}} {prefix}_row;

typedef struct {{
{outputs}
}} {prefix}_prediction;

void {prefix}_predict(const {prefix}_row *row, {prefix}_prediction *prediction);

#endif
"""


def _field(tensor: CTensor, name: str) -> str:
    space = "" if tensor.c_type.endswith("*") else " "
    return f"{tensor.c_type}{space}{name}" + (f"[{tensor.size}];" if tensor.size > 1 else ";")


def _comment(text: str) -> str:
    return literal(text).replace("*/", "* /")


def _source(prefix: str, graph: OneRowGraph, fields: dict[str, str], emitter: Emitter) -> str:
    reads, writes = [], []
    for column, field in fields.items():
        tensor = graph.tensors[column]
        value = f"row->{field}" + ("[i]" if tensor.size > 1 else "")
        if tensor.dtype == TensorProto.STRING:
            value = f'{value} ? {value} : ""'
        reads += [tensor.declare(), f"for (int i = 0; i < {tensor.size}; i++) {tensor.name}[i] = {value};"]
    for output in graph.outputs:
        tensor = graph.tensors[output]
        position = f"prediction->{identifier(output)}" + ("[i]" if tensor.size > 1 else "")
        writes.append(f"for (int i = 0; i < {tensor.size}; i++) {position} = {emitter.name(tensor)}[i];")
    tables = "\n\n".join([*(constant.define() for constant in emitter.constants), *emitter.tables])
    body = "\n".join(f"    {statement}" for statement in (*reads, *emitter.statements, *writes))
    return f"""#include "{prefix}.h"

#include <math.h>
#include <string.h>
{_used_functions(emitter)}
{tables}

void {prefix}_predict(const {prefix}_row *row, {prefix}_prediction *prediction) {{
{body}
}}
"""


def _used_functions(emitter: Emitter) -> str:
    """Return the helper functions that the statements call."""
    code = "\n".join(emitter.statements)
    functions = _FUNCTIONS.strip().split("\n\n")
    return "\n" + "\n\n".join(text for text in functions if re.search(rf"\b{text.split('(')[0].split()[-1]}\(", code))
