"""Find a column that is more likely the target than the last one, if none was named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.contracts.signature import Column
from pipeline.validation.columns.target import Target

__all__ = ["find_likely_target", "warn_likely_target"]

_TARGET_NAMES = ("target", "label", "y", "class")  # most likely first


def find_likely_target(target: Target, names: Sequence[str], columns: Sequence[Column]) -> str:
    """Return the column that is far more likely the target than the default one; empty if there is none.

    It has a name such as ``target``; or it is the first column and the only one with categories, while the default
    target is a quantity.

    Args:
        target: The default target.
        names: All columns of the file, in order.
        columns: Columns that models can read.
    """
    if target.rule.name.casefold() in _TARGET_NAMES:
        return ""
    spelled = {column.name.casefold(): column.name for column in reversed(columns)}
    if named := next((spelled[name] for name in _TARGET_NAMES if name in spelled), ""):
        return named
    categorical = [column.name for column in columns if column.kind in ("categorical", "boolean")]
    return names[0] if categorical == [names[0]] and _is_quantity(target) else ""


def warn_likely_target(name: str, likely: str) -> Iterator[str]:
    """Warn if the default target is probably not what the user meant."""
    if likely:
        reason = (
            "by its name" if likely.casefold() in _TARGET_NAMES else "as the first column and the only categorical one"
        )
        yield (
            f"the last column '{name}' is learned, and '{likely}' is more likely the target {reason}: --target (or "
            "target in train.yaml) chooses it"
        )


def _is_quantity(target: Target) -> bool:
    """Return whether the values are numbers with more than two distinct values."""
    return target.task == "regression" or (target.rule.has_integer_labels and target.values.n_unique() > 2)
