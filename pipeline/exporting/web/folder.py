"""Make the folder of a web page that runs the model."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Mapping, Sequence
from importlib import resources
from string import Template
from typing import Any

import numpy.typing as npt

from pipeline.contracts.signature import Column, Signature
from pipeline.exporting.comparison import TOLERANCE
from pipeline.exporting.web.runtime import VERSION

__all__ = ["web_folder"]

_SCRIPTS = ("predict.js", "page.js")


def web_folder(
    model: bytes,
    signature: Signature,
    name: str,
    feeds: Mapping[str, npt.NDArray[Any]],
    outputs: Sequence[npt.NDArray[Any]],
) -> dict[str, bytes]:
    """Return the files of the page, except the runtime and the schema.

    Args:
        model: The served ONNX file.
        signature: Its columns and outputs.
        name: Name of the model.
        feeds: Golden rows, as inputs of the graph.
        outputs: The served file's predictions for these rows.
    """
    assets = resources.files("pipeline.exporting.web")
    page = Template(assets.joinpath("page.html").read_text(encoding="utf-8"))
    titles = {"name": html.escape(name), "target": html.escape(signature.target or "the cluster")}
    count = len(outputs[0])
    rows = [
        {column.name: _cell(column, feeds[column.name][row]) for column in signature.columns} for row in range(count)
    ]
    golden = {"rows": rows, "outputs": [_values(output) for output in outputs], "tolerance": TOLERANCE}
    return {
        **{script: assets.joinpath(script).read_bytes() for script in _SCRIPTS},
        "index.html": page.substitute(titles).encode(),
        "model.onnx": model,
        "golden.json": json.dumps(golden, ensure_ascii=False, allow_nan=False).encode(),
        "README.md": _readme(name, rows[0]).encode(),
    }


def _cell(column: Column, value: Any) -> Any:
    """Return a cell as a JSON value: null for a missing number."""
    if column.kind == "image":
        return value.tolist()
    if column.kind in {"categorical", "text"}:
        return str(value)
    return float(str(value)) if math.isfinite(value) else None  # 5.1 instead of float32's 5.099999904632568


def _values(output: npt.NDArray[Any]) -> list[Any]:
    if output.dtype.kind in "OUS":
        return [str(text) for text in output.ravel()]
    if output.ndim > 1:
        return [_values(row) for row in output]
    return [number if math.isfinite(number) else None for number in map(float, output.tolist())]


def _readme(name: str, row: Mapping[str, Any]) -> str:
    return f"""# {name}, in the browser

A page that runs the model by onnxruntime-web {VERSION} (MIT license, in this folder): nothing is fetched from
elsewhere, and no row leaves the page. `schema.json` describes the columns; a date is an ISO text, or seconds since 1970
UTC; an image is its pixels, row by row, channels last.

    python -m http.server 8000       # browsers load WebAssembly only from a server, not from files

Open http://localhost:8000: the page predicts the row in its form, and shows how many golden rows (`golden.json`) it
predicts like the served model. On a page of your own:

```html
<script type="module">
  import {{ Model }} from './predict.js';

  const model = await Model.load();
  console.log(await model.predict([{_short(row)}]));
</script>
```
"""


def _short(row: Mapping[str, Any]) -> str:
    text = json.dumps(row, ensure_ascii=False)
    return text if len(text) <= 2000 else "row"
