"""The variants of one candidate: the exported model, and the results of the planned passes."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import onnx

from pipeline.compression.fine_tuning.budget import StoredFineTuning
from pipeline.compression.passes.input_columns import narrow_inputs
from pipeline.compression.passes.pass_context import PassContext
from pipeline.compression.quality_bar import QualityBar
from pipeline.compression.recipes import CompressionPlan, PassStep
from pipeline.compression.trained_export import TrainedExport
from pipeline.compression.unseen_rows import UnseenRows
from pipeline.compression.validation_bench import Latencies, ServedFile, VariantComparison
from pipeline.contracts.errors import CompressionError, ModeldropError, NotApplicableError
from pipeline.contracts.records.outcome import TrainedCandidate
from pipeline.contracts.records.variant import PRECISION_OF_PASS, PassName, Precision, Status, Variant

__all__ = ["CandidateVariants", "describe_variant"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Body:
    """A body, the passes that were applied to the candidate's body, and the columns that they removed."""

    model: bytes
    steps: tuple[PassStep, ...] = ()
    pruned_columns: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class CandidateVariants:
    """Makes the variants of one candidate.

    Attributes:
        export: Files and record of the trained candidate.
        plan: The passes to try.
        context: Rows, time and threads of the passes.
        report: Receives progress messages of a few words.
        bar: Quality that a candidate needs for its passes to be tried.
    """

    export: TrainedExport
    plan: CompressionPlan
    context: PassContext
    report: Callable[[str], None]
    bar: QualityBar

    @property
    def _candidate(self) -> TrainedCandidate:
        return self.export.candidate

    def make(self) -> list[Variant]:
        """Return the variants; the first is the exported model.

        Raises:
            ExportMismatchError: The exported file is not the model that was measured.
            IntegrityError: The exported file is not what training wrote.
        """
        self.report(f"{self._candidate.candidate}: verify")
        full = self.export.verify()
        quality, _ = self._quality_of(full, full)
        trials = _Trials(full=full, shortfall=self.bar.find_shortfall(quality))
        body = _Body(model=self.context.teacher)
        is_quantized = self.plan.unchanged_too or not self.plan.changes
        if is_quantized and self.plan.fine_tunes:  # quantize first: fine-tuning may use up the time budget
            self._quantize(body, trials)
        if self.plan.changes:
            changed = self._try_all(body, self.plan.strengths, "fp32", trials, bisect=self.plan.bisects)
            if changed is not None:
                self._quantize(changed, trials)
        if is_quantized and not self.plan.fine_tunes:  # prune trees first: fewer trees save more than smaller ones
            self._quantize(body, trials)
        # Prefer latencies that were measured in turns with those of a compressed file.
        latencies = trials.full_latencies or self.export.bench.latencies(full)
        exported = describe_variant(self._candidate, (), "fp32", "ok")
        return [exported.model_copy(update=self._measurements(full, full, latencies)), *trials.variants]

    def _quantize(self, body: _Body, trials: _Trials) -> None:
        for precision, steps in self.plan.quantizations.items():
            if precision == "int8" and self._candidate.no_int8 and body.steps and self.plan.unchanged_too:
                continue  # the variant of the unchanged model states the reason
            self._try_all(body, [(step,) for step in steps], precision, trials)

    def _try_all(
        self,
        body: _Body,
        sequences: Sequence[tuple[PassStep, ...]],
        precision: Precision,
        trials: _Trials,
        *,
        bisect: bool = False,
    ) -> _Body | None:
        """Add the variant of the first sequence that passes all gates, else of the one that misses fewest.

        Args:
            body: The body that the sequences are applied to.
            sequences: Sequences of passes, the strongest first.
            precision: Precision of the variant.
            trials: The variants so far, which change.
            bisect: Whether to find the first sequence that passes the quality gates by bisection, and only time that.

        Returns:
            The body of the sequence that passed; None if none did.
        """
        names = tuple(step.name for step in (*body.steps, *sequences[0]))
        self.report(f"{self._candidate.candidate}: {_label(names, precision)}")
        tried, refused = self._try_until_one_passes(body, sequences, precision, trials, bisect=bisect)
        if not tried:
            reason = refused.message if refused else f"no {precision} file was made"
            trials.variants.append(describe_variant(self._candidate, names, precision, "not_applicable", reason))
            return None
        applied, comparison = tried[min(tried, key=lambda number: (len(tried[number][1].failed), number))]
        if comparison.latencies is None:
            comparison = self.export.bench.time(trials.full, comparison)
        trials.full_latencies = trials.full_latencies or comparison.full_latencies
        trials.variants.append(self._compared_variant(applied, precision, comparison))
        return None if comparison.failed else applied

    def _try_until_one_passes(
        self,
        body: _Body,
        sequences: Sequence[tuple[PassStep, ...]],
        precision: Precision,
        trials: _Trials,
        *,
        bisect: bool,
    ) -> tuple[dict[int, tuple[_Body, VariantComparison]], CompressionError | None]:
        """Return the bodies that could be made, by the index of their sequence, and the first error of the others."""
        tried: dict[int, tuple[_Body, VariantComparison]] = {}
        refused: CompressionError | None = None
        first, end = 0, len(sequences)
        while first < end:
            number = (first + end - 1) // 2 if bisect else first
            try:
                self._check_applicable(precision, trials.shortfall)
                applied, served = self._apply(body, sequences[number])
            except CompressionError as error:
                refused, first = refused or error, number + 1
                continue
            comparison = self._compare(trials, served, applied)
            if not comparison.failed and not bisect:  # a file that misses a quality gate is not worth timing
                comparison = self.export.bench.time(trials.full, comparison)
            tried[number] = applied, comparison
            if comparison.failed:
                first = number + 1
            else:
                end = number if bisect else first
        return tried, refused

    def _compared_variant(self, applied: _Body, precision: Precision, comparison: VariantComparison) -> Variant:
        """Return the variant of a compared and timed body: ok, or rejected with the gates that it misses."""
        assert comparison.latencies is not None, "it was timed"
        names = tuple(step.name for step in applied.steps)
        status: Status = "rejected" if comparison.failed else "ok"
        reason = "; ".join(comparison.failed) or _describe(applied)
        variant = describe_variant(self._candidate, names, precision, status, reason)
        measured = self._measurements(comparison.served, comparison.reference, comparison.latencies)
        comparison_fields = {"agreement": comparison.agreement, "pruned_columns": applied.pruned_columns}
        return variant.model_copy(update={**measured, **comparison_fields})

    def _compare(self, trials: _Trials, served: ServedFile, body: _Body) -> VariantComparison:
        unseen = None
        if any(step.refits for step in body.steps):
            unseen = trials.unseen = trials.unseen or self.export.unseen_rows()
        drops = [step.max_quality_drop for step in body.steps if step.max_quality_drop is not None]
        return self.export.bench.compare(trials.full, served, unseen=unseen, max_quality_drop=min(drops, default=None))

    def _check_applicable(self, precision: Precision, shortfall: str) -> None:
        if precision == "int8" and self._candidate.no_int8:
            raise NotApplicableError(self._candidate.no_int8)
        if shortfall:
            raise NotApplicableError(shortfall)
        if not self.context.budget.left:
            seconds = f"{self.context.budget.seconds:.0f} s; compression.minutes sets it"
            raise NotApplicableError(f"not tried: the time limit for starting variants had passed ({seconds})")

    def _apply(self, body: _Body, steps: tuple[PassStep, ...]) -> tuple[_Body, ServedFile]:
        """Apply passes, and score the result; an error of a library becomes NotApplicableError."""
        try:
            for step in steps:
                applied = (*body.steps, step)
                result = step.make(self._context_of(applied))(body.model)
                pruned = (*body.pruned_columns, *result.pruned_columns)
                body = _Body(model=result.model, steps=applied, pruned_columns=pruned)
            return body, self._score(body)
        except ModeldropError:
            raise
        except Exception as error:  # quantizers, torch and onnxruntime raise what they like
            names = "+".join(step.name for step in steps)
            _log.warning("a pass failed", extra={"passes": names}, exc_info=error)
            raise NotApplicableError(f"it could not be built or run ({type(error).__name__})") from error

    def _score(self, body: _Body) -> ServedFile:
        bench = self.export.bench
        if not body.pruned_columns:
            return bench.score(bench.serve(body.model))
        narrowed = narrow_inputs(onnx.load_from_string(body.model), self.context.columns, body.pruned_columns)
        bench = bench.without(body.pruned_columns)
        return bench.score(bench.serve(bytes(narrowed.SerializeToString())))

    def _context_of(self, steps: tuple[PassStep, ...]) -> PassContext:
        """Return the context of a sequence of passes; fine-tuning has its own checkpoint, and half of the time left."""
        if not steps[-1].fine_tunes:
            return self.context
        name = "+".join(f"{step.name}-{step.description}" for step in steps).replace(" ", "_").replace("%", "")
        file = f"fine_tuning/{name}.pt"
        bench, candidate = self.export.bench, self._candidate.candidate
        return replace(
            self.context,
            budget=self.context.budget.share(2),
            checkpoints=StoredFineTuning(artifacts=bench.artifacts, key=bench.keys.candidate(candidate, file)),
            report=lambda text: self.report(f"{candidate}: {steps[-1].name}, {text}"),
        )

    def _measurements(self, served: ServedFile, full: ServedFile, latencies: Latencies) -> dict[str, Any]:
        """Store a file; return the measured fields of its variant."""
        quality, spread = self._quality_of(served, full)
        finite = {name: value for name, value in quality.items() if math.isfinite(value)}  # JSON has no NaN
        spread = {name: bounds for name, bounds in spread.items() if all(map(math.isfinite, bounds))}
        return {"quality": finite, "interval": spread, **self.export.bench.keep(served, latencies)}

    def _quality_of(
        self, served: ServedFile, full: ServedFile
    ) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
        """Return quality and interval of a file; for a bag, out-of-fold, less what the file loses against ``full``."""
        return self.export.quality_of_bag(served, full) if self._candidate.folds else (served.quality, served.interval)


@dataclass(kw_only=True, slots=True)
class _Trials:
    """The variants so far.

    Attributes:
        full: The exported model.
        shortfall: Why no compressed file of the candidate would be served; empty if one may be served.
        variants: The compressed variants.
        full_latencies: Latencies of the exported model; None until it is timed.
        unseen: Out-of-fold predictions of the validation rows; None until they are read.
    """

    full: ServedFile
    shortfall: str = ""
    variants: list[Variant] = field(default_factory=list)
    full_latencies: Latencies | None = None
    unseen: UnseenRows | None = None


def describe_variant(
    candidate: TrainedCandidate, passes: tuple[PassName, ...], precision: Precision, status: Status, reason: str = ""
) -> Variant:
    """Return the record of a variant, without measurements.

    Args:
        candidate: The candidate's record.
        passes: Names of the passes, in order.
        precision: Precision of the weights.
        status: ``ok``, ``rejected`` or ``not_applicable``.
        reason: Reason of the status, or description of the passes.
    """
    return Variant(
        name=f"{candidate.candidate}/{_label(passes, precision)}",
        candidate=candidate.candidate,
        algorithm=candidate.algorithm,
        passes=passes,
        precision=precision,
        status=status,
        reason=reason,
        train_seconds=candidate.seconds,
        classes=candidate.classes,
        quantiles=candidate.quantiles,
        decision=candidate.decision,
        decision_fit=candidate.decision_fit,
    )


def _label(passes: Sequence[PassName], precision: Precision) -> str:
    """Return the name of a variant within its candidate: prune_channels, prune_channels+int8, int8, fp32."""
    changes = [name for name in passes if name not in PRECISION_OF_PASS]
    return "+".join(changes if changes and precision == "fp32" else [*changes, precision])


def _describe(body: _Body) -> str:
    pruned = [f"without {', '.join(body.pruned_columns)}"] if body.pruned_columns else []
    return ", ".join([*(step.description for step in body.steps if step.description), *pruned])
