"""Matrix products, normalization and quantization: the operators of linear models and networks."""

from __future__ import annotations

from math import prod

from onnx import TensorProto

from pipeline.exporting.c_source.emitter import Emitter, Operation, emits, index_expression

__all__: list[str] = []


@emits("MatMul")
def emit_mat_mul(emitter: Emitter, operation: Operation) -> None:
    """Multiply matrices, or stacks of matrices, whose leading dimensions are broadcast.

    Raises:
        InvalidModelError: C source has no such operation: the product of a vector.
    """
    a, b, target = operation.input(0), operation.input(1), operation.output
    if len(a.shape) < _MATRIX or len(b.shape) < _MATRIX:
        raise operation.refuse("product of a vector")
    depth, columns = b.shape[-_MATRIX:]
    rows, stack = a.shape[-_MATRIX], target.shape[:-_MATRIX]
    left, right = (
        f"{emitter.name(tensor)}[({index_expression(tensor.shape[:-_MATRIX], stack, 's')}) * {size} + "
        for tensor, size in ((a, rows * depth), (b, depth * columns))
    )
    emitter.add(
        f"for (int s = 0; s < {prod(stack)}; s++) for (int r = 0; r < {rows}; r++) for (int c = 0; c < {columns}; c++) "
        f"{{ {target.c_type} sum = 0; for (int k = 0; k < {depth}; k++) sum += {left}r * {depth} + k] * "
        f"{right}k * {columns} + c]; {target.name}[(s * {rows} + r) * {columns} + c] = sum; }}"
    )


@emits("Gemm")
def emit_gemm(emitter: Emitter, operation: Operation) -> None:
    """Multiply two matrices, either transposed, scale, and add a third."""
    attributes = operation.attributes
    a, b, bias = operation.input(0), operation.input(1), operation.optional(2)
    depth = a.shape[0] if attributes.get("transA", 0) else a.shape[1]
    rows, columns = operation.output.shape
    left = f"{emitter.name(a)}[" + (f"k * {rows} + r]" if attributes.get("transA", 0) else f"r * {depth} + k]")
    right = f"{emitter.name(b)}[" + (f"c * {depth} + k]" if attributes.get("transB", 0) else f"k * {columns} + c]")
    _multiply(emitter, operation, left, right, depth)
    alpha, beta = float(attributes.get("alpha", 1.0)), float(attributes.get("beta", 1.0))
    if alpha != 1.0:
        emitter.loop(operation.output.size, f"{operation.output.name}[i] *= {alpha!r}f;")
    if bias is not None:
        position = index_expression(bias.shape, operation.output.shape)
        factor = "" if beta == 1.0 else f"{beta!r}f * "
        emitter.loop(operation.output.size, f"{operation.output.name}[i] += {factor}{emitter.name(bias)}[{position}];")


_MATRIX = 2  # dimensions


def _multiply(emitter: Emitter, operation: Operation, left: str, right: str, depth: int) -> None:
    """Append the loops of a product; ``r``, ``c`` and ``k`` are the row, the column and the summed index."""
    target = operation.output
    columns = target.shape[-1]
    emitter.add(
        f"for (int r = 0; r < {target.size // columns}; r++) for (int c = 0; c < {columns}; c++) {{ "
        f"{target.c_type} sum = 0; for (int k = 0; k < {depth}; k++) sum += {left} * {right}; "
        f"{target.name}[r * {columns} + c] = sum; }}"
    )


@emits("MatMulInteger")
def emit_mat_mul_integer(emitter: Emitter, operation: Operation) -> None:
    """Multiply matrices of 8-bit numbers after subtracting their zero points."""
    a, b = operation.input(0), operation.input(1)
    depth, columns = b.shape
    left = f"((int32_t){emitter.name(a)}[r * {depth} + k]{_zero_point(emitter, operation, 2)})"
    right = f"((int32_t){emitter.name(b)}[k * {columns} + c]{_zero_point(emitter, operation, 3)})"
    _multiply(emitter, operation, left, right, depth)


def _zero_point(emitter: Emitter, operation: Operation, index: int) -> str:
    """Return the C expression that subtracts a zero point: one for all elements, or one for each column."""
    tensor = operation.optional(index)
    if tensor is None:
        return ""
    return f" - {emitter.name(tensor)}[{'0' if tensor.size == 1 else 'c'}]"


@emits("DynamicQuantizeLinear")
def emit_dynamic_quantize(emitter: Emitter, operation: Operation) -> None:
    """Quantize to uint8 by the range of the tensor, which includes 0 (ONNX, DynamicQuantizeLinear)."""
    source = operation.input(0)
    quantized, scale, zero_point = (tensor.name if tensor is not None else "" for tensor in operation.outputs)
    value = f"{emitter.name(source)}[i]"
    emitter.add("{ float low = 0.0f, high = 0.0f;")
    emitter.loop(source.size, f"if ({value} < low) low = {value}; if ({value} > high) high = {value};")
    emitter.add(
        f"{scale}[0] = (high - low) / 255.0f; float zero = {scale}[0] > 0 ? nearbyintf(-low / {scale}[0]) : 0.0f; "
        f"{zero_point}[0] = (uint8_t)(zero < 0 ? 0 : zero > 255 ? 255 : zero);"
    )
    emitter.loop(
        source.size,
        f"float level = ({scale}[0] > 0 ? nearbyintf({value} / {scale}[0]) : 0.0f) + (float){zero_point}[0]; "
        f"{quantized}[i] = (uint8_t)(level < 0 ? 0 : level > 255 ? 255 : level);",
    )
    emitter.add("}")


@emits("QuantizeLinear")
def emit_quantize(emitter: Emitter, operation: Operation) -> None:
    """Quantize by a constant scale of the whole tensor.

    Raises:
        InvalidModelError: C source has no such operation: quantization per channel.
    """
    source, scale, zero_point = operation.input(0), operation.input(1), operation.optional(2)
    if scale.size != 1:
        raise operation.refuse("quantization of activations per channel")
    is_signed = operation.output.dtype == TensorProto.INT8
    low, high = (-128, 127) if is_signed else (0, 255)
    zero = "0" if zero_point is None else f"(float){emitter.name(zero_point)}[0]"
    emitter.loop(
        source.size,
        f"float level = nearbyintf({emitter.name(source)}[i] / {emitter.name(scale)}[0]) + {zero}; "
        f"{operation.output.name}[i] = ({operation.output.c_type})(level < {low} ? {low} : level > {high} ? {high} "
        ": level);",
    )


@emits("DequantizeLinear")
def emit_dequantize(emitter: Emitter, operation: Operation) -> None:
    """Turn quantized numbers back into floats, by one scale or one for each slice of an axis."""
    source, scale, zero_point = operation.input(0), operation.input(1), operation.optional(2)
    position = "0"
    if scale.size > 1:
        axis = operation.axis(1, len(source.shape))
        shape = [extent if dimension == axis else 1 for dimension, extent in enumerate(source.shape)]
        position = index_expression(shape, source.shape)
    zero = "" if zero_point is None else f" - (int32_t){emitter.name(zero_point)}[{position}]"
    emitter.loop(
        source.size,
        f"{operation.output.name}[i] = (float)((int32_t){emitter.name(source)}[i]{zero}) * "
        f"{emitter.name(scale)}[{position}];",
    )


@emits("Softmax")
def emit_softmax(emitter: Emitter, operation: Operation) -> None:
    """Normalize exponentials of the last axis.

    Raises:
        InvalidModelError: C source has no such operation: softmax of an axis other than the last.
    """
    source, target = operation.input(0), operation.output
    operation.check_last_axis(-1, "softmax of an axis other than the last")
    width, name = source.shape[-1], emitter.name(source)
    emitter.loop(
        source.size // width,
        f"const float *x = {name} + i * {width}; float *y = {target.name} + i * {width}; float top = x[0], sum = 0; "
        f"for (int j = 1; j < {width}; j++) if (x[j] > top) top = x[j]; "
        f"for (int j = 0; j < {width}; j++) sum += y[j] = expf(x[j] - top); "
        f"for (int j = 0; j < {width}; j++) y[j] /= sum;",
    )


@emits("LayerNormalization")
def emit_layer_normalization(emitter: Emitter, operation: Operation) -> None:
    """Normalize the last axis to mean 0 and variance 1, then scale and shift (Ba et al. 2016).

    Raises:
        InvalidModelError: C source has no such operation: normalization of several axes.
    """
    source, scale, shift = operation.input(0), operation.input(1), operation.optional(2)
    operation.check_last_axis(-1, "layer normalization of several axes")
    width, name = source.shape[-1], emitter.name(source)
    epsilon = f"{float(operation.attributes.get('epsilon', 1e-5))!r}f"
    added = "" if shift is None else f" + {emitter.name(shift)}[j]"
    emitter.loop(
        source.size // width,
        f"const float *x = {name} + i * {width}; float *y = {operation.output.name} + i * {width}; "
        f"float mean = 0, variance = 0; for (int j = 0; j < {width}; j++) mean += x[j] / {width}; "
        f"for (int j = 0; j < {width}; j++) variance += (x[j] - mean) * (x[j] - mean) / {width}; "
        f"float factor = 1.0f / sqrtf(variance + {epsilon}); "
        f"for (int j = 0; j < {width}; j++) y[j] = (x[j] - mean) * factor * {emitter.name(scale)}[j]{added};",
    )
