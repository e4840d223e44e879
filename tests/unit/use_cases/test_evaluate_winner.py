"""The evaluation step holds a bounded number of bytes of rows, as a function and as a job."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from pipeline.bootstrap import Job
from pipeline.contracts.errors import TooLargeForFunctionError
from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.records.dataset import ColumnProfile, Dataset, SplitRows
from pipeline.contracts.records.model_version import GoldenPredictions, ModelCard
from pipeline.contracts.records.outcome import JobOutcome
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.evaluation.split_files import SplitFile
from pipeline.intake.run_log import RunLog
from pipeline.jobs.runtime.job import make_work, run_job
from pipeline.registry.model_registry import ModelRegistry
from pipeline.use_cases.evaluate_winner import EvaluateWinner
from tests.fakes.objects import FakeObjectStore
from tests.fakes.records import NOW, artifact, documents, selection
from tests.fakes.table import FakeTable
from tests.helpers.served_models import CLASSIFIER, COLUMNS, model_bytes, publish

RUN = "demo_adult_0123456789ab"
KEYS = RunKeys(RUN)
ROWS = 3_000


def rows(count: int) -> pl.DataFrame:
    jobs = ["cook", "clerk", "juggler"]
    return pl.DataFrame(
        {
            "age": [20.0 + number % 60 for number in range(count)],
            "job": [jobs[number % 3] for number in range(count)],
            "hours per week": [40.0] * count,
            "member": [float(number % 2) for number in range(count)],
            "income": [CLASSIFIER.classes[number % 2] for number in range(count)],
        },
        schema_overrides={"age": pl.Float32, "hours per week": pl.Float32, "member": pl.Float32},
    )


@pytest.fixture
def evaluator() -> EvaluateWinner:
    """The evaluation of a run that has a selection and 3,000 test rows."""
    artifacts, table = FakeObjectStore("artifacts"), FakeTable()
    runs = RunLog(table)
    runs.create(RUN, tenant="demo", model="adult", file="train.csv", started_at=NOW)
    columns = tuple(ColumnProfile(name=c.name, kind=c.kind, missing=0, distinct=2) for c in COLUMNS)
    dataset = Dataset(
        task="classification",
        target="income",
        columns=columns,
        classes=CLASSIFIER.classes,
        class_rows=(50, 50, 0),
        rows=SplitRows(train=100, validation=100, test=ROWS),
        sha256="d" * 64,
    )
    file = model_bytes(CLASSIFIER)
    artifacts.put(artifact(body=file).key, file)
    stored = documents(RUN) | {KEYS.dataset: dataset, KEYS.selection: selection(body=file)}
    for key, record in stored.items():
        artifacts.put(key, record.to_bytes())
    for name, count in (("train", 100), ("validation", 100), ("test", ROWS)):
        buffer = io.BytesIO()
        rows(count).write_parquet(buffer)
        artifacts.put(KEYS.split(name), buffer.getvalue())
    registry = ModelRegistry(table, artifacts)
    return EvaluateWinner(artifacts=artifacts, runs=runs, registry=registry, now=lambda: NOW)


def card(evaluator: EvaluateWinner) -> ModelCard:
    return ModelCard.from_bytes(evaluator.artifacts.get(KEYS.card))


def test_all_rows_are_measured_without_a_warning_when_they_fit(evaluator: EvaluateWinner) -> None:
    evaluator(RUN)
    assert card(evaluator).test_rows == ROWS
    assert not [warning for warning in card(evaluator).warnings if "evenly spaced" in warning]
    assert GoldenPredictions.from_bytes(evaluator.artifacts.get(KEYS.golden)).rows


def test_a_function_refuses_too_many_test_rows_before_reading_them(evaluator: EvaluateWinner) -> None:
    documents_before = set(evaluator.artifacts.keys(""))
    with pytest.raises(TooLargeForFunctionError, match="at most 0 MB"):
        replace(evaluator, max_bytes=100_000)(RUN)
    assert set(evaluator.artifacts.keys("")) == documents_before


def test_a_job_measures_a_sample_that_fits_and_the_card_reports_its_size(evaluator: EvaluateWinner) -> None:
    job = Job(artifacts=evaluator.artifacts, runs=evaluator.runs, queue="cpu", attempt=1)
    last = replace(evaluator, max_bytes=100_000, samples_rows=True)
    assert run_job(make_work(last), ["--run", RUN, "--job", "evaluate"], connect=lambda _: job) == 0
    outcome = JobOutcome.from_bytes(evaluator.artifacts.get(KEYS.outcome("evaluate")))
    assert (outcome.status, outcome.error) == ("SUCCEEDED", None)
    measured = card(evaluator).test_rows
    assert 300 < measured < ROWS
    (warning,) = [warning for warning in card(evaluator).warnings if "evenly spaced" in warning]
    assert f"{measured:,} of {ROWS:,} test rows" in warning


@pytest.mark.parametrize("max_bytes", [1, 10_000, 100_000, 10**9])
def test_a_split_is_sampled_evenly_until_it_fits(tmp_path: Path, max_bytes: int) -> None:
    path = tmp_path / "split.parquet"
    whole = rows(ROWS).with_columns(text=pl.lit("word " * 20), number=pl.int_range(ROWS))
    whole.write_parquet(path)
    split = SplitFile.of(path)
    assert split.rows == ROWS
    rows_read = split.read(max_bytes=max_bytes)
    assert rows_read.height == 1 or rows_read.height * split.row_bytes <= max_bytes
    assert rows_read.height * split.row_bytes * 2.5 > min(max_bytes, split.bytes)  # no fewer than necessary
    steps = set(rows_read["number"].diff().drop_nulls())
    assert len(steps) <= 1
    assert split.read(max_bytes=10**9, max_rows=100).height == 100


def test_texts_count_more_bytes_per_row_than_numbers(tmp_path: Path) -> None:
    for name, value in (("texts", pl.lit("a")), ("numbers", pl.lit(1.0))):
        pl.DataFrame({"y": range(1_000)}).select(x=value.repeat_by(1).list.first()).write_parquet(tmp_path / name)
    assert SplitFile.of(tmp_path / "texts").row_bytes > 60 > SplitFile.of(tmp_path / "numbers").row_bytes


def test_the_live_version_is_compared_only_when_a_better_version_is_required(
    evaluator: EvaluateWinner,
) -> None:
    evaluator(RUN)
    assert card(evaluator).against_live is None  # nobody asked
    evaluator.artifacts.put(KEYS.spec, JobSpec(require="better").to_bytes())
    evaluator(RUN)
    assert card(evaluator).against_live is None  # nothing is live
    publish(evaluator.registry._store.table, evaluator.artifacts, run=RUN, ready=True, live=True, model="adult")  # type: ignore[arg-type]
    evaluator(RUN)
    compared = card(evaluator).against_live
    assert compared is not None
    assert (compared.version, compared.gain, compared.interval) == (1, 0.0, (0.0, 0.0))  # it is the same file
    assert compared.new == compared.live == card(evaluator).test_quality[compared.metric]
    assert compared.is_not_inferior
