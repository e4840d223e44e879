"""Measure the exported C of a served file: compiled bytes, and time per row."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from pipeline.exporting.c_source.source import translate

__all__ = ["measure_c"]

ROWS, ROUNDS = 64, 1000
_TIMER = """
#include <time.h>
#include "{name}.h"

void time_rows(const {name}_row *rows, int count, int rounds, double *microseconds) {{
    {name}_prediction prediction;
    struct timespec began, ended;
    for (int round = 0; round < rounds; round++) {{
        clock_gettime(CLOCK_MONOTONIC, &began);
        for (int row = 0; row < count; row++) {name}_predict(&rows[row], &prediction);
        clock_gettime(CLOCK_MONOTONIC, &ended);
        microseconds[round] = ((ended.tv_sec - began.tv_sec) * 1e6 + (ended.tv_nsec - began.tv_nsec) / 1e3) / count;
    }}
}}
"""


def measure_c(model: bytes, feeds: Mapping[str, npt.NDArray[Any]], name: str) -> dict[str, Any]:
    """Compile with gcc -O2; return microseconds per row (over ROWS different rows, median of ROUNDS) and bytes."""
    compiler = shutil.which("gcc")
    if compiler is None:
        return {"error": "there is no gcc"}
    began = time.monotonic()
    source = translate(onnx.load_from_string(model), name)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / f"{name}.h").write_text(source.header)
        (folder / f"{name}.c").write_text(source.source)
        (folder / "timer.c").write_text("#define _POSIX_C_SOURCE 199309L\n" + _TIMER.format(name=name))
        subprocess.run([compiler, "-std=c99", "-O2", "-fPIC", "-c", f"{name}.c"], cwd=folder, check=True)
        command = [compiler, "-std=c99", "-O2", "-fPIC", "-shared", "timer.c", f"{name}.o", "-o", "timer.so", "-lm"]
        subprocess.run(command, cwd=folder, check=True)
        timer = ctypes.CDLL(str(folder / "timer.so")).time_rows
        timer.restype = None
        taken = (ctypes.c_double * ROUNDS)()
        timer(_rows(source, feeds), ROWS, ROUNDS, taken)
        microseconds = float(np.median(np.frombuffer(taken)))
        compiled = (folder / f"{name}.o").stat().st_size
    return {
        "us": round(microseconds, 2), "object bytes": compiled, "source bytes": len(source.source),
        "seconds": round(time.monotonic() - began, 1),
    }  # fmt: skip


def _rows(source: Any, feeds: Mapping[str, npt.NDArray[Any]]) -> Any:
    tensors = {field: source.graph.tensors[column] for column, field in source.fields.items()}
    kinds = {"float": ctypes.c_float, "double": ctypes.c_double}
    members = [(field, kinds.get(tensor.c_type, ctypes.c_char_p)) for field, tensor in tensors.items()]
    row_type = type("Row", (ctypes.Structure,), {"_fields_": members})
    rows = (row_type * ROWS)()
    for column, field in source.fields.items():
        for index in range(ROWS):
            cell = feeds[column][index]
            setattr(rows[index], field, str(cell).encode() if isinstance(cell, str) else float(np.asarray(cell)))
    return rows
