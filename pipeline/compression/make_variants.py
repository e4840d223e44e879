"""Make the variants of all candidates: verify, compress and measure served files, and store them by their sha256."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial

import polars as pl

from pipeline.compression.candidate_variants import CandidateVariants, describe_variant
from pipeline.compression.fine_tuning.budget import Budget
from pipeline.compression.measuring.latencies import cpu_name
from pipeline.compression.measuring.load_cost import LoadProbe
from pipeline.compression.passes.input_columns import list_input_columns
from pipeline.compression.passes.pass_context import PassContext
from pipeline.compression.passes.trees.tree_nodes import has_trees
from pipeline.compression.quality_bar import QualityBar, best_first
from pipeline.compression.recipes import plan_passes
from pipeline.compression.seen_rows import SeenRows
from pipeline.compression.trained_export import TrainedExport
from pipeline.compression.training_rows import TrainingRows
from pipeline.compression.validation_bench import ValidationBench
from pipeline.contracts.errors import ExportMismatchError, IntegrityError, ModeldropError
from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.ports import ObjectStore
from pipeline.contracts.records.dataset import Dataset
from pipeline.contracts.records.outcome import TrainedCandidate
from pipeline.contracts.records.plan import BROUGHT
from pipeline.contracts.records.variant import Variant, VariantSet
from pipeline.contracts.signature import Signature
from pipeline.contracts.spec.job_spec import Compression, JobSpec
from pipeline.evaluation.golden.edge_rows import edge_rows
from pipeline.evaluation.row_weights import row_weights
from pipeline.evaluation.scoring import feeds, truth

__all__ = ["make_variants"]

# Seconds during which variants are started, unless compression.minutes is set. A variant that is started is finished.
_AUTOMATIC_SECONDS, _NAMED_SECONDS = 45.0, 600.0
_TRAINING_TIME_FRACTION = 0.1  # fraction of the training time that automatic passes may take, if it is more than 45 s


def make_variants(  # noqa: PLR0913 - the inputs of a stage, as keywords
    trained: Sequence[TrainedCandidate],
    *,
    artifacts: ObjectStore,
    keys: RunKeys,
    dataset: Dataset,
    validation: pl.DataFrame,
    spec: JobSpec,
    report: Callable[[str], None],
    seen_rows: SeenRows | None = None,
    read_training: Callable[[], pl.DataFrame] | None = None,
    threads: int = 1,
) -> VariantSet:
    """Verify, compress and measure the candidates. A candidate whose export fails the verification is rejected.

    Args:
        trained: The candidates.
        artifacts: Holds their files, and receives the variants.
        keys: Keys of the run.
        dataset: The data set.
        validation: The validation rows.
        spec: Limits, passes and precisions.
        report: Receives progress messages of a few words.
        seen_rows: Rows that the candidates learned from: on them a bag's file is compared with out-of-fold predictions.
        read_training: Reads the training rows, at the first pass that calibrates or fine-tunes; None: there are none.
        threads: Threads of a fine-tuning.

    Raises:
        ExportMismatchError: All candidates are rejected, and the predictions of the first one's exported file differ
            from the model's.
        IntegrityError: All candidates are rejected, and the first one's file is not the file that training recorded.
    """
    with LoadProbe() as probe:
        bench = ValidationBench(
            artifacts=artifacts,
            keys=keys,
            dataset=dataset,
            signature=dataset.signature,
            spec=spec,
            rows=feeds(validation, dataset.signature),
            edges=feeds(edge_rows(validation, dataset.signature), dataset.signature),
            truth=truth(validation, dataset.signature),
            weight=row_weights(validation, dataset, spec.training.class_weights),
            probe=probe,
        )
        stage = _Stage(
            bench=bench,
            seen_rows=seen_rows,
            by_folds=all(candidate.folds for candidate in trained),
            budget=Budget.start(_seconds(spec.compression, trained)),
            read_frame=cache(read_training or validation.clear),
            report=report,
            threads=threads,
        )
        variants = stage.make_best_first(trained)
    return VariantSet(variants=variants, cpu=cpu_name(), by_folds=stage.by_folds)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Stage:
    """Makes the variants of a run's candidates, which share the bench, the rows and the time.

    Attributes:
        bench: Bench with the validation rows and the signature of the data set.
        seen_rows: Rows that the candidates learned from; None: they are unknown.
        by_folds: Whether all candidates are bags, whose quality is out-of-fold.
        budget: Time during which variants are started.
        read_frame: Reads the training rows.
        report: Receives progress messages of a few words.
        threads: Threads of a fine-tuning.
    """

    bench: ValidationBench
    seen_rows: SeenRows | None
    by_folds: bool
    budget: Budget
    read_frame: Callable[[], pl.DataFrame]
    report: Callable[[str], None]
    threads: int

    def make_best_first(self, trained: Sequence[TrainedCandidate]) -> tuple[Variant, ...]:
        """Return the variants in the order of ``trained``; the best candidates are compressed first.

        Raises:
            ExportMismatchError: All candidates are rejected, the first one for its predictions.
            IntegrityError: All candidates are rejected, the first one for its file.
        """
        bar = QualityBar.of(self.bench.spec, self.bench.metric)
        variants_of, errors = dict[str, list[Variant]](), dict[str, ModeldropError]()
        for index, candidate in enumerate(best_first(trained, bar.metric)):
            try:
                variants = self._start(candidate, bar, remaining=len(trained) - index).make()
            except (ExportMismatchError, IntegrityError) as error:
                errors[candidate.candidate] = error
                variants = [describe_variant(candidate, (), "fp32", "rejected", error.message)]
            bar = bar.raised_to(variants[0])
            variants_of[candidate.candidate] = variants
        if len(errors) == len(trained):
            raise errors[trained[0].candidate]
        return tuple(variant for candidate in trained for variant in variants_of[candidate.candidate])

    def _start(self, candidate: TrainedCandidate, bar: QualityBar, *, remaining: int) -> CandidateVariants:
        """Read a candidate and plan its passes; if they fine-tune, the ``remaining`` candidates share the time."""
        spec, dataset = self.bench.spec, self.bench.dataset
        signature = dataset.signature_of(candidate.classes, candidate.quantiles, candidate.decision)
        is_brought = candidate.algorithm == BROUGHT
        bench = replace(self.bench, signature=signature, is_served_file=is_brought)
        export = TrainedExport(candidate=candidate, bench=bench, seen_rows=self.seen_rows, by_folds=self.by_folds)
        body = export.read_body()
        planned = plan_passes(spec.compression, has_trees=has_trees(body))
        context = PassContext(
            read_rows=partial(_encode, self.read_frame, dataset, signature, is_served_file=is_brought),
            teacher=body,
            columns=list_input_columns(dataset),
            several_labels=signature.is_multilabel,
            fine_tuning=spec.compression.fine_tuning,
            budget=self.budget.share(remaining) if planned.fine_tunes else self.budget,
            seed=spec.seed,
            threads=self.threads,
        )
        return CandidateVariants(export=export, plan=planned, context=context, report=self.report, bar=bar)


def _seconds(compression: Compression, trained: Sequence[TrainedCandidate]) -> float:
    """Return the seconds after which no further variant is started."""
    if compression.minutes is not None:
        return 60 * compression.minutes
    if compression.passes != "auto":
        return _NAMED_SECONDS
    return max(_AUTOMATIC_SECONDS, _TRAINING_TIME_FRACTION * sum(candidate.seconds for candidate in trained))


def _encode(
    read_frame: Callable[[], pl.DataFrame], dataset: Dataset, signature: Signature, *, is_served_file: bool
) -> TrainingRows:
    if is_served_file:
        inputs = feeds(read_frame(), signature)
        return TrainingRows(inputs=inputs, target=None, classes=len(signature.classes))
    return TrainingRows.encode(read_frame(), dataset, signature)
