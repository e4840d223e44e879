"""The JobSpec: what a user may ask for in ``train.yaml``. Every field has a default that works.

Its JSON Schema is published as ``pipeline/contracts/job_spec.schema.json`` (a test holds the two equal), so that
editors complete it: ``# yaml-language-server: $schema=...``.
"""

from __future__ import annotations

import difflib
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError

from pipeline.contracts.errors import InvalidJobSpecError
from pipeline.contracts.plan import Algorithm
from pipeline.contracts.record import Record
from pipeline.contracts.signature import Task
from pipeline.contracts.variant import Precision

__all__ = [
    "Compression",
    "JobSpec",
    "Limits",
    "Metric",
    "Split",
    "Training",
    "check_metric",
    "default_metric",
    "greater_is_better",
    "parse_job_spec",
]

Metric = Literal["accuracy", "auc", "log_loss", "rmse", "mae", "r2"]
_LOWER_IS_BETTER = frozenset({"log_loss", "rmse", "mae"})
_CLASSIFICATION = frozenset({"accuracy", "auc", "log_loss"})


class Split(Record):
    """Shares of the rows; what remains trains. Stratified by the class, or by quantiles of a regression target."""

    validation: Annotated[float, Field(gt=0, lt=0.5)] = 0.1
    test: Annotated[float, Field(gt=0, lt=0.5)] = 0.1


class Training(Record):
    """The torch candidates' knobs; None lets the plan choose from the data's shape."""

    epochs: Annotated[int, Field(ge=1, le=1000)] | None = None
    batch_size: Annotated[int, Field(ge=1, le=65536)] | None = None
    learning_rate: Annotated[float, Field(gt=0, le=10)] | None = None
    hidden: tuple[Annotated[int, Field(ge=1, le=8192)], ...] | None = None
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = None
    weight_decay: Annotated[float, Field(ge=0, le=10)] | None = None
    early_stopping: Annotated[int, Field(ge=1, le=1000)] | None = None  # epochs without a better validation loss


class Compression(Record):
    """Which variants to make. fp32 is always one; what does not apply is said on the leaderboard."""

    precisions: tuple[Precision, ...] = ("fp32", "int8")
    max_quality_drop: Annotated[float, Field(ge=0, le=1)] = 0.01  # relative to the fp32 file's metric
    min_agreement: Annotated[float, Field(ge=0, le=1)] = 0.97  # of labels (regression: correlation) with the fp32 file
    max_slowdown: Annotated[float, Field(gt=0)] = 1.5  # latency against the fp32 file's


class Limits(Record):
    """What a version must keep to be promoted by itself. None: no limit."""

    max_bytes: Annotated[int, Field(gt=0)] | None = None
    max_latency_us: Annotated[float, Field(gt=0)] | None = None
    min_quality: float | None = None  # of the metric (for rmse, mae, log_loss: at most)
    minutes: Annotated[float, Field(gt=0, le=1440)] = 60  # after which a training job begins no candidate


class JobSpec(Record):
    """``train.yaml``. An unknown field is an error that names the nearest known one."""

    task: Task | None = None  # None: told from the target's values
    target: str | None = None  # None: the object's metadata, else the last column
    metric: Metric | None = None  # None: accuracy, or rmse
    algorithms: Annotated[tuple[Algorithm, ...], Field(min_length=1)] | None = None  # None: all that fit
    drop: tuple[str, ...] = ()  # columns that no model may read
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    split: Split = Split()
    training: Training = Training()
    compression: Compression = Compression()
    limits: Limits = Limits()
    promote: Literal["auto", "manual"] = "auto"


def default_metric(task: Task) -> Metric:
    return "accuracy" if task == "classification" else "rmse"


def greater_is_better(metric: str) -> bool:
    return metric not in _LOWER_IS_BETTER


def check_metric(metric: Metric, task: Task) -> Metric:
    """Return ``metric``, or raise InvalidJobSpecError when it does not measure ``task``."""
    if (metric in _CLASSIFICATION) != (task == "classification"):
        fitting = "accuracy, auc, log_loss" if task == "classification" else "rmse, mae, r2"
        raise InvalidJobSpecError(f"metric '{metric}' does not measure {task}: one of {fitting} is expected")
    return metric


def parse_job_spec(document: bytes) -> JobSpec:
    """Read ``train.yaml``; raise InvalidJobSpecError naming the field, what was expected and the nearest known name."""
    try:
        content = yaml.safe_load(document.decode("utf-8-sig"))
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: not UTF-8, or a date that is none
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise InvalidJobSpecError(f"train.yaml is not YAML{where}: a mapping of fields is expected") from error
    if content is None:
        return JobSpec()
    if not isinstance(content, dict):
        raise InvalidJobSpecError("train.yaml is not a mapping: fields such as 'target: price' are expected")
    try:
        return JobSpec.model_validate(content)
    except ValidationError as error:
        raise InvalidJobSpecError("; ".join(_sentence(problem) for problem in error.errors()[:3])) from error


def _sentence(problem: Any) -> str:
    path = [str(part) for part in problem["loc"]]
    if problem["type"] != "extra_forbidden":
        return f"train.yaml: {'.'.join(path)}: {problem['msg'][:1].lower()}{problem['msg'][1:]}"
    known = _fields_at(path[:-1])
    near = difflib.get_close_matches(path[-1], known, n=1, cutoff=0.5)
    hint = f"did you mean '{near[0]}'?" if near else f"one of {', '.join(known)} is expected"
    return f"train.yaml: unknown field '{'.'.join(path)}': {hint}"


def _fields_at(path: list[str]) -> list[str]:
    model: type[Record] = JobSpec
    for part in path:
        annotation = model.model_fields[part].annotation
        if isinstance(annotation, type) and issubclass(annotation, Record):
            model = annotation
    return list(model.model_fields)
