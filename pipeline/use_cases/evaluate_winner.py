"""Use case: the winner is measured on the test rows, which are read for the first and only time."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.contracts.artifacts import read_artifact
from pipeline.contracts.clock import Clock, utc_now
from pipeline.contracts.errors import NotFoundError, TooLargeForFunctionError
from pipeline.contracts.object_keys import RunKeys, parse_upload_key
from pipeline.contracts.records.dataset import Dataset
from pipeline.contracts.records.outcome import TRAINED, TrainedCandidate
from pipeline.contracts.records.plan import BROUGHT
from pipeline.contracts.records.run import Upload
from pipeline.contracts.records.variant import Selection
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.evaluation.card.against_live import LiveModel
from pipeline.evaluation.card.card import EvaluationContext, evaluate
from pipeline.evaluation.split_files import SplitFile
from pipeline.evaluation.stored_models import unpack_model
from pipeline.registry.model_registry import ModelRegistry
from pipeline.use_cases.report_jobs import JobReport, ReportJobs
from pipeline.use_cases.run_documents import RunUseCase

if TYPE_CHECKING:
    import polars

__all__ = ["MAX_FUNCTION_SPLIT_BYTES", "MAX_JOB_SPLIT_BYTES", "EvaluateWinner"]

MAX_FUNCTION_SPLIT_BYTES = 384 << 20  # bytes of test rows; the model and rows of other splits share the function's 3 GB
MAX_JOB_SPLIT_BYTES = 3 << 30  # bytes of test rows; the job has 14 GB of memory
_MAX_COMPARED_ROWS = 100_000  # rows of a split that the card compares with the test rows
_COMPARED_DIVISOR = 4  # the compared train or validation rows take at most a quarter of the test rows' bytes


@dataclass(frozen=True, kw_only=True)
class EvaluateWinner(RunUseCase):
    """Evaluate the winner of a run; write its ModelCard and its golden rows.

    Attributes:
        registry: Registry in which the model may have a live version.
        bills_usage: Whether the jobs' machines cost money. False on a laptop.
        max_bytes: Maximum size of the test rows in memory, in bytes.
        samples_rows: What happens beyond ``max_bytes``: if true, evenly spaced rows are measured, and the card says
            so; if false, TooLargeForFunctionError is raised.
        now: Returns the current time, UTC.
    """

    registry: ModelRegistry
    bills_usage: bool = False
    max_bytes: int = MAX_FUNCTION_SPLIT_BYTES
    samples_rows: bool = False
    now: Clock = utc_now

    def __call__(self, run: str) -> None:
        """Evaluate the winner of ``run``.

        Raises:
            TooLargeForFunctionError: The test rows take more than ``max_bytes``.
        """
        keys = RunKeys(run)
        selection = self._read(Selection, keys.selection)
        assert selection.winner.artifact is not None, "a selected variant has a file"
        test, notes = self._read_test_rows(keys.split("test"))
        card, golden = evaluate(
            selection,
            run=run,
            model=parse_upload_key(self._read(Upload, keys.upload).key).model,
            dataset=self._read(Dataset, keys.dataset),
            stored=self.artifacts.get(selection.winner.artifact.key),
            test=test,
            background=self._make_context(run, selection, notes),
            now=self.now(),
        )
        self._write(card, keys.card)
        self._write(golden, keys.golden)
        self.runs.finish_stage(run, "evaluate")

    def _read_test_rows(self, key: str) -> tuple[polars.DataFrame, Sequence[str]]:
        """Read all test rows, or an evenly spaced sample; return them with the notes for the card."""
        with self._open_split(key) as split:
            if split.bytes > self.max_bytes and not self.samples_rows:
                raise TooLargeForFunctionError(
                    f"the test rows take about {_format_megabytes(split.bytes)}: a function evaluates at most "
                    f"{_format_megabytes(self.max_bytes)}"
                )
            test = split.read(max_bytes=self.max_bytes)
            if test.height == split.rows:
                return test, ()
            note = (
                f"test quality is measured on {test.height:,} of {split.rows:,} test rows, evenly spaced: evaluation "
                f"holds at most {_format_megabytes(self.max_bytes)} of them"
            )
            return test, (note,)

    def _make_context(self, run: str, selection: Selection, notes: Sequence[str]) -> EvaluationContext:
        keys = RunKeys(run)
        spec = self._read(JobSpec, keys.spec)
        report = self._report_jobs(run)
        is_brought = selection.winner.algorithm == BROUGHT  # its training rows were not uploaded
        names = () if is_brought else ("train", "validation")
        return EvaluationContext(
            splits={name: self._read_sample(keys.split(name)) for name in names} or None,
            privacy=self._read_privacy(keys.candidate(selection.winner.candidate, TRAINED)),
            segments=spec.segments,
            class_weights=spec.training.class_weights,
            jobs=report.costs,
            prices=report.prices,
            warnings=[*notes, *report.warnings],
            live=self._find_live(run) if spec.require == "better" else None,
        )

    def _find_live(self, run: str) -> LiveModel | None:
        model = parse_upload_key(self._read(Upload, RunKeys(run).upload).key).model
        try:
            live = self.registry.live(RunKeys(run).tenant, model)
        except NotFoundError:
            return None
        file = unpack_model(
            read_artifact(self.artifacts, live.artifact.key, live.artifact.sha256),
            f"the file of version {live.version} of '{model}'",
        )
        return LiveModel(live.version, live.signature, file)

    def _report_jobs(self, run: str) -> JobReport:
        return ReportJobs(artifacts=self.artifacts, runs=self.runs, bills_usage=self.bills_usage)(run)

    def _read_sample(self, key: str) -> polars.DataFrame:
        """Read evenly spaced rows of a split, which may be larger than the memory."""
        with self._open_split(key) as split:
            return split.read(max_bytes=self.max_bytes // _COMPARED_DIVISOR, max_rows=_MAX_COMPARED_ROWS)

    @contextmanager
    def _open_split(self, key: str) -> Iterator[SplitFile]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "split.parquet"
            self.artifacts.download(key, path)
            yield SplitFile.of(path)

    def _read_privacy(self, key: str) -> Mapping[str, float]:
        """Read the winner's privacy budget; empty for a blend, which is not a trained candidate."""
        for candidate in self._read_existing(TrainedCandidate, [key]):
            return candidate.privacy
        return {}


def _format_megabytes(count: int) -> str:
    return f"{count >> 20:,} MB"
