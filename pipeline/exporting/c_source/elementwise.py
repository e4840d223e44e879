"""Operators that work on each element."""

from __future__ import annotations

from onnx import TensorProto

from pipeline.exporting.c_source.emitter import Emitter, Operation, emits, index_expression
from pipeline.exporting.c_source.tensors import CTensor

__all__: list[str] = []

_BINARY = {
    "Add": "{a} + {b}",
    "Sub": "{a} - {b}",
    "Mul": "{a} * {b}",
    "Div": "{a} / {b}",
    "Equal": "{a} == {b}",
    "Less": "{a} < {b}",
    "LessOrEqual": "{a} <= {b}",
    "Greater": "{a} > {b}",
    "GreaterOrEqual": "{a} >= {b}",
    "And": "{a} && {b}",
    "Or": "{a} || {b}",
    "Pow": "pow{f}({a}, {b})",
    "Max": "{a} > {b} ? {a} : {b}",
    "Min": "{a} < {b} ? {a} : {b}",
    "Sum": "{a} + {b}",
}
_UNARY = {
    "Identity": "{a}",
    "IsNaN": "isnan({a})",
    "Not": "!{a}",
    "Neg": "-{a}",
    "Abs": "fabs{f}({a})",
    "Sqrt": "sqrt{f}({a})",
    "Exp": "exp{f}({a})",
    "Log": "log{f}({a})",
    "Sin": "sin{f}({a})",
    "Cos": "cos{f}({a})",
    "Erf": "erf{f}({a})",
    "Floor": "floor{f}({a})",
    "Ceil": "ceil{f}({a})",
    "Round": "nearbyint{f}({a})",
    "Tanh": "tanh{f}({a})",
    "Sigmoid": "1{l} / (1{l} + exp{f}(-{a}))",
    "Softplus": "log1p{f}(exp{f}({a}))",
    "Relu": "{a} > 0 ? {a} : 0",
    "Reciprocal": "1{l} / {a}",
}
_TEXT_FREE = {"Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"}


def _suffixes(tensor: CTensor) -> dict[str, str]:
    """Return the suffixes of functions and literals for a tensor's type."""
    is_float32 = tensor.dtype == TensorProto.FLOAT
    return {"f": "f" if is_float32 else "", "l": ".0f" if is_float32 else ".0"}


@emits(*_BINARY)
def emit_binary(emitter: Emitter, operation: Operation) -> None:
    """Combine inputs, broadcast to one shape; more than two inputs are combined from left to right.

    Raises:
        InvalidModelError: C source has no such operation: a comparison of texts, a division of integers.
    """
    output = operation.output
    if operation.kind in _TEXT_FREE and operation.input(0).dtype == TensorProto.STRING:
        raise operation.refuse("comparison of texts")
    if operation.kind == "Div" and output.dtype == TensorProto.INT64:
        raise operation.refuse("division of whole numbers")
    operands = [
        f"{emitter.name(tensor)}[{index_expression(tensor.shape, output.shape)}]"
        for tensor in operation.inputs
        if tensor is not None
    ]
    first = operands[0]
    emitter.loop(output.size, f"{output.name}[i] = {first};" if len(operands) == 1 else _pair(operation, *operands[:2]))
    for operand in operands[2:]:
        emitter.loop(output.size, _pair(operation, f"{output.name}[i]", operand))


def _pair(operation: Operation, a: str, b: str) -> str:
    expression = _BINARY[operation.kind].format(a=a, b=b, **_suffixes(operation.output))
    return f"{operation.output.name}[i] = {expression};"


@emits(*_UNARY)
def emit_unary(emitter: Emitter, operation: Operation) -> None:
    """Map each element."""
    source = operation.input(0)
    expression = _UNARY[operation.kind].format(a=f"{emitter.name(source)}[i]", **_suffixes(source))
    emitter.loop(operation.output.size, f"{operation.output.name}[i] = {expression};")


@emits("LeakyRelu", "Elu")
def emit_leaky(emitter: Emitter, operation: Operation) -> None:
    """Map negative elements by a slope or an exponential."""
    source = f"{emitter.name(operation.input(0))}[i]"
    default = 0.01 if operation.kind == "LeakyRelu" else 1.0
    alpha = f"{float(operation.attributes.get('alpha', default))!r}f"
    negative = f"{alpha} * {source}" if operation.kind == "LeakyRelu" else f"{alpha} * (expf({source}) - 1.0f)"
    emitter.loop(operation.output.size, f"{operation.output.name}[i] = {source} >= 0 ? {source} : {negative};")


@emits("Clip")
def emit_clip(emitter: Emitter, operation: Operation) -> None:
    """Bound each element."""
    value = f"{operation.output.name}[i]"
    emitter.copy(operation.input(0), operation.output)
    for index, comparison in ((1, "<"), (2, ">")):
        bound = operation.optional(index)
        if bound is not None:
            limit = f"{emitter.name(bound)}[0]"
            emitter.loop(operation.output.size, f"if ({value} {comparison} {limit}) {value} = {limit};")


@emits("Where")
def emit_where(emitter: Emitter, operation: Operation) -> None:
    """Choose each element from two tensors."""
    shape = operation.output.shape
    condition, true, false = (
        f"{emitter.name(operation.input(index))}[{index_expression(operation.input(index).shape, shape)}]"
        for index in range(3)
    )
    emitter.loop(operation.output.size, f"{operation.output.name}[i] = {condition} ? {true} : {false};")


@emits("Cast")
def emit_cast(emitter: Emitter, operation: Operation) -> None:
    """Convert each element.

    Raises:
        InvalidModelError: C source has no such operation: a conversion between numbers and texts.
    """
    source, target = operation.input(0), operation.output
    if TensorProto.STRING in (source.dtype, target.dtype):
        raise operation.refuse("conversion between numbers and texts")
    value = f"{emitter.name(source)}[i]"
    expression = f"{value} != 0" if target.dtype == TensorProto.BOOL else f"({target.c_type}){value}"
    emitter.loop(target.size, f"{target.name}[i] = {expression};")
