"""Adult in one process, as a data scientist would write it.

The split, candidates, settings, export, parity, quantization and choice are those of a run, by the same functions, but
there is no cloud, no job and no record in between.

Usage: plain_adult.py train.csv TARGET. The last line is JSON: seconds by step, and the winner.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
import time
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # before benchmarks/, whose pipeline.py hides the package

from pipeline.compression.make_variants import make_variants
from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.evaluation.card.card import EvaluationContext, evaluate
from pipeline.planning.plan import plan
from pipeline.selection.select import select
from pipeline.training.distributed.machine import Machine, this_machine
from pipeline.training.trainer import Trainer
from pipeline.validation.limits import MAX_BYTES
from pipeline.validation.prepare import prepare
from pipeline.validation.readers.batches import open_rows
from pipeline.validation.readers.formats import find_format
from pipeline.validation.readers.options import ReadOptions
from pipeline.validation.readers.source import File, Source
from pipeline.validation.rejected_rows import RejectedRows

KEYS = RunKeys("plain_adult_0")


class Memory(dict[str, bytes]):
    """An object store in memory: compression reads the files of training from it, and stores variants in it."""

    def put_if_absent(self, key: str, body: bytes) -> bool:
        """Store an object unless the key exists; return whether it was stored."""
        return self.setdefault(key, body) is body


class Clock:
    """Measures the seconds of consecutive steps."""

    def __init__(self) -> None:
        self._last = time.perf_counter()
        self.seconds: dict[str, float] = {}

    def lap(self, step: str) -> None:
        """Record the seconds since the previous step as those of ``step``."""
        now = time.perf_counter()
        self.seconds[step], self._last = round(now - self._last, 3), now


def machine_for(algorithm: str) -> Machine:
    """Return the machine with all processors, since nothing else runs; mlp keeps half of them, which is faster."""
    machine = this_machine("cpu")
    return machine if algorithm == "mlp" else replace(machine, threads=os.cpu_count() or 1)


def main(csv: Path, target: str, folder: Path) -> None:
    """Train, compress, choose and evaluate, and print seconds and winner.

    Args:
        csv: The training rows.
        target: Name of the target column.
        folder: Folder for files.
    """
    clock = Clock()
    aside = RejectedRows(folder / "set_aside.jsonl")
    digest = hashlib.sha256(csv.read_bytes()).hexdigest()
    source = Source(name=csv.name, files=(File(name=csv.name, path=csv, form=find_format(csv.name)),), digest=Future())
    rows = open_rows(source, folder, ReadOptions(), aside, is_large=False, max_bytes=MAX_BYTES)
    data = prepare(rows, JobSpec(target=target), aside, folder, sha256=digest)
    splits = data.read_splits()
    clock.lap("validate")
    planned = plan(data.dataset, data.spec)
    trained, files = [], Memory()
    for candidate in planned.candidates:
        workdir = folder / candidate.name
        workdir.mkdir()
        machine = machine_for(candidate.algorithm)
        trainer = Trainer(dataset=data.dataset, splits=splits, machine=machine, seed=planned.seed)
        trained.append(trainer.train(candidate, workdir, lambda _: None))
        files |= {KEYS.candidate(candidate.name, file.name): file.read_bytes() for file in workdir.iterdir()}
        clock.lap(candidate.name)
    variants = make_variants(
        trained,
        artifacts=files,
        keys=KEYS,
        dataset=data.dataset,
        validation=splits["validation"],
        spec=data.spec,
        report=lambda _: None,
    )
    clock.lap("compress")
    chosen = select(variants, metric=planned.metric, spec=data.spec)
    card, _ = evaluate(
        chosen,
        run=KEYS.run,
        model="adult",
        dataset=data.dataset,
        stored=files[chosen.winner.artifact.key],
        test=splits["test"],
        background=EvaluationContext(splits={name: splits[name] for name in ("train", "validation")}),
        now=datetime.now(UTC),
    )
    clock.lap("evaluate")
    winner = {"candidate": chosen.winner.candidate, "precision": chosen.winner.precision, "test": card.test_quality}
    print(json.dumps({"seconds": clock.seconds, "winner": winner}))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(Path(sys.argv[1]), sys.argv[2], Path(folder))
