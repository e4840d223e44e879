"""The JobSpec: the settings that a user may write in ``train.yaml``. Every field has a default that works.

Its JSON Schema is published as ``pipeline/contracts/spec/job_spec.schema.json`` (a test holds the two equal), so that
editors complete it: ``# yaml-language-server: $schema=...``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import (
    BeforeValidator,
    Field,
    ValidationError,
    model_validator,
)

from pipeline.contracts.algorithms.catalog import catalog
from pipeline.contracts.algorithms.hyperparameter import Settings
from pipeline.contracts.errors import InvalidJobSpecError
from pipeline.contracts.records.dataset import BAG_FOLDS
from pipeline.contracts.records.decision import ThresholdMetric
from pipeline.contracts.signature import Task
from pipeline.contracts.spec.error_sentences import error_sentences
from pipeline.contracts.spec.field_types import (
    AlgorithmName,
    Header,
    Label,
    Marker,
    MetricName,
    Section,
    Sheet,
    Text,
    Threshold,
)
from pipeline.contracts.spec.sections import Canary, Compression, Distillation, Limits, Prefer, Search, Split
from pipeline.contracts.spec.settings_schema import add_algorithms
from pipeline.contracts.spec.task_names import check_task_name
from pipeline.contracts.spec.train_yaml import load_train_yaml
from pipeline.contracts.spec.training import Parallel, Privacy, Training, merge_training

__all__ = [
    "MAX_TARGETS",
    "SCHEMA_FILE",
    "AlgorithmName",
    "Compression",
    "Distillation",
    "JobSpec",
    "Limits",
    "Parallel",
    "Prefer",
    "Privacy",
    "Search",
    "Split",
    "Training",
    "merge_training",
    "parse_job_spec",
]

SCHEMA_FILE = Path(__file__).with_name("job_spec.schema.json")
MAX_TARGETS = 50  # each target is trained separately
_OR_LIST: Any = {
    "anyOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}, {"type": "null"}, {"type": "array"}]
}
_ALGORITHM_NAMES = {"items": {"enum": list(catalog())}}


class JobSpec(Section):
    """``train.yaml``. An unknown field is an error that names the nearest known one."""

    task: Annotated[Task | None, BeforeValidator(check_task_name)] = None  # None: inferred from the target's values
    # None: the target in the object's metadata, else the last column; none for clustering. A list means ``targets``.
    target: Annotated[Text | None, Field(json_schema_extra=_OR_LIST)] = None
    targets: tuple[Text, ...] = ()  # several columns to learn: all are numbers, or all are yes-no labels
    labels: Literal["auto", "single", "several"] = "auto"  # whether a cell such as a|b is one class or several labels
    metric: MetricName | None = None  # None: log_loss, average_precision, rmse or silhouette
    positive_class: Label | None = None  # None: the second of two in sorted order, or the one with under 5 % of rows
    threshold: Threshold = "auto"  # probability of the positive class; auto: thresholds.threshold_rule
    threshold_metric: ThresholdMetric | None = None  # None: f1; a named metric tunes the threshold of any two classes
    threshold_recall: Annotated[float, Field(gt=0, le=1)] | None = None  # minimum recall for precision_at_recall
    algorithms: Annotated[tuple[AlgorithmName, ...], Field(min_length=1, json_schema_extra=_ALGORITHM_NAMES)] | None = (
        None
    )
    blend: bool = True  # whether a weighted blend of the best candidates and its distilled model are candidates
    folds: Annotated[int, Field(ge=1, le=20)] = BAG_FOLDS  # models of a bag; 1: one model, measured on validation rows
    serve: Literal["bag", "single"] = "bag"  # single: one model refit on all rows with the folds' trees or epochs
    cross_validate: bool | None = None  # deprecated, without effect
    refit: bool | None = None  # deprecated, without effect
    clusters: Annotated[int, Field(ge=2, le=100)] | None = None  # None: chosen by the silhouette
    weight: Text | None = None  # name of the column with the rows' weights
    drop: tuple[Text, ...] = ()  # columns that no model may read
    header: Header = "auto"  # none: the first line of the file is data, and the columns get generated names
    missing: tuple[Marker, ...] | None = None  # texts that mean a missing value; None: the default texts
    encoding: Annotated[str, Field(min_length=1)] | None = None  # Python's name of the encoding; None: detected
    sheet: Sheet | None = None  # sheet of a spreadsheet; None: the first one with a table
    settings: Annotated[
        dict[AlgorithmName, Settings], Field(json_schema_extra=add_algorithms)
    ] = {}  # algorithm -> settings that replace its defaults
    code: Settings = {}  # values for the Settings class of the user's model.py
    segments: tuple[Text, ...] = ()  # columns by whose values the card shows quality; empty: chosen automatically
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    split: Split = Split()
    training: Training = Training()
    search: Search = Search()
    distillation: Distillation = Distillation()
    compression: Compression = Compression()
    limits: Limits = Limits()
    promote: Literal["auto", "manual", "canary", "shadow"] = "auto"
    canary: Canary = Canary()  # rule of the rollout if promote is canary or shadow
    require: Literal["better"] | None = None  # better: promoted only if not inferior to the live version on test rows

    @model_validator(mode="before")
    @classmethod
    def _take_list_of_targets(cls, fields: object) -> object:
        """Read a list under ``target`` as ``targets``, and a list of one name as ``target``."""
        if not isinstance(fields, dict):
            return fields
        named = fields.get("targets") or fields.get("target")
        if not isinstance(named, list | tuple):
            return fields
        if fields.get("target") and fields.get("targets"):
            raise ValueError("target and targets are both given: only one is expected")
        if "target" in fields and not named:
            raise ValueError("target: the list is empty: the name of a column, or several, are expected")
        remaining = {name: value for name, value in fields.items() if name not in ("target", "targets")}
        return {**remaining, "target": named[0]} if len(named) == 1 else {**remaining, "targets": named}

    @model_validator(mode="after")
    def _check_targets(self) -> Self:
        if len(set(self.targets)) < len(self.targets):
            raise ValueError("targets: a column is repeated: different columns are expected")
        if len(self.targets) > MAX_TARGETS:
            raise ValueError(f"targets: {len(self.targets)} are given: at most {MAX_TARGETS} are expected")
        return self

    @property
    def target_label(self) -> str | None:
        """The target, or all targets joined, for messages."""
        return ", ".join(self.targets) or self.target

    @model_validator(mode="after")
    def _check_clusters(self) -> Self:
        if self.clusters is not None and self.task != "clustering":
            raise ValueError("clusters is only for task: clustering, which is expected with it")
        return self

    @model_validator(mode="after")
    def _check_threshold(self) -> Self:
        if (self.threshold_metric == "precision_at_recall") != (self.threshold_recall is not None):
            raise ValueError("threshold_metric: precision_at_recall and threshold_recall are expected together")
        if self.threshold != "auto" and self.threshold_metric is not None:
            raise ValueError("threshold is a number, so nothing is tuned: threshold_metric needs threshold: auto")
        return self


def parse_job_spec(document: bytes) -> JobSpec:
    """Read ``train.yaml``.

    Raises:
        InvalidJobSpecError: A field is wrong. The message names the field, what is expected, and the nearest name.
    """
    try:
        content = load_train_yaml(document.decode("utf-8-sig"))
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: not UTF-8, or an invalid date
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
        raise InvalidJobSpecError("; ".join(error_sentences(error, JobSpec))) from error
