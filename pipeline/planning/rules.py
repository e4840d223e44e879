"""Rules that exclude algorithms: two tables of rules; the first rule that applies gives the reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pipeline.contracts.algorithms.spec import AlgorithmSpec, Input
from pipeline.contracts.records.dataset import Dataset
from pipeline.contracts.records.plan import Trials
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.planning.estimates import ESTIMATE_TOLERANCE, bytes_of, cells_of, latency_of, seconds_of

__all__ = ["CODE_REFUSED", "Case", "exceeds_limits_because", "ineligible_because"]

CODE_REFUSED = "model.py is code, which this embedded cloud does not run: start it with 'modeldrop up --allow-code'"
_INPUT_OF_KIND: dict[str, Input] = {
    "numeric": "num", "boolean": "num", "datetime": "num", "categorical": "cat", "text": "text", "image": "image",
}  # fmt: skip
_WORDS: dict[Input, str] = {"num": "numbers", "cat": "categories", "text": "texts", "image": "images"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One algorithm, and the data set and JobSpec that it is considered for.

    Attributes:
        declared: The algorithm.
        dataset: The data set.
        spec: Limits, settings of the training, and the named algorithms.
        runs_code: Whether this deployment runs a user's code.
        trials: Search of the algorithm's settings; None: there is none.
    """

    declared: AlgorithmSpec
    dataset: Dataset
    spec: JobSpec
    runs_code: bool = True
    trials: Trials | None = None

    @property
    def is_named(self) -> bool:
        """Return whether ``algorithms`` of the spec names the algorithm."""
        return self.spec.algorithms is not None

    @property
    def seconds(self) -> float | None:
        """Estimated seconds of the training on one thread; None: unknown."""
        return seconds_of(self.declared, self.dataset, self.spec, self.trials)

    @property
    def rows(self) -> int:
        """Number of training rows."""
        return self.dataset.rows.train

    @property
    def classes(self) -> int:
        """Number of classes that one model distinguishes."""
        return 2 if self.dataset.is_multilabel else len(self.dataset.classes)


def ineligible_because(case: Case) -> str | None:
    """Return why the data's shape excludes the algorithm; None: it does not."""
    return next((why for rule in _BY_SHAPE if (why := rule(case))), None)


def exceeds_limits_because(case: Case) -> str | None:
    """Return why estimates exceed the spec's limits; None: they do not, or the spec names the algorithm."""
    if case.is_named:
        return None
    return next((why for rule in _BY_LIMITS if (why := rule(case))), None)


def _no_code(case: Case) -> str | None:
    if case.declared.has_user_code and case.dataset.code_sha256 is None:
        return "there is no model.py beside the data"
    return CODE_REFUSED if case.declared.has_user_code and not case.runs_code else None


def _not_requested(case: Case) -> str | None:
    return "tried only when named in algorithms" if case.declared.only_by_name and not case.is_named else None


def _one_target_alone(case: Case) -> str | None:
    if not case.dataset.targets or not case.declared.has_user_code:
        return None
    return f"model.py learns one target, and there are {len(case.dataset.targets)}"


def _other_task(case: Case) -> str | None:
    if case.dataset.task in case.declared.tasks:
        return None
    return f"it does not support {case.dataset.task} (only {', '.join(case.declared.tasks)})"


def _not_private(case: Case) -> str | None:
    if case.spec.training.privacy is None:
        return None
    if not case.declared.is_network:
        return "training.privacy is set, and it cannot be trained privately"
    texts = [column.name for column in case.dataset.columns if column.kind == "text"]
    if not texts:
        return None
    return f"training.privacy is set, and texts cannot be read privately: drop: [{', '.join(texts)}] is expected"


def _no_intervals(case: Case) -> str | None:
    has_quantiles = case.spec.training.quantiles or case.spec.training.loss == "quantile"
    if not has_quantiles or case.declared.is_network or case.is_named or case.dataset.task != "regression":
        return None
    return "quantiles are set, and it does not predict them"


def _nothing_to_read(case: Case) -> str | None:
    inputs = {_INPUT_OF_KIND[column.kind] for column in case.dataset.columns}
    if inputs & set(case.declared.supported_inputs) and set(case.declared.required_inputs) <= inputs:
        return None
    read = case.declared.required_inputs or case.declared.supported_inputs
    return f"it needs {' and '.join(_WORDS[kind] for kind in read)}, which the data does not have"


def _too_many_classes(case: Case) -> str | None:
    maximum = case.declared.max_classes
    return (
        f"{case.classes:,} classes; its maximum is {maximum:,}"
        if maximum is not None and case.classes > maximum
        else None
    )


def _too_many_rows(case: Case) -> str | None:
    maximum = case.declared.max_rows
    if maximum is None or case.rows <= maximum or case.is_named:
        return None
    return f"{case.rows:,} training rows; its maximum is {maximum:,}"


def _too_many_cells(case: Case) -> str | None:
    maximum, cells = case.declared.max_cells, cells_of(case.dataset)
    if maximum is None or cells <= maximum or case.is_named:
        return None
    return f"{cells:,} cells (training rows times columns); its maximum is {maximum:,}"


def _too_few_rows(case: Case) -> str | None:
    if case.rows >= case.declared.min_rows or case.is_named:
        return None
    return f"{case.rows:,} training rows; its minimum is {case.declared.min_rows:,}"


def _too_many_weights(case: Case) -> str | None:
    # A categorical column becomes one column per value, one for missing and one for unknown values.
    columns = case.dataset.columns
    width = sum(len(column.vocabulary) + 2 if column.kind == "categorical" else 1 for column in columns)
    weights, maximum = width * max(1, case.classes), case.declared.max_weights
    if maximum is None or weights <= maximum:
        return None
    return f"{weights:,} weights over one-hot categories and classes; its maximum is {maximum:,}"


def _file_too_large(case: Case) -> str | None:
    maximum, about = case.spec.limits.max_bytes, bytes_of(case.declared, case.dataset)
    if maximum is None or about is None or about <= ESTIMATE_TOLERANCE * maximum:
        return None
    return f"its file is estimated at {about:,.0f} bytes; limits.max_bytes is {maximum:,}"


def _too_slow_to_predict(case: Case) -> str | None:
    maximum, about = case.spec.limits.max_latency_us, latency_of(case.declared, case.dataset)
    if maximum is None or about is None or about <= ESTIMATE_TOLERANCE * maximum:
        return None
    return f"one row is estimated to take {about:.0f} us; limits.max_latency_us is {maximum:g}"


def _too_long_to_train(case: Case) -> str | None:
    about, minutes = case.seconds, case.spec.limits.minutes
    if about is None or about <= ESTIMATE_TOLERANCE * 60 * minutes:
        return None
    return f"its training is estimated at {about / 60:.3g} minutes; its job has {minutes:.3g}"


_Rule = Callable[[Case], str | None]
_BY_SHAPE: tuple[_Rule, ...] = (
    _no_code, _not_requested, _one_target_alone, _other_task, _not_private, _no_intervals, _nothing_to_read,
    _too_many_classes, _too_many_rows, _too_many_cells, _too_few_rows, _too_many_weights,
)  # fmt: skip
_BY_LIMITS: tuple[_Rule, ...] = (_file_too_large, _too_slow_to_predict, _too_long_to_train)
