"""The error tree is an API: its names are the state machine's ErrorEquals."""

from __future__ import annotations

import re

from pipeline.contracts import errors


def _tree(cls: type[errors.ModeldropError]) -> set[str]:
    return {cls.__name__}.union(*(_tree(child) for child in cls.__subclasses__()))


def test_all_names_the_tree_and_the_docstring_draws_it() -> None:
    tree = {name for name in _tree(errors.ModeldropError) if hasattr(errors, name)}
    assert set(errors.__all__) - {"MAX_MESSAGE", "error_named"} == tree
    assert set(re.findall(r"\b\w+Error\b", errors.__doc__ or "")) == tree


def test_an_error_comes_back_from_its_name_with_its_sentence() -> None:
    error = errors.error_named("InvalidTargetError", "target column 'x' is constant")
    assert isinstance(error, errors.InvalidTargetError)
    assert error.message == "target column 'x' is constant"


def test_a_name_from_elsewhere_is_a_crash_that_says_it() -> None:
    error = errors.error_named("MemoryError", "killed")
    assert isinstance(error, errors.JobCrashedError)
    assert error.message == "MemoryError: killed"


def test_only_temporary_errors_are_retried() -> None:
    assert errors.TransientError("busy").retryable
    assert not errors.InvalidTargetError("constant").retryable
