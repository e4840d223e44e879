"""How small and how fast does a tree ensemble get, and what does it lose?

The winning ensembles of Adult and California (gradient boosting, five folds) as training exports them, and the variant
that ``limits.prefer: balanced`` chooses among those of the compress stage. Measured are stored bytes against the
uncompressed float32 ONNX file, latency of one row on one thread in turns, and the metric on the test rows. Goals: 10
times smaller, 2 times faster, a loss of at most 0.5 % of the metric; for Adult's exported C, 20 us per row and 200 kB
compiled.

Peers in the same run, on the same rows: one LightGBM model (its text file, with and without gzip; lleaves and treelite
if MODELDROP_TREE_PEERS names a Python that has them), and a forest of scikit-learn stored by joblib with compression.
A second process fits the peers while ours train; then one process measures.

Usage: python benchmarks/trees.py [TABLE ...]; both tables take less than ten minutes on an idle machine.
Data: the folder MODELDROP_DATA, or ../shared/data next to the repository.
"""

from __future__ import annotations

import os

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # before benchmarks/, whose pipeline.py hides the package

from common import alternate, parse_names, report
from quality_data import TABLES
from quality_ours import KEYS, Memory, prepare_data, stored_files
from trees_c import measure_c
from trees_peers import fit_peers, measure_peers

from pipeline.codec.unpack import unpack
from pipeline.compression.make_variants import make_variants
from pipeline.contracts.records.variant import Variant
from pipeline.contracts.spec.thresholds import threshold_rule
from pipeline.evaluation.metrics import measure
from pipeline.evaluation.ranking import relative_drop
from pipeline.evaluation.scoring import Feeds, OnnxModel, feeds, one_row, truth
from pipeline.planning.plan import plan
from pipeline.selection.select import select
from pipeline.training.distributed.machine import Machine
from pipeline.training.trainer import Trainer

ALGORITHM = "gradient_boosting"  # the winner on both tables
MIN_TIMES_SMALLER, MIN_TIMES_FASTER, MAX_DROP = 10, 2, 0.005
MAX_C_MICROSECONDS, MAX_C_BYTES = 20, 200_000
ROUNDS = 300
METRICS = ("accuracy", "auc", "log_loss", "rmse")

Result = dict[str, Any]


def measure_table(name: str, folder: Path) -> tuple[Result, Result]:
    """Train, compress and choose like the stages; return the results of ours and of the peers."""
    data_set = TABLES[name](0)
    data = prepare_data(data_set, folder)
    planned, splits = plan(data.dataset, data.spec), data.read_splits()
    trainer = Trainer(
        dataset=data.dataset,
        splits=splits,
        machine=Machine(device="cpu", description="cpu", threads=1),
        seed=planned.seed,
        metric=planned.metric,
        threshold_rule=threshold_rule(data.spec, data.dataset),
    )
    candidate = next(candidate for candidate in planned.candidates if candidate.algorithm == ALGORITHM)
    workdir = folder / candidate.name
    workdir.mkdir()
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as other_core:  # no latency is measured meanwhile
        fitting = other_core.submit(fit_peers, data_set, folder)
        trained = trainer.train(candidate, workdir, lambda text: None)
        fitting.result()
    files = Memory(stored_files(trained.candidate, workdir))
    began = time.monotonic()
    variants = make_variants(
        [trained], artifacts=files, keys=KEYS, dataset=data.dataset, validation=splits["validation"],
        spec=data.spec, report=lambda text: None, read_training=lambda: splits["train"],
    )  # fmt: skip
    seconds = {"training": round(trained.seconds, 1), "compression": round(time.monotonic() - began, 1)}
    chosen = select(variants, metric=planned.metric, spec=data.spec).winner
    signature = data.dataset.signature_of((), (), trained.decision)
    rows, labels = feeds(splits["test"], signature), truth(splits["test"], signature)
    result: Result = {"seconds": seconds, "chosen": chosen.display_name, "chosen because": chosen.reason}
    result |= measure_files(
        variants.variants, files, lambda model: measure(signature, labels, model.run(rows)), one_row(rows)
    )
    reference, quality = result["fp32"], result[short_name(chosen.display_name)]
    result["drops"] = {
        metric: round(relative_drop(reference[metric], quality[metric], metric), 6)
        for metric in METRICS
        if metric in reference
    }
    assert chosen.artifact is not None
    result["c"] = measure_c(unpack(files[chosen.artifact.key]), rows, name)
    began = time.monotonic()
    peers = measure_peers(data_set, folder)
    seconds["peers"] = round(time.monotonic() - began, 1)
    return result, peers


def measure_files(
    variants: Sequence[Variant], files: Memory, score: Callable[[OnnxModel], Mapping[str, float]], row: Feeds
) -> Result:
    """Return the measurements of each variant that has a file, by its short name.

    Args:
        variants: The variants; one of them is fp32.
        files: The stored files.
        score: Returns the metrics of a file on the test rows.
        row: One row, to time predictions.
    """
    files_of = {
        short_name(variant.display_name): (variant, variant.artifact)
        for variant in variants
        if variant.artifact is not None
    }
    models = {name: OnnxModel(unpack(files[artifact.key])) for name, (_, artifact) in files_of.items()}
    medians = alternate({name: partial(model.run_raw, row) for name, model in models.items()}, ROUNDS)
    full_bytes = files_of["fp32"][1].onnx_bytes or 0
    result: Result = {}
    for name, (variant, artifact) in files_of.items():
        quality = score(models[name])
        result[name] = {
            "status": variant.status,
            "stored bytes": artifact.bytes,
            "times smaller": round(full_bytes / artifact.bytes, 1),
            "us": medians[name],
            "times faster": round(medians["fp32"] / medians[name], 2),
            **{metric: round(quality[metric], 6) for metric in METRICS if metric in quality},
        }  # fmt: skip
    return result


def short_name(name: str) -> str:
    """Return the name of a variant without the name of its candidate."""
    return name.rsplit("/", maxsplit=1)[-1]


def is_met(name: str, result: Result) -> bool:
    """Return whether the chosen file of a table meets the goals."""
    small = result[short_name(result["chosen"])]
    c_is_met = name != "adult" or (
        result["c"]["us"] <= MAX_C_MICROSECONDS and result["c"]["object bytes"] <= MAX_C_BYTES
    )
    return (
        small["times smaller"] >= MIN_TIMES_SMALLER
        and small["times faster"] >= MIN_TIMES_FASTER
        and max(result["drops"].values()) <= MAX_DROP
        and c_is_met
    )


def main() -> None:
    """Measure the tables on the command line, or both."""
    results, peers, met = {}, {}, True
    for name in parse_names(__doc__, ("adult", "california_housing")):
        with tempfile.TemporaryDirectory() as folder:
            results[name], peers[name] = measure_table(name, Path(folder))
        met &= is_met(name, results[name])
        print(name, "met" if is_met(name, results[name]) else "not met", results[name], peers[name], flush=True)
    floor = {name: result["fp32"] for name, result in results.items()}
    ratios = {
        f"{name}/{measure}": result[short_name(result["chosen"])][measure]
        for name, result in results.items()
        for measure in ("times smaller", "times faster")
    }
    report("trees", results=results, floor=floor, peers=peers, ratios=ratios, met=met)


if __name__ == "__main__":
    main()
