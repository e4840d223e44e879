"""How small and how fast does a network get, and what does it lose?

- ``lenet_300_100``, ``lenet_5`` on MNIST, to compare with the table in Deep Compression (Han et al. 2016): stored bytes
  against the uncompressed float32 ONNX file. Goals: 40 times smaller at a loss of 0.1 points of accuracy, 60 times at
  0.5; LeNet-5 39 times at 0.1 points.
- ``cnn``: LeNet-5 again, with fewer channels, then in integers. Goal: 3 times faster for 1 and for 64 rows, at a loss
  of 0.2 points.
- ``transformer`` on AG News: int8. Goal: 1.4 times faster for 64 rows, at a loss of 0.5 points, and predictions of a
  row that do not depend on its batch.
- ``adult``: the networks of a run, which read raw columns. Goal: 60 us for one row and 5 us per row for 64, within 0.5
  points of the best candidate.

Each file is made by the passes that train.yaml would name, in their order and with their own strengths. The peer is
onnxruntime's own dynamic int8 of the same files. Accuracy is measured on all test rows. Each process has one thread,
and two processes make networks at the same time; latencies are measured in turns afterwards, when no other process of
this benchmark runs.
Data: the folder MODELDROP_DATA, or ../shared/data next to the repository.
"""

from __future__ import annotations

import os

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import multiprocessing
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # before benchmarks/, whose pipeline.py hides the package

import numpy as np
from common import alternate, parse_names, report
from compression_adult import BEST, make_adult, measure_adult
from compression_networks import (
    PEER,
    accuracy,
    make_lenet_5,
    make_lenet_300_100,
    make_transformer,
    read_mnist,
    read_news,
    session_of,
)

from pipeline.codec.unpack import unpack
from pipeline.compression.storage import pack_model

ROUNDS = {1: 300, 64: 40}

Bodies = Mapping[str, bytes]
Result = dict[str, dict[str, Any]]

MAKERS: Mapping[str, Callable[[], dict[str, dict[str, bytes]]]] = {  # the longest first
    "lenet_5": make_lenet_5, "adult": make_adult, "lenet_300_100": make_lenet_300_100, "transformer": make_transformer,
}  # fmt: skip
MAKER_OF = {"lenet_300_100": "lenet_300_100", "lenet_5": "lenet_5", "cnn": "lenet_5", "transformer": "transformer",
         "adult": "adult"}  # fmt: skip  # network -> its maker


def measure_sizes(bodies: Bodies) -> Result:
    """Return the stored bytes of each body and the accuracy of the unpacked file on MNIST; fp32 is not packed."""
    test = read_mnist("test")
    stored = {name: body if name == "fp32" else pack_model(body) for name, body in bodies.items()}
    return {
        name: {
            "bytes": len(file),
            "times": round(len(bodies["fp32"]) / len(file), 1),
            "accuracy": accuracy(file if name == "fp32" else unpack(file), test.image, test.target),
        }
        for name, file in stored.items()
    }


def measure_speeds(bodies: Bodies, values: np.ndarray, target: np.ndarray) -> Result:
    """Return the speed and accuracy of each body.

    Args:
        bodies: Name -> body; ``fp32`` is the uncompressed one.
        values: Input of the test rows.
        target: Class numbers of the test rows [rows].

    Returns:
        For each body: median microseconds for 1 and 64 rows, accuracy, and the largest difference between predictions
        for rows alone and in a batch of 64.
    """
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
            "times": {str(size): round(medians["fp32"] / medians[name], 2) for size, medians in taken.items()},
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


def measure(network: str, bodies: dict[str, bytes]) -> Result:
    """Return the measurements of each file of a network."""
    if network in ("lenet_300_100", "lenet_5"):
        return measure_sizes(bodies)
    if network == "adult":
        return measure_adult(bodies)
    rows = read_news("test") if network == "transformer" else read_mnist("test")
    return measure_speeds(bodies, rows.text if network == "transformer" else rows.image, rows.target)


def ours(result: Result) -> list[dict[str, Any]]:
    """Return the measurements of the compressed files, without fp32, the peer and the best candidate."""
    return [measured for name, measured in result.items() if name not in ("fp32", PEER, BEST)]


def is_smaller(result: Result, times: float, lost: float) -> bool:
    """Return whether a file is ``times`` smaller than fp32 and loses at most ``lost`` accuracy."""
    floor = result["fp32"]["accuracy"] - lost
    return any(figures["times"] >= times and round(figures["accuracy"] - floor, 6) >= 0 for figures in ours(result))


def is_faster(result: Result, times: Mapping[str, float], lost: float) -> bool:
    """Return whether a file is faster than fp32, loses at most ``lost`` accuracy, and does not depend on the batch.

    Args:
        result: Measurements of the network.
        times: Batch size as text -> smallest speed-up.
        lost: Largest loss of accuracy.
    """
    floor = result["fp32"]["accuracy"] - lost
    return any(
        round(figures["accuracy"] - floor, 6) >= 0
        and figures["difference alone"] < 1e-5
        and all(figures["times"][size] >= factor for size, factor in times.items())
        for figures in ours(result)
    )


def is_fast(result: Result, lost: float) -> bool:
    """Return whether a network takes 60 us for one row and 5 us per row for 64, ``lost`` accuracy below the best."""
    floor = result[BEST]["accuracy"] - lost
    return any(
        figures["us"]["1"] <= 60 and figures["us"]["64"] <= 64 * 5 and round(figures["accuracy"] - floor, 6) >= 0
        for figures in (*ours(result), result["fp32"])
    )


GOALS: Mapping[str, Mapping[str, Callable[[Result], bool]]] = {
    "lenet_300_100": {
        "40 times smaller at 0.1 points": lambda result: is_smaller(result, 40, 0.001),
        "60 times smaller at 0.5 points": lambda result: is_smaller(result, 60, 0.005),
    },
    "lenet_5": {"39 times smaller at 0.1 points": lambda result: is_smaller(result, 39, 0.001)},
    "cnn": {"3 times faster at 0.2 points": lambda result: is_faster(result, {"1": 3.0, "64": 3.0}, 0.002)},
    "transformer": {"1.4 times faster at 0.5 points": lambda result: is_faster(result, {"64": 1.4}, 0.005)},
    "adult": {"60 us and 5 us a row at 0.5 points": lambda result: is_fast(result, 0.005)},
}


def timed(maker: str) -> tuple[dict[str, dict[str, bytes]], float]:
    """Return the files that a maker makes, and the seconds that it took."""
    began = time.monotonic()
    return MAKERS[maker](), round(time.monotonic() - began, 1)


def make(networks: list[str]) -> dict[str, dict[str, bytes]]:
    """Return the files of the networks, from two makers at a time; networks of a failed maker are missing."""
    files: dict[str, dict[str, bytes]] = {}
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        futures = {
            pool.submit(timed, maker): maker for maker in MAKERS if maker in {MAKER_OF[network] for network in networks}
        }
        for future in as_completed(futures):
            if error := future.exception():
                print(f"{futures[future]} failed", *traceback.format_exception(error), flush=True)
                continue
            bodies, seconds = future.result()
            files |= bodies
            print(f"{futures[future]} made in {seconds:.0f} s", flush=True)
    return files


def main() -> None:
    """Measure the networks on the command line, or all of them."""
    networks = parse_names(__doc__, MAKER_OF)
    bodies = make(networks)
    results, goals = {}, {}
    for network in filter(bodies.__contains__, networks):
        results[network] = measure(network, bodies[network])
        goals[network] = {goal: bool(is_met(results[network])) for goal, is_met in GOALS[network].items()}
        print(network, goals[network], results[network], flush=True)
    floors = {network: result["fp32"] for network, result in results.items()}
    peers = {network: result[PEER] for network, result in results.items() if PEER in result}
    ratios = {
        f"{network}/{name}": measured["times"] if np.isscalar(measured["times"]) else measured["times"]["64"]
        for network, result in results.items()
        for name, measured in result.items()
        if name != "fp32"
    }
    met = set(networks) == set(goals) and all(is_met for of_network in goals.values() for is_met in of_network.values())
    report("compression", results=results, floor=floors, peers=peers, ratios=ratios, met=met)


if __name__ == "__main__":
    main()
