"""Write the README of an exported version: what the files are, and a runnable snippet."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.contracts.signature import Column, Signature
from pipeline.exporting.c_source.source import CSource, identifier
from pipeline.exporting.c_source.tensors import literal

__all__ = ["c_readme", "onnxruntime_readme"]

_ARRAY_TYPES = {"numeric": "np.float32", "boolean": "np.float32", "datetime": "np.float64", "image": "np.uint8"}


_ONNX = """\
An ONNX file that takes raw columns and returns {outputs}. Preprocessing is inside the graph, so
onnxruntime alone runs it, on x86 and on arm64. `schema.json` describes its columns."""
_ORT = """\
A model in onnxruntime's own format, for onnxruntime-mobile and other reduced builds on Android and iOS. It takes raw
columns and returns {outputs}. `schema.json` describes its columns. The build must be as new as the one that
wrote the file, and have its operators."""


def onnxruntime_readme(file: str, signature: Signature, rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the README of an ONNX file, or of a file in onnxruntime's own format (.ort)."""
    row = rows[0] if rows else {}
    feeds = "\n".join(f"    {json.dumps(column.name)}: {_array(column, row)}," for column in signature.columns)
    return f"""# {file}

{(_ORT if file.endswith(".ort") else _ONNX).format(outputs=_outputs(signature))}

    pip install onnxruntime numpy

```python
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession({json.dumps(file)})
row = {{
{feeds}
}}
print(session.run(None, row))
```
"""


def c_readme(source: CSource, signature: Signature, rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the README of C source, with a program that predicts the first golden row."""
    row = rows[0] if rows else {}
    assignments = "\n".join(
        f"        .{source.fields[column.name]} = {_c_value(column, row.get(column.name))},"
        for column in signature.columns
        if column.name in source.fields and column.kind != "datetime"
    )
    names = [identifier(output) for output in signature.outputs]
    shown = (
        f'printf("%s %g\\n", prediction.{names[0]}, prediction.{names[1]}[0]);'
        if signature.task != "regression"
        else f'printf("%g\\n", prediction.{names[0]});'
    )
    return f"""# {source.name}.c

C99 that takes one row of raw columns and returns {_outputs(signature)}. It only needs the C library, allocates
nothing and is thread-safe. `schema.json` describes the columns; a date is seconds since 1970 UTC.

```c
#include <math.h>
#include <stdio.h>
#include "{source.name}.h"

int main(void) {{
    {source.name}_row row = {{
{assignments}
    }};
    {source.name}_prediction prediction;
    {source.name}_predict(&row, &prediction);
    {shown}
    return 0;
}}
```

    cc -O2 -o predict main.c {source.name}.c -lm && ./predict
"""


def _c_value(column: Column, cell: Any) -> str:
    if column.kind in {"categorical", "text"}:
        return literal("" if cell is None else str(cell))
    return "NAN" if cell is None else literal(float(cell))


def _outputs(signature: Signature) -> str:
    return {
        ("label", "probabilities"): "a label and the probability of each class",
        ("value",): "a value",
        ("value", "quantiles"): "a value and its quantiles",
    }.get(signature.outputs, "and ".join(signature.outputs))


def _array(column: Column, row: Mapping[str, Any]) -> str:
    cell = row.get(column.name)
    if column.kind == "image":
        return f"np.zeros((1, {', '.join(map(str, column.shape))}), np.uint8)"
    if column.kind in {"categorical", "text"}:
        return f"np.array([{json.dumps('' if cell is None else str(cell))}], dtype=object)"
    kind = "np.float64" if column.is_wide else _ARRAY_TYPES[column.kind]
    if column.kind == "datetime":
        return f"np.array([np.nan], {kind}),  # seconds since 1970 UTC"
    return f"np.array([{'np.nan' if cell is None else float(cell)!r}], {kind})"
