"""Run an exported folder in Node.js, which has the WebAssembly of a browser."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.contracts.errors import ExportMismatchError

__all__ = ["find_node", "run_in_node"]

MIN_NODE = 20  # the oldest version with security updates
_SECONDS = 300
_NUMBERS = {"NaN", "Infinity", "-Infinity"}  # numbers that _SCRIPT writes as texts, since JSON lacks them
_SCRIPT = """
import { readFile } from 'node:fs/promises';
import { Model } from './predict.js';

const model = await Model.load((name) => readFile(new URL(name, import.meta.url)));
const { rows } = JSON.parse(await readFile(new URL('golden.json', import.meta.url), 'utf8'));
const results = [];
for (const row of rows) results.push(await model.run([row]));
const numbers = (key, value) => (typeof value === 'number' && !Number.isFinite(value) ? String(value) : value);
process.stdout.write(JSON.stringify(results, numbers));
"""


def find_node() -> str | None:
    """Return the path of Node.js; None if it is not installed or too old."""
    node = shutil.which("node")
    if node is None:
        return None
    result = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    major = result.stdout.strip().lstrip("v").partition(".")[0]
    return node if major.isdecimal() and int(major) >= MIN_NODE else None


def run_in_node(files: Mapping[str, bytes], node: str) -> list[npt.NDArray[Any]]:
    """Run the page's code on each golden row alone, and return the outputs.

    Args:
        files: Contents of the folder, by file name.
        node: Path of Node.js.

    Raises:
        ExportMismatchError: The page's code cannot run the model; the message says why.
    """
    with tempfile.TemporaryDirectory(prefix="modeldrop-") as scratch:
        folder = Path(scratch)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        (folder / "package.json").write_text('{"type": "module"}')
        (folder / "run.mjs").write_text(_SCRIPT)
        command = [node, "run.mjs"]
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=_SECONDS)
    if result.returncode:
        lines = [line for line in result.stderr.splitlines() if "Error" in line] or result.stderr.splitlines()
        raise ExportMismatchError(f"the page cannot run the model: {lines[0] if lines else 'no message'}")
    return [_stack(values) for values in zip(*json.loads(result.stdout), strict=True)]


def _stack(values: Sequence[Any]) -> npt.NDArray[Any]:
    rows = [row for of_row in values for row in of_row]
    if rows and isinstance(rows[0], str) and rows[0] not in _NUMBERS:
        return np.array(rows, dtype=object)
    return np.array([[float(value) for value in row] if isinstance(row, list) else float(row) for row in rows])
