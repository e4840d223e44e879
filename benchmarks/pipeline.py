"""What does the pipeline cost compared with one plain script? Adult, seconds from drop to live on the embedded cloud.

The script (plain_adult.py) does the same in one process. The pipeline may add at most 10 s for transfers, records and
the start of processes. Data: the folder MODELDROP_DATA, or ../shared/data next to the repository.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # before benchmarks/, where this file hides the package

import httpx
from common import report
from quality_data import data_file

from pipeline.bootstrap import OperatorServices, operator
from pipeline.contracts.object_keys import run_name
from pipeline.contracts.records.run import Run
from pipeline.contracts.stack import StackStatus
from pipeline.local import control

ROOT = Path(__file__).parents[1]
PLAIN = ROOT / "benchmarks" / "plain_adult.py"
TENANT, MODEL, TARGET = "demo", "adult", "income"
MAX_ADDED_SECONDS = 10.0
MAX_RUN_SECONDS = 600.0


def plain(csv: Path) -> dict[str, Any]:
    """Run the plain script; return the seconds from the start of its process to its end, in all and by step."""
    began = time.perf_counter()
    script = subprocess.run([sys.executable, PLAIN, csv, TARGET], check=True, capture_output=True, text=True)
    seconds = time.perf_counter() - began
    laps = json.loads(script.stdout.splitlines()[-1])["seconds"]
    return {"seconds": seconds, "parts": {"start": seconds - sum(laps.values()), **laps}}


def dropped(csv: Path, stack: OperatorServices, status: StackStatus) -> dict[str, Any]:
    """Drop the file, wait for the run, and request a prediction for one row.

    Returns:
        The seconds from the put of the file to the end of the run, when the alias ``live`` has moved; in all and by
        stage.
    """
    key = f"{TENANT}/{MODEL}/train.csv"
    stack.uploads.put(f"{TENANT}/{MODEL}/train.yaml", b"blend: false\nrefit: false\n")  # the script does neither
    began = time.perf_counter()
    stack.uploads.put(key, csv.read_bytes(), metadata={"target": TARGET})
    run = run_name(TENANT, MODEL, stack.uploads.bucket, key, stack.uploads.head(key).version_id)
    ended = wait(run, stack, began)
    seconds = time.perf_counter() - began
    assert ended.status == "SUCCEEDED", ended.error
    ask(csv, status)
    stages = {stage.name: stage.seconds for stage in ended.stages}
    return {"seconds": seconds, "parts": {"start": seconds - sum(stages.values()), **stages}}


def wait(run: str, stack: OperatorServices, began: float) -> Run:
    """Return a run that has ended.

    Raises:
        TimeoutError: The run was still running MAX_RUN_SECONDS after ``began``.
    """
    while time.perf_counter() - began < MAX_RUN_SECONDS:
        time.sleep(0.05)
        ended = next((candidate for candidate in stack.runs.list(limit=5) if candidate.run == run), None)
        if ended is not None and ended.status != "RUNNING":
            return ended
    raise TimeoutError(f"{run} was still running after {MAX_RUN_SECONDS:.0f} s")


def ask(csv: Path, status: StackStatus) -> None:
    """Request a prediction for the first row of the csv file; raise httpx.HTTPStatusError if it fails."""
    header, first = csv.read_text().splitlines()[:2]
    row = {name: cell or None for name, cell in zip(header.split(","), first.split(","), strict=True)}
    del row[TARGET]
    numbers = {name: float(cell) for name, cell in row.items() if cell and cell.replace(".", "").isdigit()}
    response = httpx.post(
        f"{status.api_url}/v2/models/{MODEL}/infer",
        json={"rows": [row | numbers]},
        headers={"x-api-key": status.api_key},
        timeout=60,
    )
    response.raise_for_status()


def medians(measured: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the median seconds over several measurements, in all and by step."""
    stages = {name: statistics.median(run["parts"][name] for run in measured) for name in measured[0]["parts"]}
    return {
        "seconds": round(statistics.median(run["seconds"] for run in measured), 2),
        "stages": {name: round(seconds, 2) for name, seconds in stages.items()},
    }


def main() -> None:
    """Compare the pipeline with the plain script, and print the report."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--runs", type=int, default=3, help="runs of each, in turns; the medians count")
    runs, csv = arguments.parse_args().runs, data_file("adult/train.csv")
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
        met=added <= MAX_ADDED_SECONDS,
    )


def connect(status: StackStatus) -> OperatorServices:
    """Return the services of the embedded cloud."""
    from pipeline.local.processes import CREDENTIALS, REGION

    return operator(endpoint_url=status.endpoint_url, region=REGION, credentials=CREDENTIALS)


if __name__ == "__main__":
    main()
