"""How small does a network get? LeNet-300-100 on MNIST beside the table of Deep Compression (Han et al. 2016).

Ours: the mlp recipe with `sparsity` and `shared_bits`, as a training job calls it, its ONNX body packed as the
compress stage stores it. The floor: the same recipe without them, its uncompressed float32 ONNX file. The peer:
onnxruntime's own dynamic int8 of that file, uncompressed and under xz. All 10,000 test images, one thread. Asked for:
40 times smaller with at most 0.1 points of accuracy lost, 60 times with at most 0.5 (the paper: 40 times at no loss).
Data: the folder MODELDROP_DATA, or ../shared/data beside the repository.
"""

from __future__ import annotations

import os

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import lzma
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # before this folder, where pipeline.py is a benchmark

import numpy as np
import onnxruntime
from common import report
from onnxruntime.quantization import quantize_dynamic
from quality_data import DATA

from pipeline.codec.unpack import unpack
from pipeline.compression.storage import pack_model
from pipeline.training.algorithm import Problem, Rows
from pipeline.training.algorithms import RECIPES

VALIDATION_ROWS = 5_000
NETWORK = {
    "hidden": (300, 100), "optimizer": "adam", "batch_size": 64, "dropout": 0.0, "weight_decay": 0.0,
    "learning_rate": 1e-3, "schedule": "cosine", "early_stopping": 1000,
}  # fmt: skip
DENSE = {**NETWORK, "epochs": 12}
COMPRESSED = {
    "at most 0.1 points": {**NETWORK, "epochs": 24, "sparsity": 0.93, "shared_bits": 4},
    "at most 0.5 points": {**NETWORK, "epochs": 24, "sparsity": 0.955, "shared_bits": 4},
}
ASKED = {"at most 0.1 points": (40.0, 0.001), "at most 0.5 points": (60.0, 0.005)}  # times smaller, accuracy lost


def read(name: str) -> Rows:
    with np.load(DATA / "mnist" / f"{name}.npz") as arrays:
        images, labels = arrays["images"], arrays["labels"].astype(np.int64)
    none = len(labels), 0
    return Rows(num=np.empty(none, np.float32), cat=np.empty(none, np.int64), image=images[..., None], target=labels)


def train(settings: dict[str, Any], rows: Rows) -> tuple[bytes, float]:
    """The uncompressed ONNX file, and the seconds of the processor."""
    held_out = np.arange(len(rows)) >= len(rows) - VALIDATION_ROWS
    problem = Problem(
        classes=10, cardinalities=(), train=rows.take(~held_out), validation=rows.take(held_out), seed=0, device="cpu",
        threads=1, report=lambda text: None,
    )  # fmt: skip
    began = time.process_time()
    fitted = RECIPES["mlp"].train(RECIPES["mlp"].configure(settings), problem)
    return bytes(fitted.body().SerializeToString()), round(time.process_time() - began, 1)


def quantized_by_onnxruntime(file: bytes) -> bytes:
    """Its own dynamic int8."""
    with tempfile.TemporaryDirectory() as folder:
        source, quantized = Path(folder, "fp32.onnx"), Path(folder, "int8.onnx")
        source.write_bytes(file)
        quantize_dynamic(source, quantized, op_types_to_quantize=["MatMul", "Gemm"])
        return quantized.read_bytes()


def accuracy(file: bytes, rows: Rows) -> float:
    """Of the file as it is served."""
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    (predictions,) = session.run(None, {session.get_inputs()[0].name: rows.image})
    return float((np.asarray(predictions).argmax(axis=1) == rows.target).mean())


def main() -> None:
    rows, test = read("train"), read("test")
    dense, seconds = train(DENSE, rows)
    floor = {"bytes": len(dense), "accuracy": accuracy(dense, test), "seconds": seconds}
    print(f"dense: {len(dense):,} bytes, accuracy {floor['accuracy']:.4f}", flush=True)
    quantized = quantized_by_onnxruntime(dense)
    peers = {
        "onnxruntime dynamic int8": {
            "bytes": len(quantized), "bytes under xz": len(lzma.compress(quantized)),
            "accuracy": accuracy(quantized, test),
        },
    }  # fmt: skip
    results, ratios, met = {}, {"onnxruntime dynamic int8": round(len(dense) / len(quantized), 1)}, True
    for name, settings in COMPRESSED.items():
        file, seconds = train(settings, rows)
        stored = pack_model(file)
        served = accuracy(unpack(stored), test)
        results[name] = {"bytes": len(stored), "accuracy": served, "seconds": seconds}
        ratios[name] = round(len(dense) / len(stored), 1)
        print(f"{name}: {len(stored):,} bytes, {ratios[name]} times smaller, accuracy {served:.4f}", flush=True)
        times, lost = ASKED[name]
        met &= ratios[name] >= times and floor["accuracy"] - served <= lost
    report("compression", results=results, floor=floor, peers=peers, ratios=ratios, met=met)


if __name__ == "__main__":
    main()
