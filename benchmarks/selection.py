"""Is the best candidate chosen? Adult, 2,700 rows to learn from, eight seeds, and 8,000 other rows to judge by.

Ours: each candidate is a bag of five fold models, compared by its out-of-fold predictions. The peer: one model per
candidate, compared on a validation split of a tenth of the rows. Regret: the best candidate's metric on the judging
rows less that of the chosen candidate; for accuracy in percentage points. The floor is no regret. Goal: a mean regret
of at most 0.05 points of accuracy. Data: the folder MODELDROP_DATA, or ../shared/data next to the repository.
"""

from __future__ import annotations

import os

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # before benchmarks/, whose pipeline.py hides the package

import numpy as np
import polars as pl
from common import report
from quality_data import DATA

from pipeline.contracts.records.plan import Candidate
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.contracts.spec.metrics import greater_is_better
from pipeline.evaluation.metrics import measure
from pipeline.evaluation.scoring import OnnxModel, feeds, truth
from pipeline.planning.plan import plan
from pipeline.training.distributed.machine import Machine
from pipeline.training.trainer import Trainer
from pipeline.validation.companions.test_file import CompanionTest
from pipeline.validation.prepare import prepare
from pipeline.validation.readers.batches import rows_of_frame
from pipeline.validation.rejected_rows import RejectedRows

ROWS, JUDGES = 2_700, 8_000
ALGORITHMS = ("linear", "random_forest", "extra_trees", "gradient_boosting")
TARGET = "income"
MAX_REGRET = 0.05  # mean over the seeds, in percentage points of accuracy
Quality = Mapping[str, float]


def read(seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows to learn from and the judging rows of a seed."""
    files = [DATA / "adult" / name for name in ("train.csv", "test.csv")]
    everything = pl.concat([pl.read_csv(file, null_values=["?", ""], infer_schema_length=None) for file in files])
    order = np.random.default_rng(seed).permutation(everything.height)
    return everything[order[:ROWS]], everything[order[ROWS : ROWS + JUDGES]]


def measured(seed: int, folds: int, folder: Path) -> tuple[dict[str, Quality], dict[str, Quality], float]:
    """Train all candidates.

    Returns:
        For each candidate, the quality that it is chosen by, and the quality of its served file on the judging rows;
        and the CPU seconds of training.
    """
    learn, judges = read(seed)
    aside, tested = (RejectedRows(folder / f"aside_{name}.jsonl") for name in ("learn", "test"))
    test = CompanionTest(name="test.csv", rows=rows_of_frame(judges), rejected=tested)
    spec = JobSpec(target=TARGET, algorithms=ALGORITHMS, folds=folds, seed=seed)
    data = prepare(rows_of_frame(learn), spec, aside, folder, sha256="0" * 64, test=test)
    splits, planned = data.read_splits(), plan(data.dataset, data.spec)
    machine = Machine(device="cpu", description="cpu", threads=1)
    trainer = Trainer(
        dataset=data.dataset, splits=splits, machine=machine, seed=seed, metric=planned.metric, folds=folds
    )
    signature, chosen_by, judged = data.dataset.signature, {}, {}
    true, began = truth(splits["test"], signature), time.process_time()
    for candidate in planned.candidates:
        chosen_by[candidate.name], judged[candidate.name] = _train(trainer, candidate, folder, splits["test"], true)
    return chosen_by, judged, time.process_time() - began


def _train(
    trainer: Trainer, candidate: Candidate, folder: Path, judges: pl.DataFrame, true: np.ndarray
) -> tuple[Quality, Quality]:
    (workdir := folder / candidate.name).mkdir()
    trained = trainer.train(candidate, workdir, lambda text: None)
    signature = trainer.dataset.signature
    predicted = OnnxModel(workdir / "model.onnx").run(feeds(judges, signature))
    return trained.quality, measure(signature, true, predicted)


def regret(chosen_by: Mapping[str, Quality], judged: Mapping[str, Quality], by: str, of: str) -> float:
    """Return the regret in the metric ``of`` on the judging rows, if the metric ``by`` chooses the candidate."""
    sign = {name: 1 if greater_is_better(name) else -1 for name in (by, of)}
    chosen = max(chosen_by, key=lambda name: sign[by] * chosen_by[name][by])
    return max(sign[of] * quality[of] for quality in judged.values()) - sign[of] * judged[chosen][of]


def main() -> None:
    """Measure the regret over the seeds, and print the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=8)
    arguments = parser.parse_args()
    regrets_of: dict[int, dict[str, list[float]]] = {5: {}, 1: {}}
    for seed in range(arguments.seeds):
        for folds, regrets in regrets_of.items():
            with tempfile.TemporaryDirectory() as folder:
                chosen_by, judged, seconds = measured(seed, folds, Path(folder))
            for by, of in (("log_loss", "accuracy"), ("log_loss", "log_loss"), ("accuracy", "accuracy")):
                points = 100 if of == "accuracy" else 1
                regrets.setdefault(f"{of} chosen by {by}", []).append(points * regret(chosen_by, judged, by, of))
            best = min(judged, key=lambda name: judged[name]["log_loss"])
            right = min(chosen_by, key=lambda name: chosen_by[name]["log_loss"]) == best
            regrets.setdefault("best chosen", []).append(float(right))
            regrets.setdefault("seconds", []).append(seconds)
            quality = {name: {k: round(q[k], 4) for k in ("accuracy", "log_loss")} for name, q in judged.items()}
            print(seed, folds, {k: round(v[-1], 4) for k, v in regrets.items()}, quality, file=sys.stderr)
    means = {
        folds: {name: round(statistics.mean(values), 4) for name, values in regrets.items()}
        for folds, regrets in regrets_of.items()
    }
    mean_regret = means[5]["accuracy chosen by log_loss"]
    report(
        "selection",
        results={
            **means[5],
            "worst accuracy": round(max(regrets_of[5]["accuracy chosen by log_loss"]), 4),
            "trainings": 5,
        },
        floor=0.0,
        peers={"validation split": means[1]},
        ratios={"regret": round(mean_regret / max(1e-9, means[1]["accuracy chosen by log_loss"]), 3)},
        met=mean_regret <= MAX_REGRET,
    )


if __name__ == "__main__":
    main()
