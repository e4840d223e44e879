"""Does the chosen winner pass its gates, and does no other variant beat it? On all data sets of quality.py.

The pipeline's own functions train, compress and choose for each data set with an empty train.yaml; the time is shared
equally. The benchmark prints the table of all variants: quality, bytes, latencies, the Pareto front, and why each is
served or not. Goals: the winner always passes its gates, and no other variant beats it in quality, bytes and latency
of one row. The floor is the fp32 file of the winner's candidate, which is always among the variants; its metric on the
test rows, by which nothing was chosen, is reported with the winner's. Data: see quality.py.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import argparse
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # before benchmarks/, whose pipeline.py hides the package

from common import report
from quality import PARTS, say
from quality_ours import Result, make
from quality_variants import describe_variants, failed_promises, print_table

SECONDS = 1_080.0  # for all data sets; steps in progress are finished, and everything takes less than 20 minutes


def describe(result: Result) -> dict[str, Any]:
    """Return the winner, what it saves against its candidate's fp32 file, and both metrics on the test rows."""
    winner, metric = result.selection.winner, result.selection.metric
    full = result.full_precision
    assert winner.artifact is not None, "a winner was made"
    assert full.artifact is not None, "fp32 is always made"
    return {
        "chosen": winner.display_name,
        "reason": result.selection.reason,
        "times smaller than fp32": round(full.artifact.bytes / winner.artifact.bytes, 2),
        "times faster than fp32": round((full.latency_us or 0.0) / (winner.latency_us or 1.0), 2),
        "metric": metric,
        "test": {"fp32": result.test_quality[full.display_name], "chosen": result.test_quality[winner.display_name]},
        "failed": failed_promises(result.selection, result.data.spec.compression),
        "seconds": round(result.seconds, 1),
        "seconds of compression": round(result.compression_seconds, 1),
        "variants": describe_variants(result.selection),
    }


def main() -> None:
    """Choose on the data sets on the command line, or on all of them, and print the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=sorted(PARTS), help="only this data set; may be repeated")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for all data sets together")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    names = arguments.only or sorted(PARTS, key=lambda name: PARTS[name][1], reverse=True)  # small tables first
    deadline, rows = time.monotonic() + arguments.seconds, dict[str, dict[str, Any]]()
    for index, name in enumerate(names):
        budget = max(0.0, deadline - time.monotonic()) / (len(names) - index)
        with tempfile.TemporaryDirectory() as folder:
            result = make(PARTS[name][0](0), Path(folder), budget=budget, threads=arguments.threads)
        rows[name] = describe(result)
        say(f"\n{name}, by {result.selection.metric}: {result.selection.reason}\n{print_table(rows[name]['variants'])}")
        taken = f"{result.seconds:.0f} s, {result.compression_seconds:.0f} of them compression"
        say(f"{name}: {rows[name]['failed'] or 'sound'}, {taken}")
    report(
        "choice",
        results=rows,
        floor={name: row["test"]["fp32"] for name, row in rows.items()},
        peers={},
        ratios={name: row["times smaller than fp32"] for name, row in rows.items()},
        met=not any(row["failed"] for row in rows.values()),
    )


if __name__ == "__main__":
    main()
