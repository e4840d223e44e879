"""Check an uploaded ONNX graph before anything runs it.

Source: the ONNX IR specification (https://onnx.ai/onnx/repo-docs/IR.html).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from itertools import chain
from typing import Any

import onnx
from google.protobuf.message import DecodeError
from onnx import AttributeProto, TensorProto, helper
from onnx.inliner import inline_local_functions
from onnxruntime.capi.onnxruntime_pybind11_state import get_all_operator_schema

from pipeline.brought.limits import MAX_MEMORY_BYTES
from pipeline.contracts.errors import InvalidModelError

__all__ = ["all_nodes", "load_graph", "node_name"]

MIN_OPSET = 9  # the first opset whose Cast converts texts
_DOMAINS = ("", "ai.onnx.ml", "com.microsoft")  # domains whose operators onnxruntime includes
_SIGNATURES = (
    (b"\x80", "a Python pickle: 'modeldrop convert' makes an ONNX file of it"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "a gzip file"),
    (b"version https://git-lfs", "a pointer of Git LFS: the file itself was not fetched"),
)


def load_graph(content: bytes, file: str) -> onnx.ModelProto:
    """Parse an ONNX file, check its structure, and inline its functions.

    Args:
        content: The file.
        file: Name of the file, for messages.

    Raises:
        InvalidModelError: It is not an ONNX file, or has unknown operators or versions, weights outside the file or
            with a size other than their shape's, a cycle, or a tensor larger than the memory; the message names the
            node or tensor.
    """
    model = _parse(content, file)
    _check_versions(model, file)
    _check_tensors(model, file)
    if model.functions:
        model = _write_out_functions(model, file)
    _check_operators(model, file)
    _check_order(model, file)
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise InvalidModelError(f"{file}: {_first_line(error)}") from None
    _check_sizes(model, file)
    return model


def all_nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Yield the nodes of a graph and of its subgraphs."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from all_nodes(inner)


def node_name(node: onnx.NodeProto) -> str:
    """Return the description of a node in messages: its name, or its first output, and its operator."""
    name = node.name or next(iter(node.output), "")
    return f"node '{name}' ({f'{node.domain}.' if node.domain else ''}{node.op_type})"


def _parse(content: bytes, file: str) -> onnx.ModelProto:
    for start, description in _SIGNATURES:
        if content.startswith(start):
            raise InvalidModelError(f"{file} is {description}, and an ONNX file is expected")
    try:
        model = onnx.load_from_string(content)
    except DecodeError:
        raise InvalidModelError(f"{file} is not an ONNX file, or is damaged") from None
    if not model.graph.node or not model.opset_import:
        raise InvalidModelError(f"{file} is not an ONNX file, or is empty: it has no nodes")
    return model


def _check_versions(model: onnx.ModelProto, file: str) -> None:
    if model.ir_version > onnx.IR_VERSION:
        raise InvalidModelError(
            f"{file} has the IR version {model.ir_version}: at most {onnx.IR_VERSION} is expected, so export it for an "
            "earlier version"
        )
    for opset in model.opset_import:
        domain = "" if opset.domain == "ai.onnx" else opset.domain
        if domain == "" and not MIN_OPSET <= opset.version <= onnx.defs.onnx_opset_version():
            raise InvalidModelError(
                f"{file} has the opset {opset.version}: {MIN_OPSET} to {onnx.defs.onnx_opset_version()} are expected"
            )


def _check_operators(model: onnx.ModelProto, file: str) -> None:
    versions = {"" if opset.domain == "ai.onnx" else opset.domain: opset.version for opset in model.opset_import}
    for node in all_nodes(model.graph):
        domain = "" if node.domain == "ai.onnx" else node.domain
        if domain not in _DOMAINS:
            raise InvalidModelError(
                f"{file}: {node_name(node)} is of the domain '{domain}', whose operators onnxruntime does not include"
            )
        if domain not in versions:
            raise InvalidModelError(
                f"{file}: {node_name(node)} is of the domain '{domain}', which the file does not import"
            )
        if not any(since <= versions[domain] for since in _known_operators().get((domain, node.op_type), ())):
            raise InvalidModelError(
                f"{file}: {node_name(node)} has an unknown operator: onnxruntime has none of this name in opset "
                f"{versions[domain]}"
            )


@cache
def _known_operators() -> dict[tuple[str, str], list[int]]:
    """Return the versions of each operator of onnxruntime: (domain, name) -> opsets that define or change it."""
    versions: dict[tuple[str, str], list[int]] = {}
    for schema in get_all_operator_schema():
        versions.setdefault((schema.domain, schema.name), []).append(schema.since_version)
    return versions


def _check_tensors(model: onnx.ModelProto, file: str) -> None:
    of_functions = (_tensors_within(function.node) for function in model.functions)
    for tensor in chain(_tensors(model.graph), *of_functions):
        if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
            where = next((entry.value for entry in tensor.external_data if entry.key == "location"), "another file")
            raise InvalidModelError(
                f"{file}: the tensor '{tensor.name}' is outside the file ('{where[:100]}'): save the model with all "
                "its weights inside"
            )
        _check_content(tensor, file)


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Yield all tensors of a graph and of its subgraphs."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from _tensors_within(graph.node)


def _tensors_within(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.TensorProto]:
    for attribute in chain.from_iterable(node.attribute for node in nodes):
        if attribute.type == AttributeProto.TENSOR:
            yield attribute.t
        yield from attribute.tensors
        for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
            yield from (sparse.values, sparse.indices)
        for inner in (attribute.g, *attribute.graphs):
            yield from _tensors(inner)


def _check_content(tensor: onnx.TensorProto, file: str) -> None:
    """Check that a tensor has as many values as its shape requires."""
    if any(size < 0 for size in tensor.dims):
        raise InvalidModelError(f"{file}: the tensor '{tensor.name}' has a negative dimension")
    count = math.prod(tensor.dims)
    if not tensor.raw_data or tensor.data_type not in helper.get_all_tensor_dtypes():
        return
    bits = _BITS.get(tensor.data_type, 8 * helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)
    expected = (count * bits + 7) // 8
    if len(tensor.raw_data) != expected:
        raise InvalidModelError(
            f"{file}: the tensor '{tensor.name}' says that it has {expected:,} bytes (shape "
            f"{list(tensor.dims)}), and there are {len(tensor.raw_data):,}"
        )


_BITS = {
    **dict.fromkeys((TensorProto.INT4, TensorProto.UINT4, TensorProto.FLOAT4E2M1), 4),
    **dict.fromkeys((TensorProto.INT2, TensorProto.UINT2), 2),
}


def _write_out_functions(model: onnx.ModelProto, file: str) -> onnx.ModelProto:
    calls = {
        (function.domain, function.name): {(node.domain, node.op_type) for node in function.node}
        for function in model.functions
    }
    if cycle := _find_cycle(calls):
        _, name = cycle[0]
        raise InvalidModelError(f"{file}: the function '{name}' calls itself")
    return inline_local_functions(model)


def _check_order(model: onnx.ModelProto, file: str) -> None:
    """Raise InvalidModelError for a cycle, or for a tensor that no node produces."""
    graph = model.graph
    available = {value.name for value in (*graph.input, *graph.initializer)} | {""}
    available |= {sparse.values.name for sparse in graph.sparse_initializer}
    maker = {output: index for index, node in enumerate(graph.node) for output in node.output if output}
    sources = {}
    for index, node in enumerate(graph.node):
        reads = [name for name in node.input if name not in available]
        if absent := [name for name in reads if name not in maker]:
            raise InvalidModelError(f"{file}: {node_name(node)} reads the tensor '{absent[0]}', which no node produces")
        sources[index] = [maker[name] for name in reads]
    if cycle := _find_cycle(sources):
        named = ", ".join(node_name(graph.node[index]) for index in cycle[:4])
        raise InvalidModelError(f"{file} has a cycle: {named} read their own outputs")


def _find_cycle(sources: Mapping[Any, Collection[Any]]) -> list[Any]:
    """Return the keys of a cycle, in the order of the data flow; empty if there is no cycle."""
    try:
        TopologicalSorter(sources).prepare()
    except CycleError as error:
        return list(error.args[1][:0:-1])
    return []


def _check_sizes(model: onnx.ModelProto, file: str) -> None:
    """Raise InvalidModelError for a tensor that exceeds the memory even if all unknown dimensions are 1."""
    try:
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    except onnx.shape_inference.InferenceError as error:
        raise InvalidModelError(f"{file}: {_first_line(error)}") from None
    makers = {output: node for node in model.graph.node for output in node.output}
    for value in (*inferred.graph.value_info, *inferred.graph.output):
        tensor = value.type.tensor_type
        sizes = [dimension.dim_value or 1 for dimension in tensor.shape.dim]
        if math.prod(sizes) > MAX_MEMORY_BYTES and value.name in makers:
            raise InvalidModelError(
                f"{file}: {node_name(makers[value.name])} makes the tensor '{value.name}' of the shape {sizes}, which "
                f"needs more memory than the predict function has for a model ({MAX_MEMORY_BYTES >> 20:,} MB)"
            )
    for sparse in model.graph.sparse_initializer:
        if math.prod(sparse.dims) > MAX_MEMORY_BYTES:
            raise InvalidModelError(
                f"{file}: the tensor '{sparse.values.name}' of the shape {list(sparse.dims)} needs more memory than "
                f"the predict function has for a model ({MAX_MEMORY_BYTES >> 20:,} MB)"
            )


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
