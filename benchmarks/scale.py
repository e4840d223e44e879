"""What does it cost to validate tables of 10^5, 10^6, 10^7 rows x 20 columns, and to train on them?

The floor is a polars scan of the same file that computes the same statistics. Validation also checks, types, splits and
writes every row. Goals: 1.5 GB of memory for every size, and at least half the speed of the scan. Each measurement is a
separate process, in turns; the medians over the rounds count, for the speed the median of the rounds' ratios. Times
exclude imports, memory is the peak of the process. Training: gradient_boosting with fixed settings on the rows that
validation wrote, read like in the train job (a sample if they exceed ``--memory``).
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import polars as pl
from common import report

MAX_BYTES = 1.5e9  # peak memory of validation
MIN_SPEED = 0.5  # speed of validation relative to the scan
LINEAR = 1.15  # largest growth of the seconds per row from one size to the next
RUN, KEY = "demo_scale_0123456789ab", "demo/scale/table.csv"
SETTINGS = {"n_estimators": 100, "folds": 1, "learning_rate": 0.1}
_CHUNK = 500_000  # rows to generate at once
_EVERY = 100  # the scan computes the medians of large data from every 100th row


def generate(path: Path, rows: int) -> None:
    """Write a csv file: 12 normal variables, 4 integers, 3 categories of 5, 50 and 500 values, and a label."""
    import numpy as np

    draw = np.random.default_rng(0)
    categories = [np.array([f"v{number}" for number in range(5 * 10**power)]) for power in range(3)]
    with path.open("wb") as file:
        for begun in range(0, rows, _CHUNK):
            size = min(_CHUNK, rows - begun)
            table: dict[str, Any] = {f"x{i}": draw.normal(size=size).astype(np.float32).round(5) for i in range(12)}
            table |= {f"n{i}": draw.integers(0, 10 ** (i + 1), size) for i in range(4)}
            table |= {f"c{i}": values[draw.integers(0, len(values), size)] for i, values in enumerate(categories)}
            score = table["x0"] + table["x1"] * table["x2"] + draw.normal(size=size)
            table["y"] = np.where(score > 0, "yes", "no")
            pl.DataFrame(table).write_csv(file, include_header=begun == 0)


Work = Callable[[Path, Path, int], dict[str, Any]]  # path of the table, folder, bytes that training may take -> results


def scan() -> Work:
    """Return the floor: counts of missing and distinct values, mean, deviation, extremes, median, and word counts.

    It is as exact as validation: for large data, distinct values are estimated and medians are those of a sample.
    """
    from pipeline.validation.limits import LARGE_BYTES

    def work(path: Path, folder: Path, memory: int) -> dict[str, Any]:
        table, large = pl.scan_csv(path), path.stat().st_size > LARGE_BYTES
        expressions = [pl.len()]
        for name, dtype in table.collect_schema().items():
            column = pl.col(name)
            measures = {
                "missing": column.null_count(),
                "distinct": column.approx_n_unique() if large else column.n_unique(),
            }
            if dtype.is_numeric():
                measures |= {"mean": column.mean(), "std": column.std(), "min": column.min(), "max": column.max()}
                measures["median"] = (column.gather_every(_EVERY) if large else column).median()
            else:
                measures["words"] = column.value_counts().implode()
            expressions += [expression.alias(f"{key} {name}") for key, expression in measures.items()]
        return {"rows": table.select(expressions).collect(engine="streaming")["len"].item()}

    return work


def validation() -> Work:
    """Return the validation of a table, as the validate job runs it."""
    from pipeline.contracts.records.run import Upload
    from pipeline.validation.validate import validate

    def work(path: Path, folder: Path, memory: int) -> dict[str, Any]:
        upload = Upload(bucket="uploads", key=KEY, version_id="1", bytes=path.stat().st_size, etag="")
        uploads, artifacts = Folder(folder / "uploads"), Folder(folder / "artifacts")
        uploads.take(path, KEY)
        with tempfile.TemporaryDirectory(dir=folder) as workdir:
            dataset = validate(RUN, upload, uploads=uploads, artifacts=artifacts, workdir=Path(workdir))
        return {"rows": sum(dataset.rows.model_dump().values()), "columns": len(dataset.columns)}

    return work


def training() -> Work:
    """Return the training of an algorithm on the validated rows; imports its library first."""
    import lightgbm  # noqa: F401 - imported here so that the timed training does not import it

    from pipeline.contracts.object_keys import RunKeys
    from pipeline.contracts.records.dataset import Dataset
    from pipeline.contracts.records.plan import Candidate
    from pipeline.jobs.runtime.splits import read_splits
    from pipeline.training.distributed.machine import Machine
    from pipeline.training.trainer import Trainer

    def work(path: Path, folder: Path, memory: int) -> dict[str, Any]:
        artifacts, keys = Folder(folder / "artifacts"), RunKeys(RUN)
        with tempfile.TemporaryDirectory(dir=folder) as workdir:
            dataset = Dataset.from_bytes(artifacts.get(keys.dataset))
            splits, notes = read_splits(artifacts, keys, Path(workdir), dataset=dataset, seed=0, max_bytes=memory)
            trainer = Trainer(
                dataset=dataset,
                splits=splits,
                machine=Machine(device="cpu", description="cpu", threads=1),
                seed=0,
                metric="accuracy",
            )
            candidate = Candidate(name="trees", algorithm="gradient_boosting", settings=dict(SETTINGS))
            trained = trainer.train(candidate, Path(workdir), lambda text: None)
        return {"rows": splits["train"].height, "accuracy": trained.quality["accuracy"], "notes": notes}

    return work


class Folder:
    """An object store of files, since the cost of a bucket is not measured; files are linked or moved, not copied."""

    bucket = "folder"

    def __init__(self, root: Path) -> None:
        self._root = root

    def take(self, path: Path, key: str) -> None:
        """Add a file as an object, by a symbolic link."""
        link = self._at(key)
        link.unlink(missing_ok=True)
        link.symlink_to(path)

    def get(self, key: str, *, version_id: str | None = None) -> bytes:
        """Return the content of an object."""
        return self._at(key).read_bytes()

    def put(self, key: str, body: bytes, **_: object) -> None:
        """Store an object."""
        self._at(key).write_bytes(body)

    def head(self, key: str, *, version_id: str | None = None) -> object:
        """Raise ObjectNotFoundError: an upload has no companion files."""
        from pipeline.contracts.errors import ObjectNotFoundError

        raise ObjectNotFoundError(f"there is no companion {key}")

    def download(self, key: str, path: Path, *, version_id: str | None = None) -> None:
        """Make ``path`` a symbolic link to an object."""
        path.symlink_to(self._at(key).resolve())

    def upload(self, path: Path, key: str, **_: object) -> None:
        """Move a file to an object."""
        shutil.move(path, self._at(key))

    def keys(self, prefix: str) -> list[str]:
        """Return no keys: no companion files are uploaded."""
        return []

    def _at(self, key: str) -> Path:
        path = self._root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


# Name -> function that imports what the work needs, and returns the work.
WORK: dict[str, Callable[[], Work]] = {"scan": scan, "validation": validation, "training": training}


def measure(name: str, path: Path, folder: Path, memory: int) -> None:
    """Run the work ``name`` in this process; print its results, the seconds without imports, and the peak memory."""
    work = WORK[name]()
    began, burnt = time.perf_counter(), time.process_time()
    facts = work(path, folder, memory)
    seconds, processor = time.perf_counter() - began, time.process_time() - burnt
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(json.dumps({**facts, "seconds": seconds, "processor_seconds": processor, "peak_bytes": peak}))


def apart(name: str, path: Path, folder: Path, memory: int) -> dict[str, Any]:
    """Measure in a separate process, and return what it prints.

    Args:
        name: Key of WORK.
        path: Path of the table.
        folder: Folder of the objects.
        memory: Bytes of memory that training may take.
    """
    command = [sys.executable, __file__, "--measure", name, "--file", path, "--folder", folder, "--memory", memory]
    process = subprocess.run([str(argument) for argument in command], check=True, capture_output=True, text=True)
    facts: dict[str, Any] = json.loads(process.stdout.splitlines()[-1])
    return facts


def of_size(rows: int, folder: Path, rounds: int, memory: int, *, train: bool) -> dict[str, Any]:
    """Generate a table, measure it in rounds, and remove it.

    Args:
        rows: Number of rows.
        folder: Folder for files.
        rounds: Number of rounds.
        memory: Bytes of memory that training may take.
        train: Whether to measure training, too.
    """
    path = folder / f"{rows}.csv"
    generate(path, rows)
    try:
        measured: dict[str, list[dict[str, Any]]] = {"scan": [], "validation": []}
        for _ in range(rounds):
            for name, taken in measured.items():
                taken.append(apart(name, path, folder, memory))
        figures = {
            "bytes": path.stat().st_size,
            **{name: sorted(taken, key=lambda run: run["seconds"])[rounds // 2] for name, taken in measured.items()},
            "speed": round(statistics.median(map(_speed, measured["scan"], measured["validation"])), 3),
            "peak_bytes": max(run["peak_bytes"] for run in measured["validation"]),
        }
        if train:
            figures["training"] = apart("training", path, folder, memory)
        return figures
    finally:
        path.unlink()


def _speed(scan: dict[str, Any], validation: dict[str, Any]) -> float:
    return float(scan["seconds"] / validation["seconds"])


def main() -> None:
    """Measure the requested sizes, and print the report; or measure once, in a child process (``--measure``)."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=float, nargs="+", default=[1e5, 1e6, 1e7])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", type=float, default=4e9, help="bytes that training may take")
    parser.add_argument("--no-training", action="store_true")
    parser.add_argument("--folder", type=Path, help="folder for temporary tables")
    parser.add_argument("--measure", choices=WORK, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    memory = int(arguments.memory)
    if arguments.measure:
        measure(arguments.measure, arguments.file, arguments.folder, memory)
        return
    results = {}
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        for rows in map(int, arguments.rows):
            results[rows] = of_size(rows, Path(folder), arguments.rounds, memory, train=not arguments.no_training)
            print(f"{rows:,} rows: {json.dumps(results[rows])}", file=sys.stderr)
    growth = _growth([figures["training"] for figures in results.values() if "training" in figures])
    report(
        "scale",
        results={str(rows): figures for rows, figures in results.items()},
        floor={str(rows): figures["scan"]["seconds"] for rows, figures in results.items()},
        peers={},
        ratios={f"speed at {rows:,} rows": figures["speed"] for rows, figures in results.items()} | growth,
        met=all(figures["speed"] >= MIN_SPEED and figures["peak_bytes"] <= MAX_BYTES for figures in results.values())
        and all(ratio <= LINEAR for ratio in growth.values()),
    )


def _growth(trainings: list[dict[str, Any]]) -> dict[str, float]:
    """Return the growth of the CPU seconds per row from one size to the next; 1 is linear."""
    paces = [(training["rows"], training["processor_seconds"] / training["rows"]) for training in trainings]
    return {
        f"seconds a row, {rows:,} against {before:,} rows": round(pace / earlier, 3)
        for (before, earlier), (rows, pace) in pairwise(paces)
    }


if __name__ == "__main__":
    main()
