"""What does the pipeline cost beside one plain script? Adult, seconds from drop to live on the embedded cloud.

The script (plain_adult.py) does the same in one process. The pipeline may add at most 10 s: its transfers, its records,
its processes' starts. Data: the folder MODELDROP_DATA, or ../shared/data beside the repository.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # before this folder, where this very file is called pipeline

import httpx
from common import report

from pipeline.bootstrap import OperatorServices, operator
from pipeline.contracts.object_keys import run_name
from pipeline.contracts.records.run import Run
from pipeline.local import control

ROOT = Path(__file__).parents[1]
PLAIN = ROOT / "benchmarks" / "plain_adult.py"
TENANT, MODEL, TARGET = "demo", "adult", "income"
MOST_ADDED = 10.0  # seconds
MOST_SECONDS = 600.0


def adult() -> Path:
    folder = Path(os.environ.get("MODELDROP_DATA", ROOT.parent / "shared" / "data"))
    csv = folder / "adult" / "train.csv"
    if not csv.exists():
        sys.exit(f"there is no {csv}: MODELDROP_DATA names the folder that has adult/train.csv")
    return csv


def plain(csv: Path) -> dict[str, Any]:
    """The script's own process, from its start to its end."""
    began = time.perf_counter()
    done = subprocess.run([sys.executable, PLAIN, csv, TARGET], check=True, capture_output=True, text=True)
    seconds = time.perf_counter() - began
    parts = json.loads(done.stdout.splitlines()[-1])["seconds"]
    return {"seconds": seconds, "parts": {"start": seconds - sum(parts.values()), **parts}}


def dropped(csv: Path, stack: OperatorServices, status: control.Status) -> dict[str, Any]:
    """From the put of the file to the run's end, when the alias ``live`` has moved; then one row is asked for."""
    key = f"{TENANT}/{MODEL}/train.csv"
    stack.uploads.put(f"{TENANT}/{MODEL}/train.yaml", b"blend: false\nrefit: false\n")  # which the script does not do
    began = time.perf_counter()
    stack.uploads.put(key, csv.read_bytes(), metadata={"target": TARGET})
    run = run_name(TENANT, MODEL, stack.uploads.bucket, key, stack.uploads.head(key).version_id)
    ended = wait(run, stack, began)
    seconds = time.perf_counter() - began
    assert ended.status == "SUCCEEDED", ended.error
    ask(csv, status)
    parts = {stage.name: stage.seconds for stage in ended.stages}
    return {"seconds": seconds, "parts": {"start": seconds - sum(parts.values()), **parts}}


def wait(run: str, stack: OperatorServices, began: float) -> Run:
    while time.perf_counter() - began < MOST_SECONDS:
        time.sleep(0.05)
        found = next((one for one in stack.runs.list(limit=5) if one.run == run), None)
        if found is not None and found.status != "RUNNING":
            return found
    raise TimeoutError(f"{run} was still running after {MOST_SECONDS:.0f} s")


def ask(csv: Path, status: control.Status) -> None:
    header, first = csv.read_text().splitlines()[:2]
    row = {name: cell or None for name, cell in zip(header.split(","), first.split(","), strict=True)}
    del row[TARGET]
    numbers = {name: float(cell) for name, cell in row.items() if cell and cell.replace(".", "").isdigit()}
    answer = httpx.post(
        f"{status.api_url}/v2/models/{MODEL}/infer",
        json={"rows": [row | numbers]},
        headers={"x-api-key": status.api_key},
        timeout=60,
    )
    answer.raise_for_status()


def medians(measured: list[dict[str, Any]]) -> dict[str, Any]:
    parts = {name: statistics.median(one["parts"][name] for one in measured) for name in measured[0]["parts"]}
    return {
        "seconds": round(statistics.median(one["seconds"] for one in measured), 2),
        "stages": {name: round(seconds, 2) for name, seconds in parts.items()},
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--runs", type=int, default=3, help="of each, in turns; the medians count")
    runs, csv = arguments.parse_args().runs, adult()
    alone, live = [], []
    with tempfile.TemporaryDirectory() as home:
        status = control.up(home=Path(home), report=lambda text: print(text, file=sys.stderr))
        try:
            stack = connect(status)
            for number in range(1, runs + 1):
                alone.append(plain(csv))
                live.append(dropped(csv, stack, status))
                print(
                    f"{number}: plain {alone[-1]['seconds']:.1f} s, live {live[-1]['seconds']:.1f} s", file=sys.stderr
                )
        finally:
            control.down(home=Path(home), wipe=True)
    ours, theirs = medians(live), medians(alone)
    added = ours["seconds"] - theirs["seconds"]
    report(
        "pipeline",
        results={"live": ours, "added_seconds": round(added, 2), "runs": runs},
        floor=theirs,
        peers={"one plain script in one process": theirs["seconds"]},
        ratios={"live / plain": round(ours["seconds"] / theirs["seconds"], 3)},
        met=added <= MOST_ADDED,
    )


def connect(status: control.Status) -> OperatorServices:
    from pipeline.local.processes import CREDENTIALS, REGION

    return operator(endpoint_url=status.endpoint_url, region=REGION, credentials=CREDENTIALS)


if __name__ == "__main__":
    main()
