"""Operators that move elements, look them up or reduce them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod

import numpy as np
from onnx import TensorProto

from pipeline.exporting.c_source.emitter import Emitter, Operation, emits, index_expression
from pipeline.exporting.c_source.tensors import CTensor, literal

__all__: list[str] = []


@emits("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Dropout")
def emit_copy(emitter: Emitter, operation: Operation) -> None:
    """Copy the elements in their order."""
    emitter.copy(operation.input(0), operation.output)


@emits("Expand")
def emit_expand(emitter: Emitter, operation: Operation) -> None:
    """Repeat elements along the dimensions that are 1."""
    source, target = operation.input(0), operation.output
    emitter.copy(source, target, index_expression(source.shape, target.shape))


@emits("Transpose")
def emit_transpose(emitter: Emitter, operation: Operation) -> None:
    """Reorder dimensions."""
    source, target = operation.input(0), operation.output
    order = operation.attributes.get("perm", list(reversed(range(len(source.shape)))))
    strides = np.cumprod([1, *reversed(source.shape)])[:-1][::-1]
    terms, output_stride = [], 1
    for extent, axis in zip(reversed(target.shape), reversed(order), strict=True):
        if extent > 1:
            terms.append(f"i / {output_stride} % {extent} * {strides[axis]}")
        output_stride *= extent
    emitter.copy(source, target, " + ".join(terms) or "0")


@emits("Concat")
def emit_concat(emitter: Emitter, operation: Operation) -> None:
    """Concatenate tensors along an axis."""
    for tensor, position in _find_slices(operation, operation.output, operation.inputs):
        emitter.loop(tensor.size, f"{operation.output.name}[{position}] = {emitter.name(tensor)}[i];")


@emits("Split")
def emit_split(emitter: Emitter, operation: Operation) -> None:
    """Split a tensor along an axis."""
    for target, position in _find_slices(operation, operation.input(0), operation.outputs):
        emitter.copy(operation.input(0), target, position)


def _find_slices(
    operation: Operation, joined: CTensor, slices: Sequence[CTensor | None]
) -> Iterator[tuple[CTensor, str]]:
    """Yield the slices of ``joined`` along an axis, and the index expression in ``joined`` of their element ``i``."""
    axis = operation.axis(0, len(joined.shape))
    row, offset = prod(joined.shape[axis:]), 0
    for tensor in slices:
        if tensor is None or not tensor.size:
            continue
        width = prod(tensor.shape[axis:])
        yield tensor, f"{offset} + i" if tensor.size == width else f"{offset} + i / {width} * {row} + i % {width}"
        offset += width


@emits("Slice")
def emit_slice(emitter: Emitter, operation: Operation) -> None:
    """Take a range of each axis; the ranges are constants."""
    source, target = operation.input(0), operation.output
    positions = np.arange(source.size).reshape(source.shape)
    starts, ends = operation.constant(1), operation.constant(2)
    axes = operation.constant(3) if operation.optional(3) is not None else range(len(starts))
    steps = operation.constant(4) if operation.optional(4) is not None else [1] * len(starts)
    ranges = [slice(None)] * len(source.shape)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        last = None if int(step) < 0 and int(end) < -source.shape[int(axis)] else int(end)
        ranges[int(axis)] = slice(int(start), last, int(step))
    table = emitter.add_table("int", "positions", operation, positions[tuple(ranges)].ravel())
    emitter.copy(source, target, f"{table}[i]")


@emits("Gather")
def emit_gather(emitter: Emitter, operation: Operation) -> None:
    """Look up slices of an axis by their indices; a negative index counts from the end."""
    source, indices, target = operation.input(0), operation.input(1), operation.output
    axis = operation.axis(0, len(source.shape))
    extent, inner, count = source.shape[axis], prod(source.shape[axis + 1 :]), max(indices.size, 1)
    index = f"{emitter.name(indices)}[i / {inner} % {count}]"
    emitter.loop(
        target.size,
        f"int64_t at = {index}; if (at < 0) at += {extent}; "
        f"{target.name}[i] = {emitter.name(source)}"
        f"[i / {inner * count} * {extent * inner} + at * {inner} + i % {inner}];",
    )


@emits("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceSumSquare")
def emit_reduce(emitter: Emitter, operation: Operation) -> None:
    """Reduce axes to one element; the axes are constants.

    Raises:
        InvalidModelError: C source has no such operation: an extreme of integers.
    """
    source, target = operation.input(0), operation.output
    axes = operation.constant(1) if operation.optional(1) is not None else operation.attributes.get("axes")
    rank = len(source.shape)
    reduced = {int(axis) % rank for axis in (range(rank) if axes is None else np.ravel(axes))}
    reduced_shape = [1 if axis in reduced else extent for axis, extent in enumerate(source.shape)]
    positions = np.broadcast_to(np.arange(target.size).reshape(reduced_shape), source.shape).ravel()
    table = emitter.add_table("int", "positions", operation, positions)
    value, sums = f"{emitter.name(source)}[i]", f"{target.name}[{table}[i]]"
    start = {"ReduceMax": "-INFINITY", "ReduceMin": "INFINITY"}.get(operation.kind, "0")
    if start != "0" and source.dtype not in {TensorProto.FLOAT, TensorProto.DOUBLE}:
        raise operation.refuse("extreme of whole numbers")
    emitter.loop(target.size, f"{target.name}[i] = {start};")
    body = {
        "ReduceMax": f"if ({value} > {sums}) {sums} = {value};",
        "ReduceMin": f"if ({value} < {sums}) {sums} = {value};",
        "ReduceSumSquare": f"{sums} += {value} * {value};",
    }.get(operation.kind, f"{sums} += {value};")
    emitter.loop(source.size, body)
    if operation.kind == "ReduceMean":
        emitter.loop(target.size, f"{target.name}[i] /= {source.size // target.size};")


@emits("ArgMax")
def emit_arg_max(emitter: Emitter, operation: Operation) -> None:
    """Compute the index of the largest element along the last axis; the first one if several are equal.

    Raises:
        InvalidModelError: C source has no such operation: ArgMax of another axis.
    """
    source, target = operation.input(0), operation.output
    operation.check_last_axis(0, "ArgMax of an axis other than the last")
    width, name = source.shape[-1], emitter.name(source)
    emitter.loop(
        target.size,
        f"int best = 0; for (int j = 1; j < {width}; j++) if ({name}[i * {width} + j] > {name}[i * {width} + best]) "
        f"best = j; {target.name}[i] = best;",
    )


@emits("LabelEncoder")
def emit_label_encoder(emitter: Emitter, operation: Operation) -> None:
    """Map texts or integers to other values by a sorted table.

    Raises:
        InvalidModelError: C source has no such operation: keys or values of another type.
    """
    attributes = operation.attributes
    keys = attributes.get("keys_strings", attributes.get("keys_int64s"))
    values = next((attributes[name] for name in _VALUES if name in attributes), None)
    if keys is None or values is None:
        raise operation.refuse("LabelEncoder with keys or values of this type")
    is_text = "keys_strings" in attributes
    target = operation.output
    order = sorted(range(len(keys)), key=lambda index: keys[index])
    array = np.array(values, dtype=np.float32 if target.dtype == TensorProto.FLOAT else object)[order]
    sorted_keys = np.array([keys[index] for index in order], dtype=object)
    key_type = "char *const" if is_text else "int64_t"
    key_table = emitter.add_table(key_type, "keys", operation, sorted_keys)
    value_type = "char *const" if target.dtype == TensorProto.STRING else target.c_type
    value_table = emitter.add_table(value_type, "values", operation, array)
    find = "find_text" if is_text else "find_number"
    source = f"{emitter.name(operation.input(0))}[i]"
    emitter.loop(
        target.size,
        f"int at = {find}({key_table}, {len(keys)}, {source}); "
        f"{target.name}[i] = at < 0 ? {_default(operation)} : {value_table}[at];",
    )


_VALUES = ("values_int64s", "values_floats", "values_strings")


def _default(operation: Operation) -> str:
    target = operation.output
    if target.dtype == TensorProto.STRING:
        return literal(operation.attributes.get("default_string", b"_Unused"))
    if target.dtype == TensorProto.FLOAT:
        return literal(float(operation.attributes.get("default_float", -0.0)), is_float32=True)
    return literal(int(operation.attributes.get("default_int64", -1)))
