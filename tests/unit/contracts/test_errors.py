"""The error tree is an API: its names are the ErrorEquals of the state machine."""

from __future__ import annotations

import re

from pipeline.contracts import errors


def _tree(cls: type[errors.ModeldropError]) -> set[str]:
    return {cls.__name__}.union(*(_tree(child) for child in cls.__subclasses__()))


def test_dunder_all_and_the_docstring_list_the_whole_error_tree() -> None:
    tree = {name for name in _tree(errors.ModeldropError) if hasattr(errors, name)}
    assert set(errors.__all__) - {"MAX_MESSAGE", "error_named"} == tree
    assert set(re.findall(r"\b\w+Error\b", errors.__doc__ or "")) == tree


def test_error_named_returns_the_class_with_the_message() -> None:
    error = errors.error_named("InvalidTargetError", "target column 'x' is constant")
    assert isinstance(error, errors.InvalidTargetError)
    assert error.message == "target column 'x' is constant"


def test_an_unknown_error_name_becomes_a_job_crashed_error() -> None:
    error = errors.error_named("MemoryError", "killed")
    assert isinstance(error, errors.JobCrashedError)
    assert error.message == "MemoryError: killed"


def test_only_transient_errors_are_retryable() -> None:
    assert errors.TransientError("busy").retryable
    assert not errors.InvalidTargetError("constant").retryable
