"""Run the pipeline's own functions on a data set, one after another in this process, within a time budget."""

from __future__ import annotations

import time
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from quality_data import DataSet
from quality_variants import full_precision

from pipeline.codec.unpack import unpack
from pipeline.compression.make_variants import make_variants
from pipeline.contracts.errors import CandidateFailedError
from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.records.outcome import EDGES, OUT_OF_FOLD, TrainedCandidate
from pipeline.contracts.records.plan import Plan
from pipeline.contracts.records.variant import Selection, Variant
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.contracts.spec.thresholds import threshold_rule
from pipeline.ensembling.builder import EnsembleBuilder, Member
from pipeline.evaluation.metrics import measure
from pipeline.evaluation.scoring import OnnxModel, Predictions, feeds, truth
from pipeline.planning.plan import plan
from pipeline.selection.select import select
from pipeline.training.distributed.machine import Machine
from pipeline.training.trainer import Trainer
from pipeline.validation.companions.test_file import CompanionTest
from pipeline.validation.prepare import PreparedFiles, prepare
from pipeline.validation.readers.batches import rows_of_frame
from pipeline.validation.rejected_rows import RejectedRows

__all__ = ["KEYS", "Memory", "Result", "make", "prepare_data", "stored_files"]

KEYS = RunKeys("quality_0")
BLENDING_SHARE = 0.15  # fraction of the budget reserved for the blend, its distilled model and their variants


class Memory(dict[str, bytes]):
    """An object store in memory: compression reads the files of training from it, and stores variants in it."""

    def put_if_absent(self, key: str, body: bytes) -> bool:
        """Store an object unless the key exists; return whether it was stored."""
        return self.setdefault(key, body) is body


@dataclass(frozen=True, kw_only=True)
class Result:
    """The result of a run.

    Attributes:
        data: The prepared data set.
        predictions: Predictions of the served file for the test rows.
        chosen: Candidate and precision of the winner.
        seconds: Seconds of the whole run.
        compression_seconds: Seconds of the compress stage.
        board: Candidate -> seconds, notes, or the reason why it was dropped.
        selection: The selection.
        full_precision: The fp32 file of the winner's candidate.
        test_quality: Metric on the test rows of the winner and of ``full_precision``, by variant.
    """

    data: PreparedFiles
    predictions: Predictions
    chosen: str
    seconds: float
    compression_seconds: float
    board: dict[str, Any]
    selection: Selection
    full_precision: Variant
    test_quality: dict[str, float]


def make(data_set: DataSet, folder: Path, *, budget: float, threads: int) -> Result:
    """Run the pipeline on a data set.

    Args:
        data_set: Rows to learn from, and test rows.
        folder: Folder for files.
        budget: Seconds for everything; steps in progress are finished.
        threads: Number of threads.
    """
    began = time.monotonic()
    data = prepare_data(data_set, folder)
    planned, splits = plan(data.dataset, data.spec), data.read_splits()
    trainer = Trainer(
        dataset=data.dataset,
        splits=splits,
        machine=Machine(device="cpu", description="cpu", threads=threads),
        seed=planned.seed,
        metric=planned.metric,
        threshold_rule=threshold_rule(data.spec, data.dataset),
        deadline=began + budget * (1 - BLENDING_SHARE),
    )
    files, trained, seconds = _trained(trainer, planned, folder)
    ensembling = EnsembleBuilder(trainer=trainer, workdir=folder / "ensemble", report=lambda text: None)
    ensembling.workdir.mkdir()
    ensembles, left_out = ensembling.make([_member(candidate, files) for candidate in trained])
    for ensemble in ensembles:
        files |= stored_files(ensemble.candidate, ensembling.workdir / ensemble.candidate)
        seconds[ensemble.candidate] = ensemble.seconds
    compression_began = time.monotonic()
    variants = make_variants(
        [*trained, *ensembles],
        artifacts=files,
        keys=KEYS,
        dataset=data.dataset,
        validation=splits["validation"],
        spec=data.spec,
        report=lambda text: None,
        read_training=lambda: splits["train"],
        threads=threads,
    )
    compression_seconds = time.monotonic() - compression_began
    selection = select(variants, metric=planned.metric, spec=data.spec)
    chosen, full = selection.winner, full_precision(selection)
    predictions, of_full = (_predict(variant, files, data, threads) for variant in (chosen, full))
    true = truth(splits["test"], data.dataset.signature)
    test_quality = {
        variant.display_name: measure(data.dataset.signature, true, predictions)[selection.metric]
        for variant, predictions in ((chosen, predictions), (full, of_full))
    }
    taken = time.monotonic() - began
    board: dict[str, Any] = {candidate: {"seconds": round(taken, 1)} for candidate, taken in seconds.items()}
    board |= {dropped.name: dropped.reason for dropped in left_out}
    board |= {ensemble.candidate: ensemble.notes for ensemble in ensembles}
    return Result(
        data=data,
        predictions=predictions,
        chosen=f"{chosen.candidate} {chosen.precision}",
        seconds=taken,
        compression_seconds=compression_seconds,
        board=board,
        selection=selection,
        full_precision=full,
        test_quality=test_quality,
    )


def _predict(variant: Variant, files: Memory, data: PreparedFiles, threads: int) -> Predictions:
    """Return the predictions of a variant's stored file for the test rows."""
    assert variant.artifact is not None, "it was made"
    model = OnnxModel(unpack(files[variant.artifact.key]), threads=threads)
    return model.run(feeds(data.read_splits()["test"], data.dataset.signature))


def prepare_data(data_set: DataSet, folder: Path) -> PreparedFiles:
    """Validate a data set like an upload with a companion test file, and write its splits into ``folder``."""
    aside, of_test = (RejectedRows(folder / f"aside_{name}.jsonl") for name in ("learn", "test"))
    return prepare(
        rows_of_frame(data_set.learn, image=data_set.image),
        JobSpec(target=data_set.target, drop=data_set.drop),
        aside,
        folder,
        sha256="0" * 64,
        test=CompanionTest(name="test.csv", rows=rows_of_frame(data_set.test, image=data_set.image), rejected=of_test),
    )


def _trained(trainer: Trainer, planned: Plan, folder: Path) -> tuple[Memory, list[TrainedCandidate], dict[str, float]]:
    """Train the candidates in the plan's order; after the deadline only the first may start, as in a training job."""
    files, trained, seconds = Memory(), list[TrainedCandidate](), dict[str, float]()
    for candidate in planned.candidates:
        if trained and time.monotonic() > trainer.deadline:
            break
        workdir = folder / candidate.name
        workdir.mkdir()
        try:
            fitted = trainer.train(candidate, workdir, lambda text: None)
        except CandidateFailedError:
            continue
        trained.append(fitted)
        seconds[fitted.candidate] = fitted.seconds
        files |= stored_files(fitted.candidate, workdir)
    return files, trained, seconds


def stored_files(candidate: str, workdir: Path) -> dict[str, bytes]:
    """Return the files that training wrote into ``workdir``, by their keys in the object store."""
    return {KEYS.candidate(candidate, file.name): file.read_bytes() for file in workdir.iterdir()}


def _member(trained: TrainedCandidate, files: Memory) -> Member:
    reference = np.load(BytesIO(files[KEYS.candidate(trained.candidate, "reference.npz")]))
    predictions, edges = reference[reference.files[0]], reference.get(EDGES)
    body = files[KEYS.candidate(trained.candidate, "body.onnx")]
    out_of_fold = (
        np.load(BytesIO(files[KEYS.candidate(trained.candidate, OUT_OF_FOLD)]))["answers"] if trained.folds else None
    )
    return Member(trained=trained, body=body, predictions=predictions, out_of_fold=out_of_fold, edges=edges)
