"""Train and export a model of 14 raw columns like Adult's, as a Batch job does; a separate process for torch."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # before benchmarks/, whose pipeline.py hides the package

import numpy as np
import polars as pl

from pipeline.contracts.records.plan import Candidate
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.training.distributed.machine import this_machine
from pipeline.training.trainer import Trainer
from pipeline.validation.prepare import prepare
from pipeline.validation.readers.batches import rows_of_frame
from pipeline.validation.rejected_rows import RejectedRows

ROWS = 3000
NUMERIC = ("age", "fnlwgt", "education_num", "capital_gain", "capital_loss", "hours_per_week")
CATEGORICAL = {
    "workclass": 9, "education": 16, "marital_status": 7, "occupation": 15, "relationship": 6, "race": 5, "sex": 2,
    "native_country": 42,
}  # fmt: skip


def people() -> pl.DataFrame:
    """Return random rows with Adult's columns and a target that depends on all of them."""
    rng = np.random.default_rng(0)
    numbers = {name: rng.gamma(2, 20, ROWS).round() for name in NUMERIC}
    codes = {name: rng.integers(0, many, ROWS) for name, many in CATEGORICAL.items()}
    score = sum(values / 40 for values in numbers.values()) + sum(code % 3 for code in codes.values())
    texts = {name: [f"{name.title()}-{code}" for code in values] for name, values in codes.items()}
    rich = score + rng.normal(size=ROWS) > np.median(score)
    return pl.DataFrame({**numbers, **texts, "income": np.where(rich, ">50K", "<=50K")})


def main(folder: Path, algorithm: str) -> None:
    """Write model.onnx, signature.json and row.json (one test row, in the form of a request) into ``folder``."""
    prepared = prepare(
        rows_of_frame(people()),
        JobSpec(target="income"),
        RejectedRows(folder / "set_aside.jsonl"),
        folder,
        sha256="0" * 64,
    )
    trainer = Trainer(dataset=prepared.dataset, splits=prepared.read_splits(), machine=this_machine("cpu"), seed=0)
    trainer.train(Candidate(name=algorithm, algorithm=algorithm), folder, lambda _: None)
    signature = prepared.dataset.signature
    (folder / "signature.json").write_text(json.dumps(signature.to_dict()))
    row = prepared.read_splits()["test"].drop("income").row(0, named=True)
    (folder / "row.json").write_text(json.dumps(row))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
