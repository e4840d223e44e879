"""Every trained candidate's variants: verified, compressed, measured as served files, kept by their sha256."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import polars as pl

from pipeline.compression.gates import Measured, failed_gates
from pipeline.compression.learned_rows import LearnedRows, find_differences
from pipeline.compression.load_cost import LoadProbe
from pipeline.compression.measure import agreement, cpu_name, measure_latencies
from pipeline.compression.order_trees import OrderTrees
from pipeline.compression.recipes import RECIPES, Recipe
from pipeline.compression.storage import pack_model
from pipeline.compression.verify import VerifyExport
from pipeline.contracts.errors import (
    ExportMismatchError,
    IntegrityError,
    ModeldropError,
    NotApplicableError,
)
from pipeline.contracts.object_keys import RunKeys, artifact_key
from pipeline.contracts.ports import ObjectStore
from pipeline.contracts.records.dataset import Dataset
from pipeline.contracts.records.outcome import BODY, MODEL, OUT_OF_FOLD, REFERENCE, TrainedCandidate
from pipeline.contracts.records.variant import Artifact, Latency, Precision, Status, Variant, VariantSet
from pipeline.contracts.signature import Signature
from pipeline.contracts.spec.algorithm_catalog import catalogue
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.contracts.spec.metrics import choose_metric
from pipeline.evaluation.decision.temperature import calibrate
from pipeline.evaluation.metrics import interval, measure
from pipeline.evaluation.row_weights import row_weights
from pipeline.evaluation.scoring import Answers, Feeds, OnnxModel, feeds, one_row, truth
from pipeline.graphs.served_graph import wrap

__all__ = ["make_variants"]

_log = logging.getLogger(__name__)

Latencies = Mapping[str, Latency]


def make_variants(  # noqa: PLR0913 - the doors of a stage, each by its name
    trained: Sequence[TrainedCandidate],
    *,
    artifacts: ObjectStore,
    keys: RunKeys,
    dataset: Dataset,
    validation: pl.DataFrame,
    spec: JobSpec,
    report: Callable[[str], None],
    learned: LearnedRows | None = None,
) -> VariantSet:
    """Verify, compress and measure; a candidate whose export does not answer as it was trained costs itself.

    Args:
        trained: The candidates.
        artifacts: Where their files are, and the variants go.
        keys: Of the run.
        dataset: How the rows are read.
        validation: The rows that validate.
        spec: Its limits and precisions.
        report: Is told a few words of how far it is.
        learned: Rows that the candidates learned from: a bag's file is compared with its out-of-fold predictions.

    Raises:
        ExportMismatchError: No candidate survives, and the first one's file is not the model that was measured.
        IntegrityError: No candidate survives, and the first one's file is not what training wrote.
    """
    signature = dataset.signature
    by_folds = all(candidate.folds for candidate in trained)
    variants: list[Variant] = []
    errors: list[ModeldropError] = []
    with LoadProbe() as probe:
        builder = _VariantBuilder(
            artifacts=artifacts,
            keys=keys,
            dataset=dataset,
            signature=signature,
            spec=spec,
            rows=feeds(validation, signature),
            truth=truth(validation, signature),
            weight=row_weights(validation, dataset, spec.training.class_weights),
            report=report,
            by_folds=by_folds,
            learned=learned,
            probe=probe,
        )
        for candidate in trained:
            try:
                own = dataset.signature_of(candidate.classes, candidate.quantiles, candidate.decision)
                variants += replace(builder, signature=own).variants(candidate)
            except (ExportMismatchError, IntegrityError) as error:
                errors.append(error)
                variants.append(_row(candidate, "fp32", status="rejected", reason=error.message))
    if len(errors) == len(trained):
        raise errors[0]
    return VariantSet(variants=tuple(variants), cpu=cpu_name(), by_folds=by_folds)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Served:
    """A served file that has answered the validation rows; ``stored``: its packed form."""

    stored: bytes
    unpacked_bytes: int
    model: OnnxModel
    answers: Answers
    quality: dict[str, float]
    interval: dict[str, tuple[float, float]]

    def measured(self, latencies: Latencies) -> Measured:
        return Measured(
            bytes=len(self.stored), quality=self.quality, interval=self.interval, latency_us=latencies["1"].p50
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class _CompressedCandidate:
    """One recipe's file beside fp32; ``failed`` are the gates that it does not keep."""

    served: _Served
    recipe: str
    agreement: float
    latencies: Latencies
    full_latencies: Latencies
    failed: tuple[str, ...]

    @property
    def verdict(self) -> dict[str, Any]:
        """What its variant says beyond its measures."""
        status, reason = ("rejected", "; ".join(self.failed)) if self.failed else ("ok", self.recipe)
        return {"status": status, "reason": reason, "agreement": self.agreement}


@dataclass(frozen=True, kw_only=True, slots=True)
class _VariantBuilder:
    """The validation rows, read once, and what every candidate is tried on them for; ``signature``: the candidate's."""

    artifacts: ObjectStore
    keys: RunKeys
    dataset: Dataset
    signature: Signature
    spec: JobSpec
    rows: Feeds
    truth: npt.NDArray[Any]
    weight: npt.NDArray[np.float64] | None
    report: Callable[[str], None]
    by_folds: bool
    learned: LearnedRows | None
    probe: LoadProbe

    @property
    def _metric(self) -> str:
        return choose_metric(self.spec.metric, self.dataset)

    def variants(self, candidate: TrainedCandidate) -> list[Variant]:
        """fp32 first. Raise ExportMismatchError, IntegrityError."""
        self.report(f"{candidate.candidate}: verify")
        full = self._score(self._verified_export(candidate))
        self._check_learned(candidate, full)
        precisions = [precision for precision in self.spec.compression.precisions if precision != "fp32"]
        compressed = [self._compressed(candidate, precision, full) for precision in precisions]
        # Beside another file where there is one: the two are measured in turns.
        measured_beside = (latencies for _, latencies in compressed if latencies is not None)
        latencies = next(measured_beside, None) or measure_latencies((full.model,), self.rows)[0]
        return [self._made(candidate, "fp32", full, latencies), *(variant for variant, _ in compressed)]

    def _compressed(
        self, candidate: TrainedCandidate, precision: Precision, full: _Served
    ) -> tuple[Variant, Latencies | None]:
        """Return the variant, and the latencies of fp32 beside it; None where there is no file."""
        self.report(f"{candidate.candidate}: {precision}")
        try:
            small = self._first_that_passes(candidate, precision, full)
        except NotApplicableError as error:
            return _row(candidate, precision, status="not_applicable", reason=error.message), None
        variant = self._made(candidate, precision, small.served, small.latencies, full)
        return variant.model_copy(update=small.verdict), small.full_latencies

    def _verified_export(self, candidate: TrainedCandidate) -> bytes:
        content = self.artifacts.get(self.keys.candidate(candidate.candidate, MODEL))
        if hashlib.sha256(content).hexdigest() != candidate.model_sha256:
            raise IntegrityError(f"the exported file of {candidate.candidate} is not the one that training recorded")
        reference = np.load(BytesIO(self.artifacts.get(self.keys.candidate(candidate.candidate, REFERENCE))))
        scale = np.std(self.truth, axis=0) if self.signature.task == "regression" else 1.0
        verify = VerifyExport(self.signature, self.rows, reference, tolerance=candidate.tolerance, scale=scale)
        return verify(_ordered(content)).model

    def _check_learned(self, candidate: TrainedCandidate, full: _Served) -> None:
        """Raise ExportMismatchError where it is worse on rows that it knows than models that have not seen them."""
        if self.learned is None or not candidate.folds or self._reads_text_scores(candidate):
            return
        out_of_fold = self._predicted_out_of_fold(candidate)
        if len(out_of_fold) != self.learned.total:  # a machine of less memory trained on a sample
            return
        rows = self.learned.frame
        differences = find_differences(
            self.signature,
            truth(rows, self.signature),
            full.model.run(feeds(rows, self.signature)),
            out_of_fold[self.learned.places],
        )
        if differences:
            raise ExportMismatchError(
                "the served file is not the model that was measured, by the rows that it learned from: "
                + "; ".join(differences)
            )

    def _reads_text_scores(self, candidate: TrainedCandidate) -> bool:
        """Whether it reads texts as scores of a linear model, which are further out for rows that it learned from."""
        if all(column.kind != "text" for column in self.dataset.columns):
            return False
        declared = catalogue().get(candidate.algorithm)
        return declared is None or "text" not in declared.reads

    def _predicted_out_of_fold(self, candidate: TrainedCandidate) -> npt.NDArray[np.floating[Any]]:
        content = self.artifacts.get(self.keys.candidate(candidate.candidate, OUT_OF_FOLD))
        predicted: npt.NDArray[np.floating[Any]] = np.load(BytesIO(content))["answers"]
        if self.signature.task != "classification":
            return predicted
        return calibrate(predicted, self.signature.temperature)

    def _first_that_passes(
        self, candidate: TrainedCandidate, precision: Precision, full: _Served
    ) -> _CompressedCandidate:
        """The first recipe that keeps the gates, else the one that misses fewest; raise NotApplicableError."""
        if precision == "int8" and candidate.no_int8:
            raise NotApplicableError(candidate.no_int8)
        body = self.artifacts.get(self.keys.candidate(candidate.candidate, BODY))
        tried: list[_CompressedCandidate] = []
        refused: NotApplicableError | None = None
        for recipe in RECIPES[precision]:
            try:
                served = self._score(self._compress(recipe, body))
            except NotApplicableError as error:
                refused = refused or error
                continue
            tried.append(self._try(full, served, recipe))
            if not tried[-1].failed:
                break
        if not tried:
            raise refused or NotApplicableError(f"no {precision} file was made")
        return min(tried, key=lambda one: len(one.failed))

    def _compress(self, recipe: Recipe, body: bytes) -> bytes:
        """Raise NotApplicableError also where the quantizer or onnxruntime gives up: the fp32 file is there."""
        try:
            compressed = onnx.load_from_string(recipe.make_pass()(body).model)
            served = _ordered(wrap(compressed, self.dataset, self.signature).SerializeToString())
            OnnxModel(served).run(one_row(self.rows))
        except ModeldropError:
            raise
        except Exception as error:  # both raise what they like
            _log.warning("not compressed", extra={"recipe": recipe.name}, exc_info=error)
            raise NotApplicableError(f"it could not be quantized, or not be run so ({type(error).__name__})") from error
        return served

    def _try(self, full: _Served, small: _Served, recipe: Recipe) -> _CompressedCandidate:
        before, after = measure_latencies((full.model, small.model), self.rows)
        agreed = agreement(full.answers, small.answers, self.signature)
        failed = failed_gates(
            full.measured(before),
            small.measured(after),
            agreement=agreed,
            metric=self._metric,
            limits=self.spec.compression,
        )
        return _CompressedCandidate(
            served=small,
            recipe=recipe.name,
            agreement=agreed,
            latencies=after,
            full_latencies=before,
            failed=failed,
        )

    def _score(self, content: bytes) -> _Served:
        model = OnnxModel(content)
        answers = model.run(self.rows)
        quality = measure(self.signature, self.truth, answers, weight=self.weight)
        spread = interval(self.signature, self.truth, answers, weight=self.weight, only=self._metric)
        return _Served(
            stored=pack_model(content),
            unpacked_bytes=len(content),
            model=model,
            answers=answers,
            quality=quality,
            interval=spread,
        )

    def _made(
        self,
        candidate: TrainedCandidate,
        precision: Precision,
        served: _Served,
        latencies: Latencies,
        full: _Served | None = None,
    ) -> Variant:
        """Of a bag its quality and interval are those of its out-of-fold predictions, less what the file loses."""
        quality, spread = served.quality, served.interval
        if candidate.folds:
            lost = {name: value - (full or served).quality[name] for name, value in served.quality.items()}
            quality, spread = self._out_of_fold(candidate)
            quality = {name: quality[name] + lost[name] for name in lost}
            spread = {name: (low + lost[name], high + lost[name]) for name, (low, high) in spread.items()}
        kept = {
            "artifact": self._keep(served),
            "quality": quality,
            "interval": spread,
            "latency_us": latencies["1"].p50,
            "latencies": latencies,
            **asdict(self.probe.measure(served.stored)),
        }
        return _row(candidate, precision, status="ok").model_copy(update=kept)

    def _out_of_fold(self, candidate: TrainedCandidate) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
        """Quality and interval of the bag: over all rows, or beside candidates that are none over the validation rows.

        Raises:
            IntegrityError: None of the validation rows was held out by a fold.
        """
        if self.by_folds:
            return candidate.quality, candidate.interval
        predicted = self._predicted_out_of_fold(candidate)[-len(self.truth) :]
        held = ~np.isnan(predicted.reshape(len(predicted), -1)).any(axis=1)
        if not held.any():
            raise IntegrityError(f"no validation row was held out by a fold of {candidate.candidate}: time ran out")
        answered = self.signature, self.truth[held], Answers.of(self.signature, predicted[held])
        weight = None if self.weight is None else self.weight[held]
        return measure(*answered, weight=weight), interval(*answered, weight=weight, only=self._metric)

    def _keep(self, served: _Served) -> Artifact:
        sha256 = hashlib.sha256(served.stored).hexdigest()
        key = artifact_key(self.keys.tenant, sha256)
        self.artifacts.put_if_absent(key, served.stored)
        return Artifact(key=key, sha256=sha256, bytes=len(served.stored), onnx_bytes=served.unpacked_bytes)


def _ordered(content: bytes) -> bytes:
    """The file with its trees in preorder, which are stored in less."""
    try:
        return OrderTrees()(content).model
    except NotApplicableError:
        return content


def _row(candidate: TrainedCandidate, precision: Precision, *, status: Status, reason: str = "") -> Variant:
    return Variant(
        candidate=candidate.candidate,
        algorithm=candidate.algorithm,
        precision=precision,
        status=status,
        reason=reason,
        train_seconds=candidate.seconds,
        classes=candidate.classes,
        quantiles=candidate.quantiles,
        decision=candidate.decision,
        decision_fit=candidate.decision_fit,
    )
