"""The algorithm selection: what to train for this data, and what not, with reasons."""

from __future__ import annotations

import json

from pipeline.contracts.catalogue import catalogue
from pipeline.contracts.dataset import Dataset
from pipeline.contracts.declaration import Declaration, Input, Settings
from pipeline.contracts.errors import InvalidJobSpecError
from pipeline.contracts.job_spec import JobSpec, Training, check_metric, default_metric
from pipeline.contracts.plan import Candidate, Plan, Skipped, TrainingJob

__all__ = ["plan"]

_INPUT_OF_KIND: dict[str, Input] = {
    "numeric": "num", "boolean": "num", "datetime": "num", "categorical": "cat", "text": "text", "image": "image",
}  # fmt: skip
_WORDS: dict[Input, str] = {"num": "numbers", "cat": "categories", "text": "texts", "image": "images"}


def plan(dataset: Dataset, spec: JobSpec) -> Plan:
    """Choose the candidates for ``dataset`` among ``spec.algorithms`` (None: all that fit).

    What was asked for by name is tried with few rows too. Raise InvalidJobSpecError when the metric does not measure
    the task, or no algorithm fits.
    """
    metric = check_metric(spec.metric or default_metric(dataset.task), dataset.task)
    asked = spec.algorithms is not None
    of_the_task = [name for name, declared in catalogue().items() if dataset.task in declared.tasks]
    wanted = [catalogue()[name] for name in dict.fromkeys(spec.algorithms or of_the_task)]
    reasons = {one.name: _why_not(one, dataset, asked=asked) for one in wanted}
    skipped = tuple(Skipped(algorithm=name, reason=why) for name, why in reasons.items() if why)
    fitting = [one for one in wanted if reasons[one.name] is None]
    if not fitting:
        told = "; ".join(f"{one.algorithm}: {one.reason}" for one in skipped)
        raise InvalidJobSpecError(f"none of the algorithms fits this data set ({told})")
    candidates = tuple(_candidate(one, dataset, spec) for one in fitting)
    return Plan(
        metric=metric, candidates=candidates, jobs=_jobs(fitting, spec.training), skipped=skipped, seed=spec.seed
    )


def _candidate(declared: Declaration, dataset: Dataset, spec: JobSpec) -> Candidate:
    settings = declared.settings_for(rows=dataset.rows.train, classes=len(dataset.classes), task=dataset.task)
    given = _knobs(spec.training) if declared.knobs else {}
    if spec.clusters is not None:
        given = {**given, "clusters": spec.clusters}
    settings |= {name: value for name, value in given.items() if name in settings}
    if declared.brings_code:
        settings["code"] = json.dumps(spec.code)
    return Candidate(name=declared.name, algorithm=declared.name, settings=settings, reason=declared.good_at)


def _knobs(training: Training) -> Settings:
    """What ``training`` says of a network, as its settings."""
    knobs = training.knobs
    if training.privacy:
        knobs |= {
            "privacy_epsilon": training.privacy.epsilon,
            "privacy_delta": training.privacy.delta,
            "privacy_norm": training.privacy.max_gradient_norm,
        }
    if training.parallel.nodes > 1:
        knobs["parallel"] = training.parallel.strategy
    if training.base_model:
        knobs |= {"base_model": training.base_model, "freeze": training.freeze}
    return knobs


def _why_not(declared: Declaration, dataset: Dataset, *, asked: bool) -> str | None:
    if declared.brings_code and dataset.code_sha256 is None:
        return "there is no model.py beside the data"
    if declared.by_request and not asked:
        return "only tried when it is asked for in algorithms"
    if dataset.task not in declared.tasks:
        return f"{dataset.task} is none of its tasks ({', '.join(declared.tasks)})"
    there = {_INPUT_OF_KIND[column.kind] for column in dataset.columns}
    if not there & set(declared.reads) or not set(declared.must_read) <= there:
        read = declared.must_read or declared.reads
        return f"it reads {' and '.join(_WORDS[one] for one in read)}, which are not there"
    return _too_small_or_large(declared, dataset, asked=asked)


def _too_small_or_large(declared: Declaration, dataset: Dataset, *, asked: bool) -> str | None:
    classes, rows = len(dataset.classes), dataset.rows.train
    if declared.most_classes is not None and classes > declared.most_classes:
        return f"{classes:,} classes, {declared.most_classes:,} are its most"
    if declared.most_rows is not None and rows > declared.most_rows and not asked:
        return f"{rows:,} training rows, {declared.most_rows:,} are its most"
    if rows < declared.least_rows and not asked:
        return f"{rows:,} training rows, {declared.least_rows:,} are its least"
    if declared.most_weights is not None and (weights := _linear_weights(dataset)) > declared.most_weights:
        return f"{weights:,} weights over one-hot categories and classes, {declared.most_weights:,} are its most"
    return None


def _linear_weights(dataset: Dataset) -> int:
    # A category has a column of its own for each value, one for missing and one for unknown.
    width = sum(len(column.vocabulary) + 2 if column.kind == "categorical" else 1 for column in dataset.columns)
    return width * max(1, len(dataset.classes))


def _jobs(fitting: list[Declaration], training: Training) -> tuple[TrainingJob, ...]:
    cpu = tuple(one.name for one in fitting if one.needs == "cpu")
    gpu = tuple(one.name for one in fitting if one.needs == "gpu" and not one.brings_code)
    code = tuple(one.name for one in fitting if one.brings_code)
    jobs = (
        TrainingJob(name="cpu", queue="cpu", candidates=cpu),
        TrainingJob(name="gpu", queue="gpu", candidates=gpu, nodes=training.parallel.nodes),
        TrainingJob(name="code", queue="code", candidates=code),
    )
    return tuple(job for job in jobs if job.candidates)
