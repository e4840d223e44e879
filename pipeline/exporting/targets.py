"""The targets of an export: the files of each target, and how they are verified."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime

from pipeline.contracts.errors import ExportMismatchError, InvalidModelError
from pipeline.contracts.signature import Signature
from pipeline.evaluation.golden.comparison import GoldenComparison
from pipeline.exporting.c_source.run import find_compiler, run_compiled
from pipeline.exporting.c_source.source import translate
from pipeline.exporting.comparison import compare_outputs, format_difference
from pipeline.exporting.readme import c_readme, onnxruntime_readme
from pipeline.exporting.web.folder import web_folder
from pipeline.exporting.web.run import find_node, run_in_node
from pipeline.exporting.web.runtime import read_runtime

__all__ = ["TARGETS", "Export", "Target", "export_model"]

Target = Literal["onnx", "ort", "web", "c"]
TARGETS: tuple[Target, ...] = ("onnx", "ort", "web", "c")
Feeds = Mapping[str, npt.NDArray[Any]]
Rows = Sequence[Mapping[str, Any]]
# The files, and a function that predicts the golden rows with them; None if this machine cannot run them.
Exported = tuple[dict[str, bytes], Callable[[], Sequence[npt.NDArray[Any]]] | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Export:
    """Files of an exported version.

    Attributes:
        files: Contents by file name.
        comparison: Comparison of their predictions for the golden rows; None if this machine cannot run them.
    """

    files: Mapping[str, bytes]
    comparison: GoldenComparison | None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Served:
    """A served model and its golden rows: as a user sends them, as inputs of the graph, and with its predictions."""

    model: bytes
    signature: Signature
    name: str
    rows: Rows
    feeds: Feeds
    expected: Sequence[npt.NDArray[Any]]

    @property
    def schema(self) -> bytes:
        return json.dumps(self.signature.to_dict(), indent=1, ensure_ascii=False).encode()


def export_model(  # noqa: PLR0913 - the parts of a version, as keywords
    model: bytes, signature: Signature, target: Target, *, name: str, rows: Rows, feeds: Feeds
) -> Export:
    """Export a served model, and verify the exported files on golden rows.

    Args:
        model: The served ONNX file.
        signature: Its columns and outputs.
        target: ``onnx``: the unchanged file; ``ort``: onnxruntime's own format, for its reduced builds on phones;
            ``web``: a page that runs the model by onnxruntime-web; ``c``: C99 for one row, without any library.
        name: Name of the model, which names the files.
        rows: Golden rows, as a user would send them; the first is the example.
        feeds: The golden rows as inputs of the graph.

    Returns:
        The files, among them ``README.md`` and ``schema.json``.

    Raises:
        InvalidModelError: The target cannot express the model; the message names the node.
        ExportMismatchError: The predictions of the exported file differ from those of the served one.
        ConfigurationError: onnxruntime-web cannot be fetched.
    """
    served = _Served(model=model, signature=signature, name=name, rows=rows, feeds=feeds, expected=_run(model, feeds))
    files, run = _EXPORTERS[target](served)
    comparison = None
    if run is not None:
        comparison = compare_outputs(run(), served.expected)
        if not comparison.is_equal:
            raise ExportMismatchError(
                f"{name} as {target}: {comparison.rows - comparison.equal} of {comparison.rows} golden rows are "
                f"predicted differently (largest difference {format_difference(comparison)})"
            )
    return Export(files={**files, "schema.json": served.schema}, comparison=comparison)


def _run(model: bytes, feeds: Feeds) -> list[npt.NDArray[Any]]:
    """Run a file on each row alone: the scales of a dynamically quantized file depend on the batch."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    rows = len(next(iter(feeds.values())))
    outputs = [
        session.run(None, {name: values[row : row + 1] for name, values in feeds.items()}) for row in range(rows)
    ]
    return [np.concatenate(arrays) for arrays in zip(*outputs, strict=True)]


def _export_onnx(served: _Served) -> Exported:
    return _describe_file(served, f"{served.name}.onnx", served.model)


def _export_ort(served: _Served) -> Exported:
    """Save in ORT's format, after only those graph optimizations that are valid on every CPU."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.add_session_config_entry("session.save_model_format", "ORT")
    with tempfile.TemporaryDirectory(prefix="modeldrop-") as folder:
        path = Path(folder) / "model.ort"
        options.optimized_model_filepath = str(path)
        onnxruntime.InferenceSession(served.model, options, providers=["CPUExecutionProvider"])
        return _describe_file(served, f"{served.name}.ort", path.read_bytes())


def _describe_file(served: _Served, file: str, content: bytes) -> Exported:
    readme = onnxruntime_readme(file, served.signature, served.rows).encode()
    return {file: content, "README.md": readme}, lambda: _run(content, served.feeds)


def _export_web(served: _Served) -> Exported:
    """Add the runtime, and verify in Node.js, which runs the same code as the page."""
    folder = web_folder(served.model, served.signature, served.name, served.feeds, served.expected)
    files = {**folder, "schema.json": served.schema, **read_runtime()}
    node = find_node()
    return files, None if node is None else lambda: run_in_node(files, node)


def _export_c(served: _Served) -> Exported:
    if any(column.kind in {"text", "image"} for column in served.signature.columns):
        raise InvalidModelError(
            "C source is for models over numbers, categories and dates; this one reads texts or images"
        )
    source = translate(onnx.load_from_string(served.model), served.name)
    files = {
        f"{source.name}.h": source.header.encode(),
        f"{source.name}.c": source.source.encode(),
        "README.md": c_readme(source, served.signature, served.rows).encode(),
    }
    compiler = find_compiler()
    return files, None if compiler is None else lambda: run_compiled(source, served.feeds, compiler)


_EXPORTERS: Mapping[Target, Callable[[_Served], Exported]] = {
    "onnx": _export_onnx,
    "ort": _export_ort,
    "web": _export_web,
    "c": _export_c,
}
