"""How small and how fast does a network get, and what does it lose?

- ``lenet_300_100``, ``lenet_5`` on MNIST, beside the table of Deep Compression (Han et al. 2016): stored bytes against
  the uncompressed float32 ONNX file. The first prunes and shares while it trains (``training.sparsity``,
  ``training.shared_bits``), the second by the passes of the compress stage. Asked for: 40 times smaller at 0.1 points,
  60 times at 0.5; LeNet-5 39 times at 0.1 points.
- ``cnn`` on MNIST: half of the channels, then static int8. Asked for: 3 times faster at 1 and at 64 rows, 0.2 points.
- ``transformer`` on AG News: int8. Asked for: 1.4 times faster at 64 rows, 0.5 points, and predictions of a row that do
  not depend on its batch.

The peer is onnxruntime's own dynamic int8 of the same files. All test rows, one thread, calls in turns.
Usage: python benchmarks/compression.py [PART ...]; without a part all of them, in about 15 minutes on a quiet machine.
Data: the folder MODELDROP_DATA, or ../shared/data beside the repository.
"""

from __future__ import annotations

import os

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # before this folder, where pipeline.py is a benchmark

import numpy as np
from common import alternate, report
from compression_networks import (
    VALIDATION_ROWS,
    accuracy,
    read_mnist,
    read_news,
    session_of,
    train_lenet5,
    train_recipe,
    training_rows,
)
from onnxruntime.quantization import quantize_dynamic

from pipeline.codec.unpack import unpack
from pipeline.compression.fine_tuning.budget import Budget
from pipeline.compression.passes.fine_tune import FineTuningConfig
from pipeline.compression.passes.pass_context import PassContext
from pipeline.compression.passes.pruning.prune_channels import PruneChannels
from pipeline.compression.passes.pruning.prune_weights import PruneWeights
from pipeline.compression.passes.quantization.dynamic_int8 import DynamicInt8
from pipeline.compression.passes.quantization.quantization_graph import prepare_quantization
from pipeline.compression.passes.quantization.static_int8 import StaticInt8
from pipeline.compression.passes.weights.share_tuned_weights import ShareTunedWeights
from pipeline.compression.storage import pack_model
from pipeline.training.algorithm import Rows

NETWORK = {
    "hidden": (300, 100), "optimizer": "adam", "batch_size": 64, "dropout": 0.0, "weight_decay": 0.0,
    "learning_rate": 1e-3, "schedule": "cosine", "early_stopping": 1000,
}  # fmt: skip
DENSE = {**NETWORK, "epochs": 12}
LENET_300_100 = {  # settings, times smaller, accuracy lost
    "at most 0.1 points": ({"epochs": 24, "sparsity": 0.93, "shared_bits": 4}, 40.0, 0.001),
    "at most 0.5 points": ({"epochs": 24, "sparsity": 0.955, "shared_bits": 4}, 60.0, 0.005),
}
FINE_TUNING_SECONDS = 240.0
ROUNDS = {1: 300, 64: 40}

Result = dict[str, Any]


def quantized_by_onnxruntime(body: bytes) -> bytes:
    """Its own dynamic int8, after its own pre-processing."""
    with tempfile.TemporaryDirectory() as folder:
        quantized = Path(folder, "int8.onnx")
        quantize_dynamic(prepare_quantization(body), quantized, op_types_to_quantize=["MatMul", "Gather"])
        return quantized.read_bytes()


def context_of(body: bytes, rows: Rows) -> PassContext:
    """What the passes work with."""
    return PassContext(
        read_rows=partial(training_rows, rows), teacher=body, budget=Budget.start(FINE_TUNING_SECONDS), report=print
    )


def sizes(bodies: Mapping[str, bytes], test: Rows) -> Result:
    """Stored bytes and accuracy of each; the first is the uncompressed floor."""
    dense = next(iter(bodies.values()))
    return {
        name: {
            "bytes": len(body if body is dense else pack_model(body)),
            "times": round(len(dense) / len(body if body is dense else pack_model(body)), 1),
            "accuracy": accuracy(unpack(pack_model(body)), test.image, test.target),
        }
        for name, body in bodies.items()
    }


def speeds(bodies: Mapping[str, bytes], values: np.ndarray, target: np.ndarray) -> Result:
    """Median microseconds at 1 and 64 rows, accuracy, and how far a row alone is from the row among 64."""
    sessions = {name: session_of(body) for name, body in bodies.items()}
    name_of_input = next(iter(sessions.values())).get_inputs()[0].name

    def predict(session: Any, rows: np.ndarray) -> np.ndarray:
        return np.asarray(session.run(None, {name_of_input: rows})[0])

    taken = {
        size: alternate({name: partial(predict, session, values[:size]) for name, session in sessions.items()}, rounds)
        for size, rounds in ROUNDS.items()
    }
    return {
        name: {
            "us": {str(size): medians[name] for size, medians in taken.items()},
            "stored bytes": len(pack_model(body)),
            "accuracy": accuracy(body, values, target),
            "difference alone": float(
                np.abs(
                    predict(sessions[name], values[:64])
                    - np.concatenate([predict(sessions[name], values[row : row + 1]) for row in range(64)])
                ).max()
            ),
        }
        for name, body in bodies.items()
    }


def lenet_300_100() -> tuple[Result, bool]:
    """Pruned and shared while it trains."""
    rows, test = read_mnist("train"), read_mnist("test")
    train = partial(train_recipe, "mlp", rows=rows, validation_rows=VALIDATION_ROWS)
    dense = train(DENSE)
    bodies = {"fp32": dense, "peer: onnxruntime dynamic int8": quantized_by_onnxruntime(dense)}
    bodies |= {name: train({**NETWORK, **settings}) for name, (settings, _, _) in LENET_300_100.items()}
    result = sizes(bodies, test)
    met = all(
        result[name]["times"] >= times and result["fp32"]["accuracy"] - result[name]["accuracy"] <= lost
        for name, (_, times, lost) in LENET_300_100.items()
    )
    return result, met


def lenet_5() -> tuple[Result, bool]:
    """Pruned, then shared, by the passes of the compress stage."""
    rows, test = read_mnist("train"), read_mnist("test")
    dense = train_lenet5(rows, epochs=6)
    pruned = PruneWeights(context_of(dense, rows), sparsity=0.93, config=FineTuningConfig(epochs=8, batch_size=64))(
        dense
    ).model
    shared = ShareTunedWeights(
        context_of(dense, rows), bits=4, config=FineTuningConfig(epochs=2, batch_size=64, learning_rate=3e-4)
    )(pruned).model
    peer = quantized_by_onnxruntime(dense)
    result = sizes({"fp32": dense, "peer: onnxruntime dynamic int8": peer, "pruned and shared": shared}, test)
    small = result["pruned and shared"]
    return result, small["times"] >= 39 and result["fp32"]["accuracy"] - small["accuracy"] <= 0.001


def cnn() -> tuple[Result, bool]:
    """Half of the channels, then integers."""
    rows, test = read_mnist("train"), read_mnist("test")
    full = train_recipe("cnn", {"epochs": 4}, rows, validation_rows=VALIDATION_ROWS)
    context = context_of(full, rows)
    half = PruneChannels(context, ratio=0.5, config=FineTuningConfig(epochs=4))(full).model
    bodies = {
        "fp32": full, "peer: onnxruntime dynamic int8": quantized_by_onnxruntime(full),
        "static int8": StaticInt8(context)(full).model, "half": half,
        "half, static int8": StaticInt8(context)(half).model,
    }  # fmt: skip
    result = speeds(bodies, test.image, test.target)
    return result, is_faster(result, ("half", "half, static int8"), {"1": 3.0, "64": 3.0}, 0.002)


def transformer() -> tuple[Result, bool]:
    """Integers without a word about other rows."""
    rows, test = read_news("train"), read_news("test")
    full = train_recipe("transformer", {"epochs": 4}, rows, validation_rows=600)
    bodies = {
        "fp32": full, "peer: onnxruntime dynamic int8": quantized_by_onnxruntime(full),
        "static int8": StaticInt8(context_of(full, rows))(full).model, "dynamic int8": DynamicInt8()(full).model,
    }  # fmt: skip
    result = speeds(bodies, test.text, test.target)
    ours = ("static int8", "dynamic int8")
    independent = all(result[name]["difference alone"] < 1e-5 for name in ours)
    return result, independent and is_faster(result, ours, {"64": 1.4}, 0.005)


def is_faster(result: Result, names: tuple[str, ...], times: Mapping[str, float], lost: float) -> bool:
    """Whether one of the variants is so many times faster than fp32, at so much accuracy lost."""
    full = result["fp32"]
    return any(
        full["accuracy"] - result[name]["accuracy"] <= lost
        and all(full["us"][size] >= factor * result[name]["us"][size] for size, factor in times.items())
        for name in names
    )


PARTS: Mapping[str, Callable[[], tuple[Result, bool]]] = {
    "lenet_300_100": lenet_300_100, "lenet_5": lenet_5, "cnn": cnn, "transformer": transformer,
}  # fmt: skip


def ratios_of(result: Result) -> dict[str, float]:
    """How many times smaller, or faster at 64 rows, each is than fp32."""
    full = result["fp32"]
    return {
        name: measured["times"] if "times" in measured else round(full["us"]["64"] / measured["us"]["64"], 2)
        for name, measured in result.items()
        if name != "fp32"
    }


def main() -> None:
    """Run the parts that are named, or all."""
    results, ratios, met = {}, {}, True
    for part in sys.argv[1:] or PARTS:
        results[part], is_met = PARTS[part]()
        ratios |= {f"{part}/{name}": ratio for name, ratio in ratios_of(results[part]).items()}
        met &= is_met
        print(part, "met" if is_met else "not met", results[part], flush=True)
    floors = {part: result["fp32"] for part, result in results.items()}
    peers = {part: result["peer: onnxruntime dynamic int8"] for part, result in results.items()}
    report("compression", results=results, floor=floors, peers=peers, ratios=ratios, met=met)


if __name__ == "__main__":
    main()
