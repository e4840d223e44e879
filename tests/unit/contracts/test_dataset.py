"""The imbalance and the positive class of a Dataset."""

from __future__ import annotations

import pytest

from pipeline.contracts.errors import InvalidJobSpecError
from pipeline.contracts.records.dataset import Dataset, SplitRows
from pipeline.contracts.spec.metrics import check_positive_class


def _dataset(rows: dict[str, int], named_positive: str = "") -> Dataset:
    return Dataset(
        task="classification",
        target="t",
        columns=(),
        classes=tuple(rows),
        class_rows=tuple(rows.values()),
        rows=SplitRows(train=sum(rows.values()), validation=1, test=1),
        sha256="0",
        named_positive=named_positive,
    )


@pytest.mark.parametrize(
    ("rows", "imbalanced", "positive"),
    [
        ({"0": 500, "1": 500}, False, "1"),
        ({"0": 50, "1": 950}, False, "1"),
        ({"0": 49, "1": 951}, True, "0"),
        ({"fraud": 15, "ok": 985}, True, "fraud"),
        ({"a": 300, "b": 300, "c": 40}, True, ""),
        ({"a": 300, "b": 300, "c": 50}, False, ""),
    ],
)
def test_imbalance_and_the_positive_class_depend_on_class_counts(
    rows: dict[str, int], imbalanced: bool, positive: str
) -> None:
    dataset = _dataset(rows)
    assert (dataset.is_imbalanced, dataset.positive) == (imbalanced, positive)
    assert dataset.signature.positive == positive


def test_the_class_named_in_train_yaml_is_positive_even_if_frequent() -> None:
    assert _dataset({"fraud": 15, "ok": 985}, "ok").positive == "ok"


def test_a_positive_class_must_be_one_of_two_classes() -> None:
    check_positive_class("ok", ("fraud", "ok"))
    check_positive_class(None, ("a", "b", "c"))
    with pytest.raises(InvalidJobSpecError, match="did you mean 'fraud'"):
        check_positive_class("frau", ("fraud", "ok"))
    with pytest.raises(InvalidJobSpecError, match="two classes, and this one has 3"):
        check_positive_class("a", ("a", "b", "c"))
