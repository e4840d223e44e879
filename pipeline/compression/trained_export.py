"""Read and verify the files of a trained candidate: its exported model and its out-of-fold predictions."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.compression.passes.graph_pass import apply_if_applicable
from pipeline.compression.passes.trees.order_trees import OrderTrees
from pipeline.compression.seen_rows import SeenRows, find_differences
from pipeline.compression.unseen_rows import UnseenRows
from pipeline.compression.validation_bench import ServedFile, ValidationBench
from pipeline.compression.verify import Reference, VerifyEdgeRows, VerifyExport
from pipeline.contracts.algorithms.catalog import catalog
from pipeline.contracts.errors import ExportMismatchError, IntegrityError
from pipeline.contracts.records.outcome import BODY, EDGES, MODEL, OUT_OF_FOLD, REFERENCE, TrainedCandidate
from pipeline.contracts.signature import Signature
from pipeline.evaluation.decision.temperature import calibrate
from pipeline.evaluation.metrics import interval, measure
from pipeline.evaluation.scoring import Predictions, feeds, truth

__all__ = ["TrainedExport"]


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainedExport:
    """The files of ``candidate``, read and checked on ``bench``.

    Attributes:
        candidate: The candidate's record.
        bench: Bench with the validation rows.
        seen_rows: Rows that the candidate learned from; None: they are unknown.
        by_folds: Whether quality is measured on all rows, out-of-fold.
    """

    candidate: TrainedCandidate
    bench: ValidationBench
    seen_rows: SeenRows | None
    by_folds: bool

    def read_body(self) -> bytes:
        """Return the body: the model without the encoding of raw columns."""
        return self._read(BODY)

    def verify(self) -> ServedFile:
        """Verify that the exported file predicts as the trained model, and return it.

        Raises:
            ExportMismatchError: Its predictions differ from the trained model's, or are worse, on rows that it learned
                from, than those of models that have not seen these rows.
            IntegrityError: It is not the file that training recorded.
        """
        content = self._read(MODEL)
        if hashlib.sha256(content).hexdigest() != self.candidate.model_sha256:
            raise IntegrityError(
                f"the exported file of {self.candidate.candidate} is not the one that training recorded"
            )
        signature = self.bench.signature
        reference = dict(np.load(BytesIO(self._read(REFERENCE))))
        edges = reference.pop(EDGES, None)
        scale = _target_scale(self.bench.truth) if signature.task == "regression" else 1.0
        accuracy: dict[str, Any] = {"tolerance": self.candidate.tolerance, "scale": scale}
        ordered = apply_if_applicable(OrderTrees(), content)
        VerifyExport(signature, self.bench.rows, reference, **accuracy)(ordered)
        served = self.bench.score(ordered)
        if edges is not None:
            VerifyEdgeRows(signature, self.bench.edges, _name_outputs(edges, signature), **accuracy)(ordered)
        self._check_seen_rows(served)
        return served

    def quality_of_bag(
        self, served: ServedFile, full: ServedFile
    ) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
        """Return the quality and interval of the out-of-fold predictions, less what ``served`` loses against ``full``.

        A metric that applies to the validation rows but not to all rows, as ``rmsle`` may, is omitted.

        Raises:
            IntegrityError: None of the validation rows was held out by a fold.
        """
        quality, spread = self._out_of_fold_quality()
        changes = {name: value - full.quality[name] for name, value in served.quality.items() if name in quality}
        return (
            {name: quality[name] + changes[name] for name in changes},
            {name: (low + changes[name], high + changes[name]) for name, (low, high) in spread.items()},
        )

    def unseen_rows(self) -> UnseenRows | None:
        """Return the out-of-fold predictions of the validation rows; None if some are missing, or without folds."""
        if not self.candidate.folds:
            return None
        predicted = self._predicted_out_of_fold()[-len(self.bench.truth) :]
        if np.isnan(predicted).any():
            return None
        return UnseenRows(signature=self.bench.signature, out_of_fold=predicted)

    def _read(self, file: str) -> bytes:
        return self.bench.artifacts.get(self.bench.keys.candidate(self.candidate.candidate, file))

    def _check_seen_rows(self, full: ServedFile) -> None:
        if self.seen_rows is None or not self.candidate.folds or self._reads_text_scores():
            return
        out_of_fold = self._predicted_out_of_fold()
        if len(out_of_fold) != self.seen_rows.total:  # for lack of memory, training used a sample
            return
        rows, signature = self.seen_rows.frame, self.bench.signature
        differences = find_differences(
            signature,
            truth(rows, signature),
            full.model.run(feeds(rows, signature)),
            out_of_fold[self.seen_rows.indices],
        )
        if differences:
            raise ExportMismatchError(
                "the served file is not the model that was measured, judged by the rows that it was trained on: "
                + "; ".join(differences)
            )

    def _reads_text_scores(self) -> bool:
        """Return whether the candidate reads scores of texts, which are more extreme for rows that it learned from."""
        if all(column.kind != "text" for column in self.bench.dataset.columns):
            return False
        declared = catalog().get(self.candidate.algorithm)
        return declared is None or "text" not in declared.supported_inputs

    def _predicted_out_of_fold(self) -> npt.NDArray[np.floating[Any]]:
        predicted: npt.NDArray[np.floating[Any]] = np.load(BytesIO(self._read(OUT_OF_FOLD)))["answers"]
        if self.bench.signature.task != "classification":
            return predicted
        return calibrate(predicted, self.bench.signature.temperature)

    def _out_of_fold_quality(self) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
        """Return out-of-fold quality and interval: on all rows if all candidates are bags, else on validation rows."""
        if self.by_folds:
            return self.candidate.quality, self.candidate.interval
        bench = self.bench
        predicted = self._predicted_out_of_fold()[-len(bench.truth) :]
        held = ~np.isnan(predicted.reshape(len(predicted), -1)).any(axis=1)
        if not held.any():
            raise IntegrityError(
                f"no validation row was held out by a fold of {self.candidate.candidate}: time ran out"
            )
        rows = bench.signature, bench.truth[held], Predictions.of(bench.signature, predicted[held])
        weight = None if bench.weight is None else bench.weight[held]
        return measure(*rows, weight=weight), interval(*rows, weight=weight, only=bench.metric)


def _name_outputs(edges: npt.NDArray[np.floating[Any]], signature: Signature) -> Reference:
    """Return the predictions for edge rows by the names that the reference uses for validation rows."""
    if signature.task != "regression":
        return {"probabilities": edges}
    if signature.quantiles:
        return {"value": edges[:, 0], "quantiles": edges[:, 1:]}
    return {"value": edges}


def _target_scale(truth: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the standard deviation of each target; if all rows are equal, their magnitude, at least 1."""
    deviation, magnitude = truth.std(axis=0), np.abs(truth).max(axis=0)
    spread: npt.NDArray[np.float64] = np.where(deviation > 0, deviation, np.maximum(magnitude, 1.0))
    return spread
