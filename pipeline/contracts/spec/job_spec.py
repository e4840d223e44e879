"""The JobSpec: what a user may ask for in ``train.yaml``. Every field has a default that works.

Its JSON Schema is published as ``pipeline/contracts/spec/job_spec.schema.json`` (a test holds the two equal), so that
editors complete it: ``# yaml-language-server: $schema=...``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    model_validator,
)

from pipeline.contracts.algorithms.catalog import catalogue
from pipeline.contracts.algorithms.hyperparameter import Range, Settings, Space
from pipeline.contracts.algorithms.network_config import (
    L1,
    L2,
    Averaging,
    Batching,
    BatchSize,
    Dropout,
    EarlyStopping,
    Epochs,
    FocalGamma,
    GradientNorm,
    Hidden,
    HuberDelta,
    LabelSmoothing,
    LearningRate,
    Loss,
    Mixup,
    Momentum,
    NumberFormat,
    Optimizer,
    Quantiles,
    RateDecay,
    Schedule,
    SharedBits,
    Sparsity,
    StepEpochs,
    Warmup,
    WeightDecay,
)
from pipeline.contracts.errors import InvalidJobSpecError
from pipeline.contracts.record import Record
from pipeline.contracts.records.dataset import BAG_FOLDS
from pipeline.contracts.records.decision import ThresholdMetric
from pipeline.contracts.records.variant import PRECISION_OF_PASS, PassName, Precision
from pipeline.contracts.signature import Task
from pipeline.contracts.spec.metrics import METRIC_ALIASES, Metric, resolve_metric
from pipeline.contracts.spec.task_names import check_task_name
from pipeline.contracts.spec.train_yaml import load_train_yaml
from pipeline.contracts.suggestions import did_you_mean

__all__ = [
    "MAX_TARGETS",
    "SCHEMA_FILE",
    "Algorithm",
    "Compression",
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
Prefer = Literal["quality", "balanced", "size", "latency"]
MAX_TARGETS = 50  # each is trained by itself
_OR_LIST: Any = {
    "anyOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}, {"type": "null"}, {"type": "array"}]
}
_CATALOGUED = {"items": {"enum": list(catalogue())}}


def _known_algorithm(name: str) -> str:
    if name not in catalogue():
        raise ValueError(f"unknown algorithm '{name}': {did_you_mean(name, catalogue())}")
    return name


def _as_text(value: object) -> object:
    """Take what YAML makes a number or a truth value of as text, such as the name of a column, 2019."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


def _as_marker(value: object) -> object:
    return "null" if value is None else _as_text(value)


def _check_threshold_word(value: object) -> object:
    if value == "auto" or (isinstance(value, int | float) and 0 < value < 1):
        return value
    raise ValueError("auto, or a number between 0 and 1, is expected")


Label = Annotated[str, BeforeValidator(lambda label: label if isinstance(label, str) else str(label).lower())]
Text = Annotated[str, BeforeValidator(_as_text, json_schema_input_type=str | float | bool)]
Sheet = Annotated[
    str,
    Field(min_length=1),
    BeforeValidator(_as_text, json_schema_input_type=Annotated[str, Field(min_length=1)] | float),
]
Marker = Annotated[str, BeforeValidator(_as_marker, json_schema_input_type=str | float | bool | None)]
# YAML 1.1 makes false of the word no.
Header = Annotated[
    Literal["auto", "none"],
    BeforeValidator(
        lambda header: "none" if header is False else header,
        json_schema_input_type=Literal["auto", "none", False],
    ),
]
Share = Annotated[float, Field(gt=0, lt=0.5)]
Algorithm = Annotated[str, AfterValidator(_known_algorithm)]
Threshold = Annotated[
    Literal["auto"] | Annotated[float, Field(gt=0, lt=1)],
    BeforeValidator(
        _check_threshold_word, json_schema_input_type=Literal["auto"] | Annotated[float, Field(gt=0, lt=1)]
    ),
]
Passes = Annotated[  # the tags have brackets, so that messages leave them out (_IN_A_UNION)
    Annotated[Literal["auto"], Tag("[auto]")] | Annotated[tuple[PassName, ...], Tag("[passes]")],
    Discriminator(lambda passes: "[auto]" if isinstance(passes, str) else "[passes]"),
]
MetricName = Annotated[
    Metric,
    BeforeValidator(
        lambda name: resolve_metric(name) if isinstance(name, str) else name,
        json_schema_input_type=Literal[(*get_args(Metric), *METRIC_ALIASES)],
    ),
]


class _StrictModel(Record):
    """A part of train.yaml. Infinite numbers, which JSON has none of, are refused: no limit is to leave it out."""

    model_config = ConfigDict(allow_inf_nan=False)


class Split(_StrictModel):
    """Shares of the rows; what remains trains. Stratified by the class, or by quantiles of a regression target.

    ``by`` time: the latest rows test, those before them validate; by group: rows of one group stay together. ``column``
    holds the time or the group.
    """

    validation: Share = 0.1
    test: Share = 0.1
    by: Literal["random", "time", "group"] = "random"
    column: Text | None = None

    @model_validator(mode="after")
    def _require_column(self) -> Self:
        if (self.by == "random") != (self.column is None):
            raise ValueError("split.by time or group needs split.column, and random needs none")
        return self


class Parallel(_StrictModel):
    """Training on several machines: data parallel, sharded (FSDP2), or model parallel."""

    strategy: Literal["ddp", "fsdp", "tensor"] = "ddp"
    nodes: Annotated[int, Field(ge=1, le=64)] = 1

    @model_validator(mode="after")
    def _require_nodes(self) -> Self:
        if self.strategy != "ddp" and self.nodes == 1:
            raise ValueError(f"strategy {self.strategy} is of several machines: nodes is expected")
        return self


class Privacy(_StrictModel):
    """Differentially private training (DP-SGD, Abadi et al. 2016): at most ``epsilon`` is spent at this ``delta``."""

    epsilon: Annotated[float, Field(gt=0)]
    delta: Annotated[float, Field(gt=0, lt=1)] | None = None  # None: 1e-5, or less where rows are many
    max_gradient_norm: Annotated[float, Field(gt=0)] = 1.0

    def delta_for(self, rows: int) -> float:
        """The ``delta`` for so many training rows.

        Where none is given it is 1e-5, or a tenth of 1 / rows where that is less: a delta of 1 / rows allows the
        publication of a row as it is (Dwork and Roth 2014, section 2.3).
        """
        return self.delta if self.delta is not None else min(1e-5, 0.1 / rows)


class Training(_StrictModel):
    """Hyper-parameters of all networks (NetworkConfig), and how they train; None lets the plan choose.

    ``class_weights``: balanced, or a weight for each class that is named (others 1).
    """

    epochs: Epochs | None = None
    optimizer: Optimizer | None = None
    learning_rate: LearningRate | None = None
    momentum: Momentum | None = None
    schedule: Schedule | None = None
    warmup: Warmup | None = None
    decay: RateDecay | None = None
    step_epochs: StepEpochs | None = None
    batch_size: BatchSize | None = None
    batching: Batching | None = None
    loss: Loss | None = None
    label_smoothing: LabelSmoothing | None = None
    focal_gamma: FocalGamma | None = None
    huber_delta: HuberDelta | None = None
    quantiles: Quantiles | None = None
    class_weights: Literal["balanced"] | dict[Label, Annotated[float, Field(gt=0)]] | None = None
    hidden: Hidden | None = None
    dropout: Dropout | None = None
    l1: L1 | None = None
    l2: L2 | None = None
    weight_decay: WeightDecay | None = None
    max_gradient_norm: GradientNorm | None = None
    mixup: Mixup | None = None
    averaging: Averaging | None = None
    sparsity: Sparsity | None = None
    shared_bits: SharedBits | None = None
    early_stopping: EarlyStopping | None = None
    precision: NumberFormat | None = None
    checkpoint_seconds: Annotated[float, Field(ge=0)] = 60.0  # at least; 0: after each epoch
    privacy: Privacy | None = None
    parallel: Parallel = Parallel()
    base_model: str | None = None  # tenant/model@alias: fine-tuning from a registered model
    freeze: bool = False  # its weights stay, only the last layer learns

    @model_validator(mode="after")
    def _check_dependent_fields(self) -> Self:
        if self.freeze and self.base_model is None:
            raise ValueError("freeze is of a base model: base_model is expected beside it")
        ranged = self.batching in ("random", "growing")
        if ranged and not isinstance(self.batch_size, tuple):
            raise ValueError(f"batching {self.batching} is between two sizes: batch_size: [32, 256], say")
        if isinstance(self.batch_size, tuple) and not ranged:
            raise ValueError("batch_size has two numbers: batching random or growing is expected beside them")
        return self

    @property
    def hyperparameters(self) -> Settings:
        """Fields of a NetworkConfig that were given a value."""
        return self.model_dump(exclude_none=True, exclude=_NOT_HYPERPARAMETERS)


_NOT_HYPERPARAMETERS = {"class_weights", "checkpoint_seconds", "privacy", "parallel", "base_model", "freeze"}


class Search(_StrictModel):
    """How settings are searched for. ``space``: algorithm -> setting -> values, or a range; None: its own.

    grid tries all; random and bayesian (Optuna's TPE) ``trials``; halving begins with so many on few rows and goes on
    with the better ones (Jamieson and Talwalkar 2016). ``cv``: each is scored by cross-validation in so many folds.
    """

    method: Literal["none", "grid", "random", "halving", "bayesian"] = "none"
    space: dict[Algorithm, Space] | None = None
    trials: Annotated[int, Field(ge=1, le=1000)] = 20
    cv: Annotated[int, Field(ge=2, le=20)] | None = None

    @model_validator(mode="after")
    def _require_method(self) -> Self:
        given = [name for name in ("space", "cv") if getattr(self, name) is not None]
        if given and self.method == "none":
            raise ValueError(f"{given[0]} is given and method is none: grid, random, halving or bayesian is expected")
        return self


class Compression(_StrictModel):
    """Which variants to make. The model as it was trained (fp32) is always one.

    Attributes:
        passes: Applied to each candidate in this order, before each of ``precisions``; a pass that quantizes sets the
            precision itself. auto: the passes of each precision, and fine-tuned pruning where ``minutes`` is set.
        precisions: One variant each.
        max_quality_drop: Relative to the fp32 file's metric; of log_loss, of the mean probability of the truth.
        min_agreement: Share of labels (regression: correlation of values) that are those of the fp32 file.
        max_slowdown: Latency of one row divided by the fp32 file's. With a bound the machine has a say.
        minutes: The time in which variants are begun and fine-tuned; None: no pruning unless it is named, and 10.
    """

    passes: Passes = "auto"
    precisions: tuple[Precision, ...] = ("fp32", "int8")
    max_quality_drop: Annotated[float, Field(ge=0, le=1)] = 0.01
    min_agreement: Annotated[float, Field(ge=0, le=1)] = 0.98
    max_slowdown: Annotated[float, Field(gt=0)] | None = None
    minutes: Annotated[float, Field(gt=0, le=1440)] | None = None

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        quantizing = [name for name in self.passes if name in PRECISION_OF_PASS]
        if len(quantizing) > 1:
            raise ValueError(f"passes: {quantizing[0]} and {quantizing[1]} set the precision: at most one is expected")
        if quantizing and self.passes[-1] != quantizing[0]:
            raise ValueError(f"passes: {quantizing[0]} sets the precision and is expected to be the last")
        return self


class Limits(_StrictModel):
    """What a version must keep to be promoted by itself. None: no limit."""

    max_bytes: Annotated[int, Field(gt=0)] | None = None
    max_latency_us: Annotated[float, Field(gt=0)] | None = None
    min_quality: float | None = None  # of metric, else of accuracy or rmse (of an error or a loss: at most)
    minutes: Annotated[float, Field(gt=0, le=1440)] = 60  # of a training job: what it has by then is the best so far
    dollars: Annotated[float, Field(gt=0)] | None = None  # of all training jobs, at list prices
    prefer: Prefer = "balanced"  # which variant of the Pareto front is served


class JobSpec(_StrictModel):
    """``train.yaml``. An unknown field is an error that names the nearest known one."""

    task: Annotated[Task | None, BeforeValidator(check_task_name)] = None  # None: told from the target's values
    # None: the object's metadata, else the last column; of clustering none. A list is targets.
    target: Annotated[Text | None, Field(json_schema_extra=_OR_LIST)] = None
    targets: tuple[Text, ...] = ()  # several columns to learn: all numbers, or all labels that a row has or has not
    labels: Literal["auto", "single", "several"] = "auto"  # of a cell such as a|b: one class, or several labels
    metric: MetricName | None = None  # None: log_loss, average_precision, rmse or silhouette
    positive_class: Label | None = None  # of two classes; None: the second in sorted order, or the rarer under 5 %
    threshold: Threshold = "auto"  # of the positive class; auto: see there
    threshold_metric: ThresholdMetric | None = None  # f1; naming one tunes the threshold of balanced classes too
    threshold_recall: Annotated[float, Field(gt=0, le=1)] | None = None  # that precision_at_recall keeps
    algorithms: Annotated[tuple[Algorithm, ...], Field(min_length=1, json_schema_extra=_CATALOGUED)] | None = None
    blend: bool = True  # a weighted blend of the best few, and a student of it, are candidates
    folds: Annotated[int, Field(ge=1, le=20)] = BAG_FOLDS  # of a candidate's bag; 1: one model beside validation rows
    serve: Literal["bag", "single"] = "bag"  # single: one model refit on all rows, as the folds found it best
    cross_validate: bool | None = None  # deprecated, without effect
    refit: bool | None = None  # deprecated, without effect
    clusters: Annotated[int, Field(ge=2, le=100)] | None = None  # None: chosen by the silhouette
    weight: Text | None = None  # a column of the rows' weights
    drop: tuple[Text, ...] = ()  # columns that no model may read
    header: Header = "auto"  # "none": the first line of the file is data; the columns get names
    missing: tuple[Marker, ...] | None = None  # replaces the list of texts that mean a missing value
    encoding: Annotated[str, Field(min_length=1)] | None = None  # of the file, as Python names it; None: detected
    sheet: Sheet | None = None  # of a spreadsheet; None: the first one with a table
    settings: dict[Algorithm, Settings] = {}  # of an algorithm, by its name: what it is not to choose by itself
    code: Settings = {}  # what the Settings of a model.py beside the data are given
    segments: tuple[Text, ...] = ()  # columns by whose values the card shows quality; empty: chosen
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    split: Split = Split()
    training: Training = Training()
    search: Search = Search()
    compression: Compression = Compression()
    limits: Limits = Limits()
    promote: Literal["auto", "manual"] = "auto"

    @model_validator(mode="before")
    @classmethod
    def _take_list_of_targets(cls, fields: object) -> object:
        """A list under ``target`` is ``targets``; of one name it is that target."""
        if not isinstance(fields, dict):
            return fields
        named = fields.get("targets") or fields.get("target")
        if not isinstance(named, list | tuple):
            return fields
        if fields.get("target") and fields.get("targets"):
            raise ValueError("target and targets are both given: one of them is expected")
        if "target" in fields and not named:
            raise ValueError("target: the list is empty: the name of a column, or several, are expected")
        others = {name: value for name, value in fields.items() if name not in ("target", "targets")}
        return {**others, "target": named[0]} if len(named) == 1 else {**others, "targets": named}

    @model_validator(mode="after")
    def _check_targets(self) -> Self:
        if len(set(self.targets)) < len(self.targets):
            raise ValueError("targets: a column is named twice: each once is expected")
        if len(self.targets) > MAX_TARGETS:
            raise ValueError(f"targets: {len(self.targets)} are given: at most {MAX_TARGETS} are expected")
        return self

    @property
    def asked_target(self) -> str | None:
        """The target, or all targets, as a message names them."""
        return ", ".join(self.targets) or self.target

    @model_validator(mode="after")
    def _check_clusters(self) -> Self:
        if self.clusters is not None and self.task != "clustering":
            raise ValueError("clusters is of task: clustering, which is expected beside it")
        return self

    @model_validator(mode="after")
    def _check_threshold(self) -> Self:
        if (self.threshold_metric == "precision_at_recall") != (self.threshold_recall is not None):
            raise ValueError("threshold_metric: precision_at_recall and threshold_recall are expected together")
        if self.threshold != "auto" and self.threshold_metric is not None:
            raise ValueError("threshold is a number, so that nothing is tuned: threshold_metric needs threshold: auto")
        return self


def merge_training(training: Training, own: Settings, where: str) -> Training:
    """Return ``training`` with these hyper-parameters in place of its own.

    Args:
        training: For all networks.
        own: Of one network.
        where: The field of train.yaml that ``own`` comes from, for messages.

    Raises:
        InvalidJobSpecError: They do not fit together.
    """
    merged = {**training.model_dump(exclude_none=True), **own}
    try:
        return Training.model_validate(merged)
    except ValidationError as error:
        sentences = (sentence.removeprefix("train.yaml: ") for sentence in _sentences(error))
        raise InvalidJobSpecError("; ".join(f"{where}.{sentence}" for sentence in sentences)) from error


def parse_job_spec(document: bytes) -> JobSpec:
    """Read ``train.yaml``; raise InvalidJobSpecError naming the field, what was expected and the nearest known name."""
    try:
        content = load_train_yaml(document.decode("utf-8-sig"))
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
        raise InvalidJobSpecError("; ".join(_sentences(error))) from error


_SCALARS = 3  # kinds at least that a setting's value may be of
_IN_A_UNION = re.compile(r"[\[\]({]|^(constrained-|(int|str|float|bool|Range)$)")  # pydantic's names of its choices


def _sentences(error: ValidationError) -> list[str]:
    """Of the first problems, one a field; a list is not too short beside its wrong items, which is how pydantic counts.

    Of a field that takes several kinds pydantic tells what each of them lacks.
    """
    found = error.errors()
    within = {problem["loc"][:-1] for problem in found}
    told = [one for one in found if not (one["type"] == "too_short" and one["loc"] in within)]
    fields: dict[tuple[str, ...], list[Any]] = {}
    for problem in told:
        fields.setdefault(tuple(_path(problem)), []).append(problem)
    return [_sentence(problems) for problems in fields.values()][:3]


def _path(problem: Any) -> list[str]:
    return [part for part in map(str, problem["loc"]) if not _IN_A_UNION.search(part)]


def _sentence(problems: list[Any]) -> str:
    problem, path = problems[0], _path(problems[0])
    if problem["type"] == "extra_forbidden":
        known = list(Range.model_fields) if "Range" in problem["loc"] else _fields_at(path[:-1])
        return f"train.yaml: unknown field '{'.'.join(path)}': {_nearest(path, known)}"
    where = f"train.yaml: {'.'.join(path)}: " if path else "train.yaml: "
    if problem["type"] == "value_error":
        return f"{where}{problem['ctx']['error']}"
    if problem["type"] == "literal_error" and isinstance(problem["input"], str):
        known = re.findall(r"'([^']*)'", problem["ctx"]["expected"])
        return f"{where}unknown value '{problem['input'][:60]}': {did_you_mean(problem['input'], known)}"
    if len(problems) >= _SCALARS:
        return f"{where}a number, a word, true or false, or a list of them is expected"
    return where + ", or ".join(dict.fromkeys(map(_expected, problems)))


def _expected(problem: Any) -> str:
    message = re.sub(" or instance of .*|, unable to parse string.*| after validation.*", "", problem["msg"])
    for ours, theirs in (("list", "valid tuple"), ("mapping", "valid dictionary"), ("list", "tuple")):
        message = message.replace(theirs, ours)
    return f"{message[:1].lower()}{message[1:]}"


def _nearest(path: list[str], fields: list[str]) -> str:
    """What was meant: a field further in, or an algorithm's settings, written where they are not."""
    name = path[-1]
    if len(path) == 1 and name in catalogue():
        return f"did you mean 'settings.{name}'?"
    within = [outer for outer in fields if name in _fields_at([outer])] if len(path) == 1 else []
    return f"did you mean '{within[0]}.{name}'?" if within else did_you_mean(name, fields)


def _fields_at(path: list[str]) -> list[str]:
    """Of the record there; none where the path ends at no record."""
    model: type[BaseModel] = JobSpec
    for part in path:
        if part not in model.model_fields:
            return []
        annotation = model.model_fields[part].annotation
        kinds = [one for one in (annotation, *get_args(annotation)) if isinstance(one, type)]
        records = [one for one in kinds if issubclass(one, BaseModel)]
        if not records:
            return []
        model = records[0]
    return list(model.model_fields)
