"""How many requests per second does `modeldrop serve` respond to, compared with other Python servers?

All servers have the same ONNX file, the same machine and one worker; wrk sends the load and, for gRPC, h2load (Debian's
packages ``wrk`` and ``nghttp2-client``). One server runs at a time, in rounds, so that a busy machine slows all
equally; the server's CPU time per request, which is also measured, hardly depends on other processes. Peers run in
their own environments below ``--peers``, which are made if missing; ``left_out`` lists peers that could not be made or
started.

``fastapi`` has pydantic models in and out, as in FastAPI's documentation, ``fastapi_orjson`` has none. ``mlserver``
predicts in the server's process: its worker process does not start with uvloop 0.22 and later.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # before benchmarks/, whose pipeline.py hides the package

from common import report
from server_load import Load, Measured, Target, measure, memory_mb
from server_models import write_models
from server_processes import OWN, PEERS, ROOT, prepare_peers, running, server_of

JSON_LOADS = [Load("table", "json", 1, clients) for clients in (1, 4, 32)] + [
    Load("table", "json", 100, 4), Load("cnn", "json", 1, 4),
]  # fmt: skip
TEXT_LOADS = [Load("text", "json", 1, 4)]
GRPC_LOADS = [Load("table", "grpc", 1, 4), Load("table", "grpc", 100, 4)]
LOADS: dict[str, list[Load]] = {
    "modeldrop": [
        *JSON_LOADS, *TEXT_LOADS, *GRPC_LOADS, Load("table", "binary", 1, 4), Load("table", "binary", 100, 4),
        Load("wide", "binary", 1, 32), Load("cnn", "json", 1, 32),
    ],
    "unbatched": [Load("wide", "binary", 1, 32), Load("cnn", "json", 1, 32), Load("table", "json", 1, 32)],
    "fastapi": [*JSON_LOADS, *TEXT_LOADS],
    "fastapi_orjson": [*JSON_LOADS, *TEXT_LOADS],
    "mlserver": [*JSON_LOADS, *GRPC_LOADS],
    "kserve": [*JSON_LOADS, *GRPC_LOADS],
    "bentoml": JSON_LOADS,
}  # fmt: skip
AT_LEAST = {
    "fastapi/json/4": 2.0,
    "mlserver/json/4": 8.0,
    "own json/binary 100 rows/4": 1.5,
    "unbatched/wide binary/32": 3.0,
    "unbatched/cnn json/32": 0.95,
    "unbatched/json/32": 0.95,
    "unbatched/p99 wide binary/32": 0.5,
    **{f"{peer}/grpc/4": 2.0 for peer in ("mlserver", "kserve")},
    **{f"{peer}/p99 json/4": 1.0 for peer in PEERS},
}
Results = dict[str, dict[Load, Measured]]


def run_rounds(arguments: argparse.Namespace, folder: Path, left_out: dict[str, str]) -> tuple[Results, dict[str, Any]]:
    """Measure each server in each round; return the medians, and the memory of each server in MB.

    Args:
        arguments: Arguments of the command.
        folder: Folder with the models.
        left_out: Peers to skip, with the reason; peers that do not start are added.
    """
    measured: dict[str, dict[Load, list[Measured]]] = defaultdict(lambda: defaultdict(list))
    memory: dict[str, Any] = {}
    for _ in range(arguments.rounds):
        for name in (name for name in LOADS if name not in left_out):
            for model in dict.fromkeys(load.model for load in LOADS[name]):
                print(name, model, file=sys.stderr)
                server = server_of(name, folder / model / "1" / "model.onnx", arguments.peers, folder)
                try:
                    with running(server) as process:
                        for load in (load for load in LOADS[name] if load.model == model):
                            address = server.grpc if load.protocol == "grpc" else server.http
                            target = Target(address, process.pid, name)
                            measure(target, load, folder, 1)
                            run = measure(target, load, folder, arguments.seconds)
                            measured[name][load].append(run)
                        memory[f"{name} {model}"] = memory_mb(process.pid)
                except (SystemExit, subprocess.CalledProcessError) as error:
                    if name in OWN:
                        raise
                    left_out[name] = str(error)
                    measured.pop(name, None)
                    break
    return {name: {load: _median(runs) for load, runs in loads.items()} for name, loads in measured.items()}, memory


def ratios_of(results: Results) -> dict[str, float]:
    """Return our requests per second relative to others', and others' p99 and CPU time relative to ours."""
    ours = results["modeldrop"]
    ratios = {}
    for peer, loads in results.items():
        for load, run in loads.items() if peer != "modeldrop" else ():
            form = f"{'' if load.model == 'table' else load.model + ' '}{load.protocol}"
            name = f"{form}{'' if load.rows == 1 else ' 100 rows'}/{load.clients}"
            ratios[f"{peer}/{name}"] = ours[load].requests / run.requests
            ratios[f"{peer}/p99 {name}"] = run.p99 / max(ours[load].p99, 1e-3)
            ratios[f"{peer}/cpu {name}"] = run.cpu_us / max(ours[load].cpu_us, 0.1)
    binary, tensors = ours[Load("table", "binary", 100, 4)], ours[Load("table", "json", 100, 4)]
    ratios["own json/binary 100 rows/4"] = binary.requests / tensors.requests
    return {name: round(ratio, 2) for name, ratio in ratios.items()}


def main() -> None:
    """Measure all servers, and print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", type=Path, default=ROOT / ".venv-peers", help="folder of the peers' environments")
    parser.add_argument("--seconds", type=int, default=3, help="seconds of each load")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", nargs="*", choices=[*PEERS], help="only these peers")
    arguments = parser.parse_args()
    for program, package in (("wrk", "wrk"), ("h2load", "nghttp2-client")):
        if shutil.which(program) is None:
            raise SystemExit(f"{program} is expected: apt-get install {package}")
    left_out = prepare_peers(arguments.peers)
    if arguments.only is not None:
        left_out |= {peer: "not chosen" for peer in PEERS if peer not in arguments.only}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_models(folder)
        results, memory = run_rounds(arguments, folder, left_out)
    ratios = ratios_of(results)
    missed = {name: ratios[name] for name, ratio in AT_LEAST.items() if name in ratios and ratios[name] < ratio}
    failures = {f"{name} {load}": run.failures for name, runs in results.items() for load, run in runs.items()}
    shown = {
        name: {" ".join(map(str, load)): run._asdict() for load, run in runs.items()} for name, runs in results.items()
    }
    ours = {name: shown.pop(name) for name in OWN} | {"memory_mb": memory, "missed": missed, "left_out": left_out}
    met = not missed and not any(count for name, count in failures.items() if name.startswith("modeldrop"))
    report("server", results=ours, floor=None, peers=shown, ratios=ratios, met=met)


def _median(runs: list[Measured]) -> Measured:
    return Measured(
        round(max(0.1, statistics.median(run.requests for run in runs)), 1),  # 0.1 if no request finished in time
        round(statistics.median(run.p99 for run in runs), 2),
        sum(run.failures for run in runs),
        round(statistics.median(run.cpu_us for run in runs), 1),
    )


if __name__ == "__main__":
    main()
